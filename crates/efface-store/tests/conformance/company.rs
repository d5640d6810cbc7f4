//! Requests in company: the same person again, and people who share an identifier.

use efface_core::{RequestAction, Standing, TaskAction, subject::Value, task::Answered};
use efface_store::{Filed, MemoWrite, NewRequest, Store, TaskWrite, Unit};

use crate::common::*;

pub async fn another_action_waits_at_each_account_and_is_freed_when_the_earlier_task_settles(
    bench: Bench,
) {
    let w = bench.world().await;
    let first = w.start(erase(vec![email("jane")])).await;
    let second = w.start(suppress(vec![email("jane")])).await;
    let waits = w.task(second, "mail").await;
    assert_eq!(stands(&waits), "dependency");
    // only mail suppresses at all
    assert_eq!(stands(&w.task(second, "shop").await), "not_supported");
    w.carry(w.task(first, "shop").await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(
        stands(&w.now_of(waits.id).await),
        "dependency",
        "another account's end frees nothing"
    );
    w.carry(w.task(first, "mail").await.id, Answered::Confirmed { forwarded: false }).await;
    let due = w.store.due_follow_ups(w.now(), 10).await.expect("follow-ups");
    let dependents: Vec<_> =
        due.iter().flat_map(|d| d.dependents.iter().map(|t| t.task.id)).collect();
    assert_eq!(dependents, vec![waits.id]);
    w.follow().await;
    assert_eq!(stands(&w.now_of(waits.id).await), "ready");
}

pub async fn the_third_waits_for_the_second(bench: Bench) {
    let w = bench.world().await;
    let jane = || vec![email("jane"), user("u-1")];
    let first = w.start(erase(jane())).await;
    let second = w.start(suppress(jane())).await;
    let third = w.start(wish(RequestAction::Lift, jane())).await;
    w.carry(w.task(first, "mail").await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(stands(&w.task(second, "mail").await), "ready");
    assert_eq!(
        stands(&w.task(third, "mail").await),
        "dependency",
        "the third goes after the second"
    );
    w.carry(w.task(second, "mail").await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(stands(&w.task(third, "mail").await), "ready");
    // of two tasks at one account the later one is waited for
    let both = w.start(wish(RequestAction::EraseAndSuppress, vec![email("kim")])).await;
    let after = w.start(wish(RequestAction::Lift, vec![email("kim")])).await;
    w.carry(w.task_of(both, "mail", TaskAction::Suppress).await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(stands(&w.task(after, "mail").await), "dependency", "the erasure is still to come");
    w.carry(w.task_of(both, "mail", TaskAction::Erase).await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(stands(&w.task(after, "mail").await), "ready");
}

pub async fn waiting_for_another_does_not_hide_a_missing_identifier(bench: Bench) {
    let w = bench.world().await;
    let first = w.start(erase(vec![email("jane"), user("u-1")])).await;
    // known by the user id alone, which mail cannot be asked by
    let second = w.start(suppress(vec![user("u-1")])).await;
    assert_eq!(stands(&w.task(second, "mail").await), "missing identifier");
    w.carry(w.task(first, "mail").await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!(stands(&w.task(second, "mail").await), "missing identifier");
}

pub async fn cancelling_the_earlier_request_frees_the_later(bench: Bench) {
    let w = bench.world().await;
    for deny in [false, true] {
        let jane = || vec![email(if deny { "jane" } else { "joan" })];
        let first = w.file_new(erase(jane())).await;
        let second = w.start(suppress(jane())).await;
        assert_eq!(stands(&w.task(second, "mail").await), "dependency");
        if deny {
            let code = efface_core::request::DenialCode::Excessive;
            w.store.deny(first, code, "too often", "tester").await.expect("denied");
        } else {
            w.store.cancel(first, "tester").await.expect("cancelled");
        }
        w.follow().await;
        assert_eq!(stands(&w.task(second, "mail").await), "ready");
    }
}

pub async fn what_settles_before_the_filing_is_seen_frees_all_the_same(bench: Bench) {
    let w = bench.world().await;
    let first = w.start(erase(vec![email("jane")])).await;
    let second = w.file_new(released(suppress(vec![email("jane")]))).await;
    // as if the earlier task had settled, and its follow-up been taken, before this filing was seen
    let id = w.task(first, "mail").await.id;
    w.carry(id, Answered::NothingFound).await;
    let due = w.store.due_follow_ups(w.now(), 10).await.expect("follow-ups");
    assert!(due.iter().any(|d| d.request.id == first), "the request waited for is looked at again");
    w.follow().await;
    assert_eq!(stands(&w.task(second, "mail").await), "ready");
    // the filing itself asks for that look
    let third = w.file_new(released(wish(RequestAction::Lift, vec![email("jane")]))).await;
    assert_eq!(stands(&w.task(third, "mail").await), "dependency");
    let due = w.store.due_follow_ups(w.now(), 10).await.expect("follow-ups");
    assert!(due.iter().any(|d| d.request.id == second), "{due:?}");
}

async fn standings(w: &World, id: efface_core::RequestId) -> Vec<(String, Standing)> {
    let dossier = w.store.dossier(id).await.expect("opens");
    dossier.identifiers.iter().map(|i| (i.kind.word(), i.standing)).collect()
}

fn one_shared() -> Vec<(String, Standing)> {
    vec![("email".into(), Standing::Personal), ("phone".into(), Standing::Shared)]
}

pub async fn two_people_who_share_a_phone_share_it_both(bench: Bench) {
    let w = bench.world().await;
    let jane = w.start(erase(vec![email("jane"), phone(1)])).await;
    assert_eq!(stands(&w.task(jane, "calls").await), "ready");
    let before = w.store.request(jane).await.expect("request").request.version;
    let john = w.start(erase(vec![email("john"), phone(1)])).await;
    assert_eq!(standings(&w, jane).await, one_shared());
    assert_eq!(standings(&w, john).await, one_shared());
    // keyed by telephone alone, nobody may be erased there
    assert_eq!(stands(&w.task(jane, "calls").await), "desk shared_identifier");
    assert_eq!(stands(&w.task(john, "calls").await), "missing identifier");
    assert_eq!(stands(&w.task(jane, "shop").await), "ready");
    assert_eq!(w.desk().await, vec![("task".into(), "shared_identifier".into())]);
    assert_eq!(w.store.request(jane).await.expect("request").request.version, before + 1);
    let due = w
        .store
        .due_tasks(&account("shop"), efface_core::task::Queue::Submit, 10)
        .await
        .expect("due");
    assert!(
        due.iter().all(|t| t.identifiers.iter().filter(|i| i.drives()).count() == 1),
        "{due:?}"
    );
    // another who shares it changes nothing more for the first
    w.start(erase(vec![email("jack"), phone(1)])).await;
    assert_eq!(w.store.request(jane).await.expect("request").request.version, before + 1);
}

pub async fn a_third_who_names_only_the_shared_phone_is_nobodys_duplicate(bench: Bench) {
    let w = bench.world().await;
    w.start(erase(vec![email("jane"), phone(1)])).await;
    w.start(erase(vec![email("john"), phone(1)])).await;
    let filed = w.file(released(erase(vec![phone(1)]))).await.expect("filed");
    let Filed::New(id) = filed else { panic!("one of two persons was picked: {filed:?}") };
    assert_eq!(standings(&w, id).await, vec![("phone".into(), Standing::Shared)]);
    assert_eq!(stands(&w.task(id, "calls").await), "missing identifier");
    // in one group as well
    let filed = w
        .store
        .file(vec![
            erase(vec![email("a"), phone(2)]),
            erase(vec![email("b"), phone(2)]),
            erase(vec![phone(2)]),
        ])
        .await;
    assert!(filed.iter().all(|f| matches!(f, Ok(Filed::New(_)))), "{filed:?}");
}

pub async fn a_phone_shared_across_controllers_starves_the_other_controllers_task(bench: Bench) {
    let w = bench.world().await;
    let far = w.start(of_controller("second", erase(vec![email("jane"), phone(1)]))).await;
    assert_eq!(stands(&w.task(far, "far").await), "ready");
    w.start(erase(vec![email("john"), phone(1)])).await;
    assert_eq!(stands(&w.task(far, "far").await), "desk shared_identifier");
}

pub async fn a_phone_that_is_amended_in_is_shared_too(bench: Bench) {
    let w = bench.world().await;
    let jane = w.start(erase(vec![email("jane"), phone(1)])).await;
    let john = w.file_new(erase(vec![email("john")])).await;
    w.store.amend(john, vec![phone(1)], None, "tester").await.expect("amended");
    assert_eq!(standings(&w, jane).await, one_shared());
    assert_eq!(standings(&w, john).await, one_shared());
    assert_eq!(stands(&w.task(jane, "calls").await), "desk shared_identifier");
    assert_eq!(stands(&w.task(john, "calls").await), "missing identifier");
    // one's own further identifier is not shared
    w.store.amend(john, vec![phone(2)], None, "tester").await.expect("amended");
    assert_eq!(stands(&w.task(john, "calls").await), "phase erase");
}

pub async fn a_phone_that_is_proved_later_is_shared_too(bench: Bench) {
    let w = bench.world().await;
    let jane = w.start(erase(vec![email("jane"), phone(1)])).await;
    let john = w.file_new(unproved(erase(vec![email("john"), phone(1)]))).await;
    assert_eq!(
        stands(&w.task(jane, "calls").await),
        "ready",
        "what nothing proves takes nothing away"
    );
    w.store.identify(john, &proof()).await.expect("identified");
    assert_eq!(standings(&w, jane).await, one_shared());
    assert_eq!(standings(&w, john).await, one_shared());
    assert_eq!(stands(&w.task(jane, "calls").await), "desk shared_identifier");
    assert_eq!(stands(&w.task(john, "calls").await), "missing identifier");
}

pub async fn a_phone_that_two_prove_at_the_same_moment_is_shared(bench: Bench) {
    let w = bench.world().await;
    let (other, proof) = (w.another().await, proof());
    for n in 0..8u8 {
        let amended = w.file_new(erase(vec![email(&format!("amended{n}"))])).await;
        let told = w.file_new(unproved(erase(vec![email(&format!("told{n}")), phone(n)]))).await;
        let (amending, identifying, filing) = tokio::join!(
            w.store.amend(amended, vec![phone(n)], None, "tester"),
            other.identify(told, &proof),
            other.file(vec![erase(vec![email(&format!("filed{n}")), phone(n)])]),
        );
        amending.expect("amended");
        identifying.map(drop).expect("identified");
        let filed = filing.into_iter().next().expect("one").expect("filed");
        let Filed::New(filed) = filed else { panic!("{filed:?}") };
        for id in [amended, told, filed] {
            assert_eq!(standings(&w, id).await, one_shared(), "round {n}");
            let task = w.task(id, "calls").await;
            assert!(
                ["missing identifier", "desk shared_identifier"].contains(&stands(&task).as_str()),
                "{task:?}"
            );
        }
    }
}

pub async fn what_is_proved_later_keeps_its_place_and_names_its_twin(bench: Bench) {
    let w = bench.world().await;
    let first = w.file_new(unproved(suppress(vec![email("jane")]))).await;
    let second = w.file_new(unproved(erase(vec![email("jane")]))).await;
    let twin = w.file_new(unproved(erase(vec![email("jane")]))).await;
    for id in [first, second] {
        w.store.identify(id, &proof()).await.expect("identified");
    }
    assert_eq!(w.desk().await, vec![], "another action is no twin");
    assert_eq!(
        stands(&w.task(second, "mail").await),
        "dependency",
        "the request filed first goes first"
    );
    assert_eq!(stands(&w.task(second, "shop").await), "phase erase");
    w.store.identify(twin, &proof()).await.expect("identified");
    assert_eq!(w.desk().await, vec![("request".into(), "needs_person".into())]);
    let item = w.store.desk_row(w.desk_item("needs_person").await).await.expect("item");
    assert_eq!(item.request, Some(twin));
    assert!(
        item.item.reason.sentence().contains(&second.to_string()),
        "{}",
        item.item.reason.sentence()
    );
    w.store.cancel(first, "tester").await.expect("cancelled");
    w.follow().await;
    assert_eq!(stands(&w.task(second, "mail").await), "phase erase");
}

pub async fn a_lift_gets_back_the_state_before_its_own_suppress_and_nobody_elses(bench: Bench) {
    let w = bench.world().await;
    for (name, prior) in [("john", "johns state"), ("jane", "janes state")] {
        let id = w.start(suppress(vec![email(name), phone(1)])).await;
        let task =
            w.carry(w.task(id, "mail").await.id, Answered::Confirmed { forwarded: false }).await;
        let mut after = task.clone();
        after.version += 1;
        let write = TaskWrite {
            prior: Some(Value::new(prior)),
            memo: MemoWrite::Keep,
            ..TaskWrite::new(task.version, after)
        };
        w.store.commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("kept");
        w.follow().await;
    }
    let lift =
        w.start(NewRequest { ..wish(RequestAction::Lift, vec![email("jane"), phone(1)]) }).await;
    let due = w
        .store
        .due_tasks(&account("mail"), efface_core::task::Queue::Submit, 10)
        .await
        .expect("due");
    let found: Vec<_> = due
        .iter()
        .filter(|d| d.task.request == lift)
        .map(|d| d.prior.as_ref().map(Value::expose))
        .collect();
    assert_eq!(found, vec![Some("janes state")]);
}

//! The desk: opened once, decided by a named person, refused where a choice does not fit.

use efface_core::{
    desk::{Choice, Reason, Subject},
    evidence::EvidenceLevel,
    order::OrderState,
    subject::Value,
    task::{Answered, Event, TaskState},
};
use efface_store::{DeskClose, Store, Unit};
use futures::future::join_all;

use crate::common::*;

pub async fn an_item_is_opened_once_per_subject_and_reason(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    let subject = || Subject::Request(id);
    let open = |reason| w.desk_open(subject(), reason);
    let both =
        vec![open(Reason::NobodyFound), open(Reason::NobodyFound), open(Reason::VendorOutage)];
    w.store.commit(Unit { desk_opens: both, ..Unit::default() }).await.expect("opened");
    w.store
        .commit(Unit { desk_opens: vec![open(Reason::NobodyFound)], ..Unit::default() })
        .await
        .expect("kept");
    assert_eq!(
        w.desk().await,
        [("request".into(), "nobody_found".into()), ("request".into(), "vendor_outage".into())]
    );
    let close = |reason| DeskClose {
        subject: subject(),
        reason,
        by: "ada".into(),
        how: "done".into(),
        at: w.now(),
    };
    let unit = Unit { desk_closes: vec![close(Some("nobody_found"))], ..Unit::default() };
    w.store.commit(unit).await.expect("closed");
    assert_eq!(w.desk().await, [("request".into(), "vendor_outage".into())]);
    w.store
        .commit(Unit { desk_opens: vec![open(Reason::NobodyFound)], ..Unit::default() })
        .await
        .expect("anew");
    w.store
        .commit(Unit { desk_closes: vec![close(None)], ..Unit::default() })
        .await
        .expect("closed");
    assert_eq!(w.desk().await, []);
    let all = w.store.desk(false, 100).await.expect("desk");
    assert_eq!(all.len(), 3);
    assert!(
        all.iter().all(|r| r
            .item
            .closed
            .as_ref()
            .is_some_and(|c| c.by == "ada" && c.how == "done"))
    );
}

pub async fn two_processes_open_one_item(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    let outcomes = join_all((0..40).map(|n| {
        let store = if n % 2 == 0 { w.store.clone() } else { other.clone() };
        let unit = Unit {
            desk_opens: vec![w.desk_open(Subject::Request(id), Reason::NobodyFound)],
            ..Unit::default()
        };
        async move { store.commit(unit).await }
    }))
    .await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(w.desk().await.len(), 1);
}

async fn on_desk(w: &World, name: &str) -> efface_core::TaskId {
    let id = w.start(erase(vec![email(name)])).await;
    w.carry(w.task(id, "mail").await.id, Answered::Refused { code: "410".into() }).await.id
}

pub async fn retry_attest_and_waive_decide_a_tasks_item(bench: Bench) {
    let w = bench.world().await;
    for (name, choice, missing, detail, ends) in [
        ("a", Choice::Retry, None, "", "ready"),
        ("b", Choice::Attest, Some("needs a proof"), "ticket 7", "erased"),
        ("c", Choice::Waive, Some("needs a reason"), "account is gone", "waived"),
    ] {
        let task = on_desk(&w, name).await;
        let item = w.desk_item("refused").await;
        if let Some(missing) = missing {
            refused(w.store.decide(item, choice, " ", "ada").await, &[missing]);
        }
        w.store.decide(item, choice, detail, "ada").await.expect("decided");
        assert_eq!(stands(&w.now_of(task).await), ends);
        assert_eq!(w.desk().await, []);
        refused(w.store.decide(item, choice, detail, "eve").await, &["closed by"]);
    }
    let attested = w.store.tasks(Some("settled"), None, None, 10).await.expect("tasks");
    assert!(attested.iter().any(|t| t.row.task.evidence == EvidenceLevel::Attested));
    let history = w.raw.texts("SELECT body FROM journal").await;
    assert!(
        history.iter().any(|b| b.contains("ticket 7") && b.contains("\"ada\"")),
        "the proof is on record"
    );
}

pub async fn a_candidate_is_picked_by_its_number(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.task(id, "mail").await;
    w.order(None, std::slice::from_ref(&task), 1).await.expect("ordered");
    let task = w.now_of(task.id).await;
    let answer = Answered::Choose { candidates: vec!["r…1".into(), "r…2".into()] };
    let (mut unit, mut changes) = (Unit::default(), vec![]);
    w.happen(&mut unit, &mut changes, &task, &Event::Answered { answer }).expect("asked");
    let picks = r#"[{"step":"second","memo":"record 1"},{"step":"second","memo":"record 2"}]"#;
    unit.desk_opens[0].sealed = Some((id, Value::new(picks)));
    w.store.commit(unit).await.expect("on the desk");
    let item = w.desk_item("choose").await;
    for wrong in ["", "0", "3", "one"] {
        refused(w.store.decide(item, Choice::Pick, wrong, "ada").await, &["from 1 to 2"]);
    }
    w.store.decide(item, Choice::Pick, "2", "ada").await.expect("picked");
    let due = w
        .store
        .due_tasks(&account("mail"), efface_core::task::Queue::Submit, 9)
        .await
        .expect("due");
    assert_eq!(due[0].memo.as_ref().map(Value::expose), Some("record 2"));
    assert_eq!(due[0].task.step.as_str(), "second");
    assert_eq!(w.desk().await, []);
}

pub async fn lower_evidence_is_accepted_for_one_task(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.carry(w.task(id, "mail").await.id, Answered::Confirmed { forwarded: true }).await;
    assert_eq!(stands(&task), "desk below_floor");
    let item = w.desk_item("below_floor").await;
    w.store.decide(item, Choice::AcceptLower, "they never answer", "ada").await.expect("accepted");
    assert_eq!(stands(&w.now_of(task.id).await), "instructed (forwarded)");
}

pub async fn a_lost_order_is_decided_as_one(bench: Bench) {
    let w = bench.world().await;
    for (choice, detail, ends) in [
        (Choice::Retry, "", "ready"),
        (Choice::Attest, "seen there", "erased"),
        (Choice::Waive, "too late", "waived"),
    ] {
        let mut tasks = vec![];
        for n in 0..2 {
            let id = w.start(erase(vec![email(&format!("{choice}{n}"))])).await;
            tasks.push(w.task(id, "mail").await);
        }
        let mut order = w.order(None, &tasks, 1).await.expect("ordered");
        let (mut unit, mut changes) = (Unit::default(), vec![]);
        for task in &tasks {
            let task = w.now_of(task.id).await;
            w.happen(
                &mut unit,
                &mut changes,
                &task,
                &Event::ToDesk { reason: Reason::UnknownOutcome },
            )
            .expect("moved");
        }
        order.state = OrderState::Desk;
        unit.desk_opens = vec![w.desk_open(Subject::Order(order.id), Reason::UnknownOutcome)];
        unit.orders.push(order.clone());
        unit.entries
            .push(w.entry(efface_core::journal::About::Note { text: "lost".into() }, &changes));
        w.store.commit(unit).await.expect("on the desk");
        let item = w.desk_item("unknown_outcome").await;
        assert_eq!(w.store.desk_row(item).await.expect("row").account, Some(account("mail")));
        if choice != Choice::Retry {
            refused(w.store.decide(item, choice, "", "ada").await, &[choice.word(), "needs words"]);
        }
        w.store.decide(item, choice, detail, "ada").await.expect("decided");
        for task in &tasks {
            assert_eq!(stands(&w.now_of(task.id).await), ends);
        }
        assert_eq!(w.desk().await, []);
        let state = w.raw.texts("SELECT state FROM orders ORDER BY id DESC LIMIT 1").await;
        assert_eq!(state, ["answered"]);
    }
}

pub async fn nobody_found_closes_as_no_match(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane"), phone(1)])).await;
    for at in ["mail", "shop"] {
        w.carry(w.task(id, at).await.id, Answered::NothingFound).await;
    }
    w.follow().await;
    let early = w.desk_open(Subject::Request(id), Reason::NobodyFound);
    w.store.commit(Unit { desk_opens: vec![early], ..Unit::default() }).await.expect("opened");
    let item = w.desk_item("nobody_found").await;
    refused(w.store.decide(item, Choice::NoMatch, "", "ada").await, &["no-match", "every vendor"]);
    w.carry(w.task(id, "calls").await.id, Answered::NothingFound).await;
    w.follow().await;
    assert_eq!((w.state(id).await, w.desk().await.len()), ("running", 1));
    w.store.decide(item, Choice::NoMatch, "", "ada").await.expect("decided");
    w.follow().await;
    assert_eq!(
        w.store.request(id).await.expect("request").request.state.describe(),
        "closed: no match"
    );
    assert_eq!(w.desk().await, []);
}

pub async fn what_stands_beside_is_dismissed(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.task(id, "mail").await;
    let beside = vec![
        w.desk_open(Subject::Task(task.id), Reason::Slow),
        w.desk_open(Subject::Lane(lane("mail")), Reason::VendorOutage),
    ];
    w.store.commit(Unit { desk_opens: beside, ..Unit::default() }).await.expect("opened");
    for reason in ["slow", "vendor_outage"] {
        w.store
            .decide(w.desk_item(reason).await, Choice::Dismiss, "seen", "ada")
            .await
            .expect("dismissed");
    }
    assert_eq!((w.desk().await.len(), w.now_of(task.id).await), (0, task));
}

pub async fn an_accounts_item_is_resumed(bench: Bench) {
    let w = bench.world().await;
    let mail = account("mail");
    let row = w.store.account(&mail).await.expect("account");
    let mut condition = row.condition.clone();
    condition.settings_wrong = Some("no such list".into());
    let write =
        efface_store::AccountWrite { read_version: row.version, id: mail.clone(), condition };
    let open = w.desk_open(
        Subject::Account(mail.clone()),
        Reason::SettingsWrong { detail: "no such list".into() },
    );
    w.store
        .commit(Unit { accounts: vec![write], desk_opens: vec![open], ..Unit::default() })
        .await
        .expect("wrong");
    w.store
        .decide(w.desk_item("settings_wrong").await, Choice::Resume, "", "ada")
        .await
        .expect("resumed");
    assert_eq!(w.store.account(&mail).await.expect("account").condition.settings_wrong, None);
    assert_eq!(w.desk().await, []);
}

pub async fn a_choice_that_does_not_fit_is_refused(bench: Bench) {
    let w = bench.world().await;
    let task = on_desk(&w, "jane").await;
    let item = w.desk_item("refused").await;
    refused(
        w.store.decide(item, Choice::Resume, "", "ada").await,
        &["resume", "refused", "retry, attest, waive"],
    );
    refused(
        w.store.retry_task(w.task(w.now_of(task).await.request, "shop").await.id, "ada").await,
        &["ready", "retried"],
    );
    let out = w.now_of(w.task(w.now_of(task).await.request, "shop").await.id).await;
    w.order(None, std::slice::from_ref(&out), 1).await.expect("ordered");
    refused(w.store.waive_task(out.id, "no", "ada").await, &["sending", "waived"]);
    refused(w.store.attest_task(out.id, "proof", "ada").await, &["sending", "attested"]);
    let strange = efface_core::DeskId(uuid::Uuid::from_u128(7));
    refused(
        w.store.decide(strange, Choice::Retry, "", "ada").await,
        &["desk item", "does not exist"],
    );
    // a request's own item keeps the decision's word on record
    let first = w.file_new(erase(vec![email("kim")])).await;
    w.file(erase(vec![email("kim"), user("k")])).await.expect("filed");
    let item = w.desk_item("needs_person").await;
    refused(w.store.decide(item, Choice::Waive, "", "ada").await, &["waive", "reason"]);
    w.store.decide(item, Choice::Waive, "known already", "ada").await.expect("waived");
    let history = w.store.history(first).await.expect("history");
    let said = history.iter().any(|e| matches!(&e.about, efface_core::journal::About::DeskClosed { decision, .. } if decision == "waive"));
    assert!(said, "{history:?}");
    assert!(matches!(w.now_of(task).await.state, TaskState::Desk { .. }));
}

//! The doors of a request, and the refusals that name both sides.

use efface_core::{
    RequestAction, TaskId,
    request::DenialCode,
    task::{Answered, Event, Task, TaskState},
};
use efface_store::{KeptBack, NewRequest, Store};

use crate::common::*;

pub async fn identify_proves_and_says_when_it_is_late(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(unproved(erase(vec![email("jane")]))).await;
    assert_eq!(
        (w.state(id).await, stands(&w.task(id, "mail").await)),
        ("received", "missing identifier".into())
    );
    refused(
        w.store.release(id, "tester").await,
        &["a request that is received cannot be released", "request identify"],
    );
    w.store.identify(id, &proof()).await.expect("identified");
    assert_eq!(
        (w.state(id).await, stands(&w.task(id, "mail").await)),
        ("identified", "phase erase".into())
    );
    assert!(w.store.dossier(id).await.expect("opens").identifiers.iter().all(|i| i.drives()));
    assert_eq!(w.store.identifier_kinds(id).await.expect("kinds"), vec![("email".into(), 1, 1)]);
    refused(
        w.store.identify(id, &proof()).await,
        &["a request that is identified cannot be identified", "request amend"],
    );
}

pub async fn amend_adds_never_removes_and_asks_for_release_again(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    assert_eq!(stands(&w.task(id, "mail").await), "ready");
    w.store.amend(id, vec![phone(1)], None, "tester").await.expect("amended");
    assert_eq!(w.state(id).await, "identified");
    for at in ["mail", "shop", "calls"] {
        assert_eq!(stands(&w.task(id, at).await), "phase erase", "{at}");
    }
    assert_eq!(
        w.store.dossier(id).await.expect("opens").identifiers,
        vec![email("jane"), phone(1)]
    );
    w.follow().await;
    assert_eq!(stands(&w.task(id, "mail").await), "phase erase", "nothing opens before release");
    w.store.release(id, "tester").await.expect("released");
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!(stands(&w.task(id, "calls").await), "ready");
    // the same again is no second identifier, and a proof counts for what was only told
    w.store.amend(id, vec![stated(user("u-1"))], None, "tester").await.expect("amended");
    w.store.amend(id, vec![user("u-1")], None, "tester").await.expect("amended");
    let dossier = w.store.dossier(id).await.expect("opens");
    assert_eq!(dossier.identifiers, vec![email("jane"), phone(1), user("u-1")]);
    refused(w.store.amend(id, vec![user("null")], None, "tester").await, &["placeholder"]);
    w.store.cancel(id, "tester").await.expect("cancelled");
    refused(
        w.store.amend(id, vec![user("u-2")], None, "tester").await,
        &["a request that is cancelled cannot be amended"],
    );
    // what can be lifted again may concern a role, at this door too
    let id = w.file_new(suppress(vec![email("jane")])).await;
    w.store
        .amend(id, vec![typed_email("support@example.org")], None, "tester")
        .await
        .expect("amended");
}

pub async fn an_amendment_takes_the_release_from_whatever_is_out_or_about_to_go(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane"), user("u-1")])).await;
    let out = w.task(id, "mail").await;
    w.order(None, std::slice::from_ref(&out), 1).await.expect("ordered");
    let open = async || w.store.open_orders(&lane("mail")).await.expect("orders").remove(0);
    assert_eq!(open().await.items[0].kept_back, None);
    let before = w.tasks(id).await;
    // whoever has read the request while it ran
    let ready: Vec<_> =
        before.iter().filter(|t| matches!(t.state, TaskState::Ready { .. })).cloned().collect();
    assert!(!ready.is_empty());
    w.store.amend(id, vec![user("u-2")], None, "tester").await.expect("amended");
    let stale = w.order(None, &ready[..1], 2).await;
    assert!(matches!(stale, Err(efface_store::Error::Stale { .. })), "{stale:?}");
    let late = Event::Answered { answer: Answered::NotDone };
    let stale = w.move_tasks(None, &[as_read(&before, out.id)], &late).await;
    assert!(matches!(stale, Err(efface_store::Error::Stale { .. })), "{stale:?}");
    // whoever reads it now
    assert_eq!(open().await.items[0].kept_back, Some(KeptBack::NotReleased));
    for (old, new) in before.iter().zip(w.tasks(id).await) {
        assert_eq!(old.id, new.id);
        let goes = matches!(new.state, TaskState::Ready { .. });
        assert!(old.state.is_settled() || (new.version > old.version && !goes), "{new:?}");
    }
    w.store.release(id, "tester").await.expect("released");
    assert_eq!(open().await.items[0].kept_back, Some(KeptBack::NotReleased), "it cools off");
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!(open().await.items[0].kept_back, None);
}

/// The task of that id as it was read.
fn as_read(tasks: &[Task], id: TaskId) -> Task {
    tasks.iter().find(|t| t.id == id).cloned().expect("read before")
}

pub async fn amend_accepts_one_address_typed_in_two_ways(bench: Bench) {
    let w = bench.world().await;
    let id =
        w.file_new(unproved(erase(vec![typed_email("Jane@Example.org"), email("jane")]))).await;
    w.store.identify(id, &proof()).await.expect("identified");
    w.store.amend(id, vec![user("u-1"), user("u-1")], None, "tester").await.expect("amended");
    assert_eq!(w.raw.count("tag").await, 2);
}

pub async fn release_begins_cooling_off_and_needs_identity(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    w.store.release(id, "tester").await.expect("released");
    refused(
        w.store.release(id, "tester").await,
        &["a request that is released cannot be released"],
    );
    w.follow().await;
    assert_eq!(w.state(id).await, "released");
    assert_eq!(w.store.due_follow_ups(w.now(), 10).await.expect("none").len(), 0);
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!((w.state(id).await, stands(&w.task(id, "mail").await)), ("running", "ready".into()));
    // what can be taken back is released by policy and cools off nothing
    let id = w.file_new(suppress(vec![email("joan")])).await;
    w.follow().await;
    assert_eq!(w.state(id).await, "running");
}

pub async fn deny_needs_a_note_and_ends_every_task(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(released(erase(vec![email("jane")]))).await;
    refused(w.store.deny(id, DenialCode::Exempt, " ", "tester").await, &["a denial needs a note"]);
    w.store.deny(id, DenialCode::Exempt, "must be kept by law", "tester").await.expect("denied");
    assert_eq!(w.state(id).await, "denied");
    assert!(w.tasks(id).await.iter().all(|t| stands(t) == "cancelled"));
    refused(
        w.store.deny(id, DenialCode::Exempt, "x", "tester").await,
        &["a request that is denied cannot be denied"],
    );
    let running = w.start(erase(vec![email("joan")])).await;
    refused(
        w.store.deny(running, DenialCode::Other, "x", "t").await,
        &["a request that is running cannot be denied", "cancel"],
    );
    // amended after something was sent: a denial would say that nothing was
    w.carry(w.task(running, "mail").await.id, Answered::NothingFound).await;
    w.store.amend(running, vec![user("u-1")], None, "tester").await.expect("amended");
    refused(
        w.store.deny(running, DenialCode::Other, "x", "t").await,
        &["identified", "denied", "sent"],
    );
}

pub async fn cancel_ends_what_was_not_sent_and_marks_what_is_out(bench: Bench) {
    let w = bench.world().await;
    let unsent = w.file_new(erase(vec![email("jane")])).await;
    w.store.cancel(unsent, "tester").await.expect("cancelled");
    assert_eq!(w.state(unsent).await, "cancelled");
    refused(
        w.store.cancel(unsent, "tester").await,
        &["a request that is cancelled cannot be cancelled"],
    );

    let id = w.start(erase(vec![email("joan")])).await;
    let out = w.task(id, "mail").await;
    w.order(None, std::slice::from_ref(&out), 1).await.expect("ordered");
    w.store.cancel(id, "tester").await.expect("cancelled");
    assert_eq!(w.state(id).await, "running");
    assert!(w.now_of(out.id).await.cancel_marked);
    assert_eq!(stands(&w.task(id, "shop").await), "cancelled");
    let answered = w.answer(out.id, Answered::Confirmed { forwarded: false }).await;
    assert_eq!(stands(&answered), "erased");
    w.follow().await;
    assert_eq!(w.state(id).await, "closed");
}

pub async fn cancel_of_an_amended_request_with_something_out_still_ends(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let out = w.task(id, "mail").await;
    w.order(None, std::slice::from_ref(&out), 1).await.expect("ordered");
    w.store.amend(id, vec![user("u-1")], None, "tester").await.expect("amended");
    assert_eq!(w.state(id).await, "identified");
    w.store.cancel(id, "tester").await.expect("cancelled");
    w.answer(out.id, Answered::Confirmed { forwarded: false }).await;
    w.follow().await;
    assert_eq!(w.state(id).await, "closed");
}

pub async fn hold_stops_what_is_ready_and_end_hold_lets_it_go(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    refused(
        w.store.end_hold(id, "tester").await,
        &["a request that is running cannot have its hold ended", "it is not held"],
    );
    w.store.hold(id, "lawsuit", "tester").await.expect("held");
    assert_eq!(stands(&w.task(id, "mail").await), "hold");
    refused(w.store.hold(id, "again", "tester").await, &["running", "held already"]);
    w.follow().await;
    assert_eq!(stands(&w.task(id, "mail").await), "hold");
    assert_eq!(
        w.store
            .due_tasks(&account("mail"), efface_core::task::Queue::Submit, 9)
            .await
            .expect("due")
            .len(),
        0
    );
    w.store.end_hold(id, "tester").await.expect("ended");
    w.follow().await;
    assert_eq!(stands(&w.task(id, "mail").await), "ready");
    // held before release: it does not start when the cooling-off is over, and does when the hold ends
    let id = w.file_new(released(erase(vec![email("joan")]))).await;
    w.store.hold(id, "lawsuit", "tester").await.expect("held");
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!(w.state(id).await, "released");
    w.store.end_hold(id, "tester").await.expect("ended");
    w.follow().await;
    assert_eq!(w.state(id).await, "running");
}

pub async fn answered_is_recorded_once_and_late_too(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let told =
        w.store.answered(id, "letter 7", "tester").await.expect("told").told.expect("on record");
    assert_eq!((told.notice.as_str(), told.by.as_str()), ("letter 7", "tester"));
    refused(
        w.store.answered(id, "again", "tester").await,
        &["running", "answered", "told already"],
    );
    let over = w.file_new(erase(vec![email("joan")])).await;
    refused(
        w.store.answered(over, "letter 8", "tester").await,
        &["identified", "answered", "nothing was done yet"],
    );
    w.store.cancel(over, "tester").await.expect("cancelled");
    w.store.answered(over, "letter 8", "tester").await.expect("told after the end");
}

pub async fn mark_in_error_holds_what_is_open(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let marked = w.store.mark_in_error(id, "wrong person", "tester").await.expect("marked");
    assert!(marked.in_error.is_some() && marked.hold.is_some());
    assert_eq!(stands(&w.task(id, "mail").await), "hold");
    let over = w.file_new(erase(vec![email("joan")])).await;
    w.store.cancel(over, "tester").await.expect("cancelled");
    let marked = w.store.mark_in_error(over, "wrong person", "tester").await.expect("marked");
    assert!(marked.in_error.is_some() && marked.hold.is_none());
}

pub async fn replan_adds_tasks_for_an_account_that_went_live(bench: Bench) {
    let w = bench.observing().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    assert_eq!(stands(&w.task(id, "mail").await), "phase suppress", "a look-up only");
    w.store.enable_account(&account("mail"), None, "tester").await.expect("live");
    assert_eq!(w.store.replan(id, "tester").await.expect("replanned"), 2);
    let at_mail: Vec<(&str, String)> = w
        .tasks(id)
        .await
        .iter()
        .filter(|t| t.account == account("mail"))
        .map(|t| (t.action.word(), stands(t)))
        .collect();
    // the look-up of the days when the account only observed stands in nobody's way
    let want = [("look_up", "superseded"), ("erase", "phase erase")];
    assert_eq!(at_mail, want.map(|(action, stands)| (action, stands.to_owned())));
    let others = w.tasks(id).await;
    let mut others = others.iter().filter(|t| t.account != account("mail"));
    assert!(others.all(|t| stands(t) == "phase suppress"), "who still observes still looks");
    assert_eq!(w.store.replan(id, "tester").await.expect("replanned"), 0);
    let view = w.store.request(id).await.expect("request");
    let erase = view.tasks.iter().find(|t| t.row.task.action.erases()).expect("born");
    assert_eq!((erase.row.lane.as_str(), erase.row.deadline), ("mail", view.request.due_at));
    w.store.cancel(id, "tester").await.expect("cancelled");
    refused(w.store.replan(id, "tester").await, &["a request that is cancelled cannot be amended"]);
}

pub async fn an_import_is_released_held_and_counted_as_one(bench: Bench) {
    let w = bench.world().await;
    let import = w.store.begin_import("people.csv", "digest", "tester").await.expect("begun");
    let of_import = |name: &str| NewRequest {
        import: Some(import),
        ..wish(RequestAction::Erase, vec![email(name)])
    };
    let filed = w.store.file(vec![of_import("a"), of_import("b"), erase(vec![email("c")])]).await;
    assert!(filed.iter().all(Result::is_ok));
    let waiting = w.store.awaiting_release(import).await.expect("listed");
    assert_eq!(waiting.len(), 2);
    assert_eq!(w.store.held_before_release(import).await.expect("counted"), 0);
    w.store.hold(waiting[0], "litigation", "tester").await.expect("held");
    assert_eq!(w.store.held_before_release(import).await.expect("counted"), 1);
    w.store.end_hold(waiting[0], "tester").await.expect("ended");
    let counts = w.store.release_counts(import).await.expect("counted");
    assert!(counts.contains(&("mail".into(), "erase".into(), "blocked".into(), 2)), "{counts:?}");
    for id in &waiting {
        w.store.release(*id, "tester").await.expect("released");
    }
    assert_eq!(w.store.awaiting_release(import).await.expect("listed"), vec![]);
    w.clock.advance(COOLING);
    w.follow().await;
    w.order(None, &[w.task(waiting[0], "mail").await], 1).await.expect("ordered");
    let report = w.store.stop_import(import, "tester").await.expect("stopped");
    assert_eq!(report.stopped.len(), 2);
    assert_eq!(report.out, vec![("mail".into(), "sending".into(), 1, true)]);
    assert!(matches!(w.task(waiting[1], "mail").await.state, TaskState::Blocked { .. }));
    assert_eq!(
        w.store.stop_import(import, "tester").await.expect("again").stopped,
        Vec::<String>::new()
    );
}

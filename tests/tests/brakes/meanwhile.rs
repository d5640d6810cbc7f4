//! Brakes pulled while a question or an order is out.

use super::*;

on_both_databases! {
    who_was_only_looked_for_when_the_request_is_cancelled_is_left_alone,
    who_was_only_looked_for_when_the_request_is_held_is_left_alone_until_the_hold_ends,
    an_import_that_is_stopped_while_its_people_are_looked_for_changes_nobody,
    a_lost_deletion_is_not_sent_again_for_who_is_held_meanwhile,
    a_lost_deletion_is_not_sent_again_at_an_account_back_in_observe,
    who_was_only_looked_for_when_the_request_is_amended_waits_for_a_new_release,
    a_lost_deletion_is_not_sent_again_for_who_is_amended_meanwhile,
}

async fn who_was_only_looked_for_when_the_request_is_cancelled_is_left_alone(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(150)).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    let rests = world.run_until(LONG, async || {
        use std::sync::atomic::Ordering::Relaxed;
        let tasks = world.tasks(&filed).await;
        let looks = |t: &&Task| !t.sent && matches!(t.state, TaskState::Sending { .. });
        if tasks.iter().any(|t| looks(&t)) && !cancelled.load(Relaxed) {
            world.store.cancel(filed[0], "test").await.expect("cancelled");
            cancelled.store(true, Relaxed);
        }
        cancelled.load(Relaxed) && tasks.iter().all(|t| t.state.is_settled())
    });
    assert!(rests.await);
    world.run_until(A_WHILE, async || false).await;
    for task in world.tasks(&filed).await {
        let TaskState::Settled { outcome, .. } = &task.state else { panic!("{task:?}") };
        assert_eq!((outcome, task.sent), (&Outcome::Cancelled, false));
    }
    assert!(world.changing("mailchimp").is_empty());
    world.expect_sound(&filed).await;
}

async fn who_was_only_looked_for_when_the_request_is_held_is_left_alone_until_the_hold_ends(
    place: Place,
) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(150)).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let hold = async || {
        world.store.hold(filed[0], "lawsuit", "test").await.expect("held");
    };
    held_while_looking(&world, &filed, hold, async |id| end_hold(&world, id).await).await;
}

async fn an_import_that_is_stopped_while_its_people_are_looked_for_changes_nobody(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(150)).await;
    let import = ImportId(uuid::Uuid::from_u128(7));
    let filed = world.file_of(Some(import), RequestAction::Erase, 0..8).await;
    let stop = async || {
        let report = world.store.stop_import(import, "test").await.expect("stopped");
        assert_eq!(report.stopped.len(), 8);
    };
    held_while_looking(&world, &filed, stop, async |id| end_hold(&world, id).await).await;
}

async fn who_was_only_looked_for_when_the_request_is_amended_waits_for_a_new_release(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(150)).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let amend = async || amend(&world, filed[0]).await;
    held_while_looking(&world, &filed, amend, async |id| release(&world, id).await).await;
}

async fn end_hold(world: &World, id: RequestId) {
    world.store.end_hold(id, "test").await.expect("the hold ends");
}

async fn amend(world: &World, id: RequestId) {
    let more = vec![proved(IdentifierKind::UserId, "another-7")];
    world.store.amend(id, more, None, "test").await.expect("amended");
}

async fn release(world: &World, id: RequestId) {
    world.store.release(id, "test").await.expect("released");
}

async fn a_lost_deletion_is_not_sent_again_for_who_is_held_meanwhile(place: Place) {
    let hold = async |world: &World, id| {
        world.store.hold(id, "lawsuit", "test").await.expect("held");
    };
    not_sent_again(&place, hold, async |world: &World, id| end_hold(world, id).await).await;
}

async fn a_lost_deletion_is_not_sent_again_for_who_is_amended_meanwhile(place: Place) {
    let amended = async |world: &World, id| amend(world, id).await;
    not_sent_again(&place, amended, async |world: &World, id| release(world, id).await).await;
}

async fn a_lost_deletion_is_not_sent_again_at_an_account_back_in_observe(place: Place) {
    let plan = Plan::new(&place.url, &["mailchimp"]);
    let world = World::build(Plan { call_timeout: Duration::from_millis(250), ..plan }).await;
    world.fakes["mailchimp"].faults().next_changing([Fault::SilenceBefore]);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let lost = async || {
        let tasks = world.tasks(&filed).await;
        tasks.iter().any(|t| matches!(t.state, TaskState::Unknown { .. }))
    };
    assert!(world.run_until(LONG, lost).await, "{:?}", world.tasks(&filed).await);
    let id = account("mailchimp");
    world.store.observe_account(&id, "test").await.expect("observes");
    world.run_until(A_WHILE * 3, async || false).await;
    let orders = world.peek().await.orders().await;
    assert!(orders.iter().all(|o| o.repeats == 0), "{orders:?}");
    assert_eq!(world.fakes["mailchimp"].fake().people(), 1, "still there");
    let why = world.store.why(filed[0]).await.expect("why");
    assert!(why.iter().any(|l| l.who.contains("connector enable mailchimp")), "{why:?}");
    world.store.enable_account(&id, None, "test").await.expect("enabled");
    assert_eq!(world.run_until_closed(LONG).await, (1, 0));
    world.expect_sound(&filed).await;
}

async fn not_sent_again(
    place: &Place,
    brake: impl AsyncFn(&World, RequestId),
    lift: impl AsyncFn(&World, RequestId),
) {
    let plan = Plan::new(&place.url, &["mailchimp"]);
    let world = World::build(Plan { call_timeout: Duration::from_millis(250), ..plan }).await;
    world.fakes["mailchimp"].faults().next_changing([Fault::SilenceBefore]);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let held = std::sync::atomic::AtomicBool::new(false);
    let rests = world.run_until(LONG, async || {
        use std::sync::atomic::Ordering::Relaxed;
        let tasks = world.tasks(&filed).await;
        let lost = |t: &Task| matches!(t.state, TaskState::Unknown { .. });
        if tasks.iter().any(lost) && !held.load(Relaxed) {
            brake(&world, filed[0]).await;
            held.store(true, Relaxed);
        }
        held.load(Relaxed) && tasks.iter().all(|t| matches!(t.state, TaskState::Blocked { .. }))
    });
    assert!(rests.await, "{:?}", world.tasks(&filed).await);
    world.run_until(A_WHILE, async || false).await;
    let orders = world.peek().await.orders().await;
    assert!(orders.iter().all(|o| o.repeats == 0), "{orders:?}");
    assert_eq!(world.fakes["mailchimp"].fake().people(), 1, "still there");
    lift(&world, filed[0]).await;
    assert_eq!(world.run_until_closed(LONG).await, (1, 0));
    world.expect_sound(&filed).await;
}

/// Pulls `brake` while somebody is looked for: nobody is changed before `lift`.
async fn held_while_looking(
    world: &World,
    filed: &[RequestId],
    brake: impl AsyncFn(),
    lift: impl AsyncFn(RequestId),
) {
    let held = std::sync::atomic::AtomicBool::new(false);
    let rests = world.run_until(LONG, async || {
        use std::sync::atomic::Ordering::Relaxed;
        let tasks = world.tasks(filed).await;
        let looks = |t: &Task| !t.sent && matches!(t.state, TaskState::Sending { .. });
        if tasks.iter().any(looks) && !held.load(Relaxed) {
            brake().await;
            held.store(true, Relaxed);
        }
        held.load(Relaxed) && tasks.iter().all(|t| matches!(t.state, TaskState::Blocked { .. }))
    });
    assert!(rests.await, "{:?}", world.tasks(filed).await);
    world.run_until(A_WHILE, async || false).await;
    assert!(world.changing("mailchimp").is_empty());
    assert!(world.tasks(filed).await.iter().all(|t| !t.sent));

    world.fakes["mailchimp"].faults().latency(Duration::ZERO);
    for id in filed {
        lift(*id).await;
    }
    let all = u64::try_from(filed.len()).expect("a few");
    assert_eq!(world.run_until_closed(LONG).await, (all, 0));
    world.expect_sound(filed).await;
}

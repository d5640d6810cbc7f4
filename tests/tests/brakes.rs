//! What holds calls back, or ends them: keys, ceilings, pauses, stops, cancellations, observe mode, shutdown.

use std::{collections::HashSet, sync::Arc, time::Duration};

use efface_connector::fake::Fault;
use efface_core::{
    AccountId, IdentifierKind, ImportId, Outcome, RequestAction, RequestId,
    account::Mode,
    desk::{Reason, Subject},
    evidence::Observation,
    outside::Clock as _,
    task::{Task, TaskState},
};
use efface_store::Store as _;
use efface_tests::{
    on_both_databases,
    outside::{MovedClock, WallClock, stopwatch},
    vendors::person,
    world::{Place, Plan, World, proved, released},
};

const LONG: Duration = Duration::from_secs(30);
/// Long enough for orders to leave, if any could.
const A_WHILE: Duration = Duration::from_millis(400);
const DAY: Duration = Duration::from_secs(24 * 3600);

on_both_databases! {
    a_key_revoked_under_way_is_one_matter_of_the_account_and_no_failure_of_its_people,
    the_daily_ceiling_parks_the_account_until_a_person_raises_it,
    a_whole_export_to_be_suppressed_parks_the_account_at_its_ceiling,
    a_whole_export_to_be_erased_and_suppressed_parks_the_account_at_its_ceiling,
    who_is_suppressed_and_erased_is_one_person_to_the_ceiling_and_who_is_lifted_is_none,
    an_account_parked_at_its_ceiling_stays_parked_over_midnight,
    a_pause_takes_effect_before_the_next_order,
    a_stop_of_everything_takes_effect_before_the_next_order,
    an_account_that_goes_back_to_observe_takes_effect_before_the_next_order,
    an_account_that_is_paused_keeps_nobody_waiting_at_another_of_its_lane,
    what_is_out_when_its_request_is_cancelled_runs_to_its_own_end,
    who_was_only_looked_for_when_the_request_is_cancelled_is_left_alone,
    who_was_only_looked_for_when_the_request_is_held_is_left_alone_until_the_hold_ends,
    an_import_that_is_stopped_while_its_people_are_looked_for_changes_nobody,
    a_lost_deletion_is_not_sent_again_for_who_is_held_meanwhile,
    a_lost_deletion_is_not_sent_again_at_an_account_back_in_observe,
    who_was_only_looked_for_when_the_request_is_amended_waits_for_a_new_release,
    a_lost_deletion_is_not_sent_again_for_who_is_amended_meanwhile,
    a_person_with_two_requests_is_one_to_the_ceiling_and_a_new_identifier_counts_again,
    an_account_that_only_observes_is_asked_and_never_told,
    a_worker_that_is_asked_to_stop_leaves_no_order_out,
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("name")
}

/// A world of one vendor that answers after `latency`, two calls at a time.
async fn slow_world(place: &Place, vendor: &'static str, latency: Duration) -> World {
    let world = World::build(Plan { calls_in_flight: 2, ..Plan::new(&place.url, &[vendor]) }).await;
    world.fakes[vendor].faults().latency(latency);
    world
}

async fn a_key_revoked_under_way_is_one_matter_of_the_account_and_no_failure_of_its_people(
    place: Place,
) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(5)).await;
    let filed = world.file(RequestAction::Erase, 0..12).await;
    let under_way = world.run_until(LONG, async || {
        let done = world.changing("mailchimp").len();
        if done >= 3 {
            world.fakes["mailchimp"].tune(|t| t.key = "another".into());
        }
        done >= 3 && world.store.desk(true, 10).await.is_ok_and(|d| !d.is_empty())
    });
    assert!(under_way.await, "the account comes to the desk");
    let calls = world.fakes["mailchimp"].calls();
    world.run_until(A_WHILE, async || false).await;
    // a new worker asks nothing either
    assert_eq!(world.fakes["mailchimp"].calls(), calls);
    let desk = world.store.desk(true, 10).await.expect("desk");
    let [row] = desk.as_slice() else { panic!("one entry, not one for each person: {desk:?}") };
    assert_eq!(row.item.subject, Subject::Account(account("mailchimp")));
    assert_eq!(row.item.reason, Reason::CredentialsRefused { status: 401 });
    let tasks = world.tasks(&filed).await;
    assert!(tasks.iter().all(|t| t.failures == 0), "{tasks:?}");

    world.fakes["mailchimp"].tune(|t| t.key = "demo-key".into());
    world.store.resume_account(&account("mailchimp"), "test").await.expect("resumed");
    assert_eq!(world.run_until_closed(LONG).await, (12, 0));
    world.expect_sound(&filed).await;
}

async fn the_daily_ceiling_parks_the_account_until_a_person_raises_it(place: Place) {
    the_ceiling_parks(&place, RequestAction::Erase).await;
}

async fn a_whole_export_to_be_suppressed_parks_the_account_at_its_ceiling(place: Place) {
    the_ceiling_parks(&place, RequestAction::Suppress).await;
}

async fn a_whole_export_to_be_erased_and_suppressed_parks_the_account_at_its_ceiling(place: Place) {
    the_ceiling_parks(&place, RequestAction::EraseAndSuppress).await;
}

async fn who_is_suppressed_and_erased_is_one_person_to_the_ceiling_and_who_is_lifted_is_none(
    place: Place,
) {
    let plan = Plan { people_per_day: 5, ..Plan::new(&place.url, &["sendgrid"]) };
    let world = World::build(plan).await;
    world.file(RequestAction::EraseAndSuppress, 0..2).await;
    world.file(RequestAction::Suppress, 2..5).await;
    assert_eq!(world.run_until_closed(LONG).await, (5, 0));
    let used = async || {
        let rows = world.store.accounts().await.expect("accounts");
        rows[0].condition.ceiling.used
    };
    assert_eq!(used().await, 5);
    world.file(RequestAction::Lift, 2..5).await;
    assert_eq!(world.run_until_closed(LONG).await, (8, 0));
    assert_eq!(used().await, 5);
}

async fn a_person_with_two_requests_is_one_to_the_ceiling_and_a_new_identifier_counts_again(
    place: Place,
) {
    let world = World::build(Plan::new(&place.url, &["sendgrid"])).await;
    let used = async || {
        let rows = world.store.accounts().await.expect("accounts");
        rows[0].condition.ceiling.used
    };
    let closed = async |want: u64| {
        let end = stopwatch() + LONG;
        while !world.store.closed_and_open().await.is_ok_and(|(closed, _)| closed == want) {
            assert!(stopwatch() < end, "{want} requests are closed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let scene = async {
        world.file(RequestAction::Suppress, 0..2).await;
        closed(2).await;
        assert_eq!(used().await, 2);
        world.file(RequestAction::Erase, 0..2).await;
        closed(4).await;
        assert_eq!(used().await, 2, "the same two people");
        // whom the new address belongs to, nobody can tell
        let more = proved(IdentifierKind::Email, "somebody@else.example");
        let mut who: Vec<_> = person(0).into_iter().map(|(k, text)| proved(k, &text)).collect();
        who.push(more);
        world
            .store
            .file(vec![released(RequestAction::Suppress, who)])
            .await
            .remove(0)
            .expect("filed");
        closed(5).await;
        assert_eq!(used().await, 3);
    };
    world.while_working(scene).await;
}

async fn the_ceiling_parks(place: &Place, action: RequestAction) {
    let plan = Plan { people_per_day: 3, ..Plan::new(&place.url, &["mailchimp"]) };
    let world = World::build(plan).await;
    let filed = world.file(action, 0..5).await;
    let store = &world.store;
    let parked = world.run_until(LONG, async || {
        let all_that_may = store.closed_and_open().await.is_ok_and(|(closed, _)| closed == 3);
        all_that_may && store.desk(true, 10).await.is_ok_and(|d| !d.is_empty())
    });
    assert!(parked.await);
    world.run_until(A_WHILE, async || false).await;
    let desk = world.store.desk(true, 10).await.expect("desk");
    let [row] = desk.as_slice() else { panic!("{desk:?}") };
    assert_eq!(row.item.reason, Reason::CeilingReached { people: 3 });
    assert_eq!(
        world.fakes["mailchimp"].fake().people(),
        2 * world.fakes["mailchimp"].fake().people() / 2
    );
    assert_eq!(world.store.closed_and_open().await.expect("counts"), (3, 2));
    let tasks = world.tasks(&filed).await;
    let reached: HashSet<RequestId> = tasks.iter().filter(|t| t.sent).map(|t| t.request).collect();
    assert_eq!(reached.len(), 3, "nobody else has been touched");

    world.store.resume_account(&account("mailchimp"), "test").await.expect("raised");
    assert_eq!(world.run_until_closed(LONG).await, (5, 0));
    world.expect_sound(&filed).await;
}

async fn an_account_parked_at_its_ceiling_stays_parked_over_midnight(place: Place) {
    let clock = Arc::new(MovedClock::default());
    let plan = Plan::new(&place.url, &["mailchimp"]);
    let world = World::build(Plan { people_per_day: 3, clock: clock.clone(), ..plan }).await;
    let filed = world.file(RequestAction::Erase, 0..8).await;
    let closed = async |want: u64| {
        world.store.closed_and_open().await.is_ok_and(|(closed, _)| closed == want)
    };
    let parked =
        async || closed(3).await && world.store.desk(true, 10).await.is_ok_and(|d| !d.is_empty());
    assert!(world.run_until(LONG, parked).await);
    for days in 1..=3 {
        clock.set(WallClock.now().plus(days * DAY));
        world.run_until(A_WHILE, async || false).await;
        assert!(closed(3).await, "day {days}: nobody has decided");
    }
    // a new day's number, and no more
    world.store.resume_account(&account("mailchimp"), "test").await.expect("resumed");
    assert!(world.run_until(LONG, async || closed(6).await).await);
    world.run_until(A_WHILE, async || false).await;
    assert!(closed(6).await);
    world.store.resume_account(&account("mailchimp"), "test").await.expect("raised");
    assert_eq!(world.run_until_closed(LONG).await, (8, 0));
    world.expect_sound(&filed).await;
}

async fn a_pause_takes_effect_before_the_next_order(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(20)).await;
    let pause = async || {
        let id = account("mailchimp");
        world.store.pause_account(&id, "a look first", "test").await.expect("paused");
    };
    nothing_leaves_after(&world, pause).await;
}

async fn a_stop_of_everything_takes_effect_before_the_next_order(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(20)).await;
    let stop = async || {
        let report = world.store.stop_accounts(None, "test").await.expect("stopped");
        assert_eq!(report.stopped, ["mailchimp"]);
        // a report of what is out already names each account once per state
        assert!(
            report.out.iter().all(|(account, _, count, _)| account == "mailchimp" && *count > 0)
        );
    };
    nothing_leaves_after(&world, stop).await;
}

async fn an_account_that_goes_back_to_observe_takes_effect_before_the_next_order(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(20)).await;
    let observe = async || {
        world.store.observe_account(&account("mailchimp"), "test").await.expect("observes");
    };
    nothing_leaves_after(&world, observe).await;
}

async fn an_account_that_is_paused_keeps_nobody_waiting_at_another_of_its_lane(place: Place) {
    let plan = Plan {
        calls_in_flight: 2,
        one_lane: true,
        ..Plan::new(&place.url, &["mailchimp", "hubspot"])
    };
    let world = World::build(plan).await;
    let paused = account("hubspot");
    world.store.pause_account(&paused, "a look first", "test").await.expect("paused");
    world.file(RequestAction::Erase, 0..12).await;
    let all_told = async || world.changing("mailchimp").len() >= 24;
    assert!(world.run_until(LONG, all_told).await, "{}", world.changing("mailchimp").len());
    assert!(world.changing("hubspot").is_empty());
    world.store.resume_account(&paused, "test").await.expect("resumed");
    assert_eq!(world.run_until_closed(LONG).await, (12, 0));
}

async fn nothing_leaves_after(world: &World, brake: impl AsyncFn()) {
    let filed = world.file(RequestAction::Erase, 0..20).await;
    let peek = world.peek().await;
    let ordered = std::sync::Mutex::new(None);
    let end = tokio::sync::Notify::new();
    let work = world.run_until(LONG, async || {
        let before = *ordered.lock().expect("a number");
        if before.is_none() && world.changing("mailchimp").len() >= 4 {
            brake().await;
            // the brake is in force: what was ordered before is all there will be
            let count = peek.orders().await.len();
            *ordered.lock().expect("a number") = Some(count);
            end.notify_one();
        }
        before.is_some() && peek.sending().await == 0
    });
    assert!(work.await, "what was out has ended");
    world.run_until(A_WHILE, async || false).await;
    let before = ordered.lock().expect("a number").expect("the brake was pulled");
    assert_eq!(peek.orders().await.len(), before, "no order after the brake");
    let (_, open) = world.store.closed_and_open().await.expect("counts");
    assert!(open > 0, "there was more to do");

    let id = account("mailchimp");
    if world.store.account(&id).await.expect("account").condition.mode == Mode::Observe {
        world.store.enable_account(&id, None, "test").await.expect("enabled");
    } else {
        world.store.resume_account(&id, "test").await.expect("resumed");
    }
    assert_eq!(world.run_until_closed(LONG).await, (20, 0));
    world.expect_sound(&filed).await;
}

async fn what_is_out_when_its_request_is_cancelled_runs_to_its_own_end(place: Place) {
    let world = World::build(Plan::new(&place.url, &["mailchimp", "sendgrid"])).await;
    world.store.pause_account(&account("sendgrid"), "later", "test").await.expect("paused");
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    let done = world.run_until(LONG, async || {
        use std::sync::atomic::Ordering::Relaxed;
        // found; from here on the deletion is slow
        if world.fakes["mailchimp"].calls() > 0 {
            world.fakes["mailchimp"].faults().latency(Duration::from_millis(150));
        }
        let tasks = world.tasks(&filed).await;
        let out = tasks.iter().any(|t| t.sent && matches!(t.state, TaskState::Sending { .. }));
        if out && !cancelled.load(Relaxed) {
            world.store.cancel(filed[0], "test").await.expect("cancelled");
            cancelled.store(true, Relaxed);
        }
        world.store.closed_and_open().await.is_ok_and(|(closed, _)| closed == 1)
    });
    assert!(done.await && cancelled.load(std::sync::atomic::Ordering::Relaxed));
    for task in world.tasks(&filed).await {
        let TaskState::Settled { outcome, .. } = &task.state else { panic!("{task:?}") };
        match task.account.as_str() {
            "mailchimp" => assert_eq!((outcome, task.cancel_marked), (&Outcome::Erased, true)),
            _ => assert_eq!((outcome, task.sent), (&Outcome::Cancelled, false)),
        }
    }
    assert_eq!(world.fakes["sendgrid"].calls(), 0);
    world.expect_sound(&filed).await;
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

async fn an_account_that_only_observes_is_asked_and_never_told(place: Place) {
    let plan = Plan { live: false, ..Plan::new(&place.url, &["mailchimp", "hubspot", "segment"]) };
    let world = World::build(plan).await;
    let filed = world.file(RequestAction::Erase, 0..6).await;
    assert_eq!(world.run_until_closed(LONG).await, (6, 0));
    for task in world.tasks(&filed).await {
        let TaskState::Settled { outcome, .. } = &task.state else { panic!("{task:?}") };
        assert_eq!(outcome, &Outcome::Observed(Observation::WouldAct), "{task:?}");
        assert!(!task.sent);
    }
    for (vendor, fake) in &world.fakes {
        let told: Vec<_> = fake.log().into_iter().filter(|l| !l.effects.is_empty()).collect();
        assert!(told.is_empty(), "{vendor}: {told:?}");
        assert!(fake.fake().people() > 0, "{vendor}");
    }
    assert!(world.peek().await.orders().await.is_empty(), "a look is no order");
}

async fn a_worker_that_is_asked_to_stop_leaves_no_order_out(place: Place) {
    let world = slow_world(&place, "mailchimp", Duration::from_millis(60)).await;
    let filed = world.file(RequestAction::Erase, 0..20).await;
    let peek = world.peek().await;
    for stop in 1..=4 {
        let out = world.run_until(LONG, async || {
            peek.sending().await > 0 && world.changing("mailchimp").len() >= 2 * stop
        });
        assert!(out.await, "stopped while orders are out");
        assert_eq!(peek.sending().await, 0);
        let tasks = world.tasks(&filed).await;
        let out =
            |s: &TaskState| matches!(s, TaskState::Sending { .. } | TaskState::Unknown { .. });
        assert!(tasks.iter().all(|t| !out(&t.state)), "{tasks:?}");
    }
    world.fakes["mailchimp"].faults().latency(Duration::ZERO);
    assert_eq!(world.run_until_closed(LONG).await, (20, 0));
    let tally = world.expect_sound(&filed).await;
    assert!(tally.repeats.values().all(|(orders, calls)| orders + calls == 0), "{tally:?}");
}

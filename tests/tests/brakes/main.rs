//! What holds calls back, or ends them: keys, ceilings, pauses, stops, cancellations, observe mode, shutdown.

mod ceiling;
mod meanwhile;

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
    a_pause_takes_effect_before_the_next_order,
    a_stop_of_everything_takes_effect_before_the_next_order,
    an_account_that_goes_back_to_observe_takes_effect_before_the_next_order,
    an_account_that_is_paused_keeps_nobody_waiting_at_another_of_its_lane,
    what_is_out_when_its_request_is_cancelled_runs_to_its_own_end,
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
    // long enough for a busy machine to be seen sending
    world.fakes["mailchimp"].faults().latency(Duration::from_millis(150));
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let cancelled = std::sync::atomic::AtomicBool::new(false);
    let done = world.run_until(LONG, async || {
        use std::sync::atomic::Ordering::Relaxed;
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

//! What a cancellation takes back from a vendor that offers it, and what it must not touch.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use efface_connector::fake::{Fault, LogLine};
use efface_core::{
    Outcome, RequestAction, RequestId,
    journal::{About, Entry, ReadEntry},
    task::{Recall, Task, TaskState, WaitsOn},
};
use efface_tests::{
    on_both_databases,
    world::{Place, Plan, World},
};

const LONG: Duration = Duration::from_secs(30);
/// A poll after six hours comes here after two seconds.
const SLOW: f64 = 0.000_1;

on_both_databases! {
    whoever_is_cancelled_is_taken_out_of_a_shared_job_and_nobody_else,
    a_job_that_goes_back_whole_stays_while_somebody_in_it_is_wanted,
    a_job_whose_people_are_all_cancelled_goes_back_whole_though_the_account_is_stopped,
    a_recall_that_comes_too_late_is_asked_once_and_the_task_runs_to_its_own_end,
    what_was_out_when_it_was_cancelled_is_recalled_as_soon_as_it_is_accepted,
    a_recall_that_fails_is_asked_again,
    a_worker_lost_while_it_asks_leaves_word_and_the_next_one_asks_again,
    a_recall_whose_answer_stays_unknown_is_not_told_as_too_late,
}

/// A world of one vendor that puts everybody into one order.
async fn world(place: &Place, vendor: &'static str, time_scale: f64) -> World {
    world_of(place, vendor, time_scale, 1).await
}

/// So many people in one job.
async fn world_of(place: &Place, vendor: &'static str, time_scale: f64, people: u32) -> World {
    let plan = Plan { time_scale, ..Plan::new(&place.url, &[vendor]) };
    World::build(plan.together(people)).await
}

fn waits(tasks: &[Task]) -> bool {
    tasks.iter().all(|t| matches!(t.state, TaskState::Waiting { .. }))
}

fn outcome(task: &Task) -> &Outcome {
    let TaskState::Settled { outcome, .. } = &task.state else { panic!("{task:?}") };
    outcome
}

/// Calls that take something back.
fn recalls(world: &World, vendor: &str) -> Vec<LogLine> {
    world.fakes[vendor].log().into_iter().filter(|line| line.method == "DELETE").collect()
}

/// Runs until all tasks wait at the vendor, cancels these requests, and goes on until `enough`.
async fn cancel_when_waiting(
    world: &World,
    filed: &[RequestId],
    cancelled: &[RequestId],
    enough: impl AsyncFn() -> bool,
) {
    let done = AtomicBool::new(false);
    let ended = world.run_until(LONG, async || {
        if !done.load(Relaxed) {
            if !waits(&world.tasks(filed).await) {
                return false;
            }
            for id in cancelled {
                world.store.cancel(*id, "test").await.expect("cancelled");
            }
            done.store(true, Relaxed);
        }
        enough().await
    });
    assert!(ended.await, "{:?}", world.tasks(filed).await);
}

async fn all_closed(world: &World) -> bool {
    world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0)
}

async fn whoever_is_cancelled_is_taken_out_of_a_shared_job_and_nobody_else(place: Place) {
    // the first poll comes after a second
    let world = world_of(&place, "amplitude", 0.000_01, 3).await;
    let filed = world.file(RequestAction::Erase, 0..3).await;
    cancel_when_waiting(&world, &filed, &filed[1..2], async || all_closed(&world).await).await;
    let tasks = world.tasks(&filed).await;
    let ends: Vec<&Outcome> = tasks.iter().map(outcome).collect();
    assert_eq!(ends, [&Outcome::Erased, &Outcome::Recalled, &Outcome::Erased]);
    assert!(tasks[1].cancel_marked && !tasks[0].cancel_marked);
    assert_eq!(recalls(&world, "amplitude").len(), 1);
    assert_eq!(world.fakes["amplitude"].fake().people(), 1, "the recalled person is still there");
    world.expect_sound(&filed).await;
}

async fn a_job_that_goes_back_whole_stays_while_somebody_in_it_is_wanted(place: Place) {
    let world = world_of(&place, "mixpanel", 0.000_02, 2).await;
    let filed = world.file(RequestAction::Erase, 0..2).await;
    cancel_when_waiting(&world, &filed, &filed[..1], async || all_closed(&world).await).await;
    let tasks = world.tasks(&filed).await;
    assert!(tasks.iter().all(|t| outcome(t) == &Outcome::Erased), "{tasks:?}");
    assert!(recalls(&world, "mixpanel").is_empty());
    world.expect_sound(&filed).await;
}

async fn a_job_whose_people_are_all_cancelled_goes_back_whole_though_the_account_is_stopped(
    place: Place,
) {
    let world = world_of(&place, "mixpanel", SLOW, 2).await;
    let filed = world.file(RequestAction::Erase, 0..2).await;
    let stopped = AtomicBool::new(false);
    // the first alone is asked for in vain; with the second it is the whole job
    cancel_when_waiting(&world, &filed, &filed[..1], async || {
        let tasks = world.tasks(&filed).await;
        if tasks[0].version > 4 && !stopped.swap(true, Relaxed) {
            assert!(recalls(&world, "mixpanel").is_empty());
            world.store.stop_accounts(None, "test").await.expect("stopped");
            world.store.cancel(filed[1], "test").await.expect("cancelled");
        }
        all_closed(&world).await
    })
    .await;
    let tasks = world.tasks(&filed).await;
    assert!(tasks.iter().all(|t| outcome(t) == &Outcome::Recalled), "{tasks:?}");
    assert_eq!(recalls(&world, "mixpanel").len(), 1);
    assert_eq!(world.fakes["mixpanel"].fake().people(), 2);
    world.expect_sound(&filed).await;
}

async fn a_recall_that_comes_too_late_is_asked_once_and_the_task_runs_to_its_own_end(place: Place) {
    let world = world(&place, "mixpanel", 0.000_002).await;
    world.fakes["mixpanel"].tune(|t| t.polls_until_done = u32::MAX);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let polled = || world.fakes["mixpanel"].log().iter().filter(|l| l.method == "GET").count();
    let cancelled = AtomicBool::new(false);
    let ended = world.run_until(LONG, async || {
        // one to prove the key, three until the deletion has started
        if polled() >= 4 && !cancelled.swap(true, Relaxed) {
            world.store.cancel(filed[0], "test").await.expect("cancelled");
        }
        if !recalls(&world, "mixpanel").is_empty() {
            world.fakes["mixpanel"].tune(|t| t.polls_until_done = 3);
        }
        all_closed(&world).await
    });
    assert!(ended.await, "{:?}", world.tasks(&filed).await);
    let tasks = world.tasks(&filed).await;
    assert_eq!((outcome(&tasks[0]), tasks[0].cancel_marked), (&Outcome::Erased, true));
    assert_eq!(recalls(&world, "mixpanel").len(), 1);
    world.expect_sound(&filed).await;
}

async fn what_was_out_when_it_was_cancelled_is_recalled_as_soon_as_it_is_accepted(place: Place) {
    let world = world(&place, "mixpanel", SLOW).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    world.fakes["mixpanel"].faults().latency(Duration::from_millis(150));
    let cancelled = AtomicBool::new(false);
    let ended = world.run_until(LONG, async || {
        let out = world.tasks(&filed).await[0].state.word() == "sending";
        if out && !cancelled.swap(true, Relaxed) {
            world.store.cancel(filed[0], "test").await.expect("cancelled");
        }
        all_closed(&world).await
    });
    assert!(ended.await, "{:?}", world.tasks(&filed).await);
    assert_eq!(outcome(&world.tasks(&filed).await[0]), &Outcome::Recalled);
    assert_eq!(world.fakes["mixpanel"].fake().people(), 1);
    world.expect_sound(&filed).await;
}

async fn a_recall_that_fails_is_asked_again(place: Place) {
    let world = world(&place, "mixpanel", SLOW).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let faulty = AtomicBool::new(false);
    let ended = world.run_until(LONG, async || {
        let waits = waits(&world.tasks(&filed).await);
        if waits && !faulty.swap(true, Relaxed) {
            world.fakes["mixpanel"]
                .faults()
                .next_changing([Fault::status(503), Fault::status(429)]);
            world.store.cancel(filed[0], "test").await.expect("cancelled");
        }
        all_closed(&world).await
    });
    assert!(ended.await, "{:?}", world.tasks(&filed).await);
    assert_eq!(outcome(&world.tasks(&filed).await[0]), &Outcome::Recalled);
    assert_eq!(recalls(&world, "mixpanel").len(), 3);
    world.expect_sound(&filed).await;
}

/// What the journal says of recalls: how many were wanted, of how many an answer was lost before.
async fn wishes(world: &World) -> Vec<(u32, u32)> {
    let wanted = |about: About| match about {
        About::RecallWanted { people, in_doubt, .. } => Some((people, in_doubt)),
        _ => None,
    };
    journal(world).await.into_iter().filter_map(|entry| wanted(entry.about)).collect()
}

async fn journal(world: &World) -> Vec<ReadEntry> {
    let tail = efface_store::journal_tail(&world.store).await.expect("journal");
    tail.iter().map(|(body, items)| Entry::read(body, items).expect("an entry")).collect()
}

/// Runs until all wait at the vendor, cancels them, and loses the worker while the recall is out.
async fn lose_the_worker_that_asks(world: &World, vendor: &str, filed: &[RequestId], fault: Fault) {
    let cancelled = AtomicBool::new(false);
    let ready = async || match vendor {
        // one to prove the key, three until the deletion has started
        "mixpanel" => world.fakes[vendor].log().iter().filter(|l| l.method == "GET").count() >= 4,
        _ => waits(&world.tasks(filed).await),
    };
    let fault = std::sync::Mutex::new(Some(fault));
    let lost = world.run_and_kill(LONG, async || {
        if ready().await && !cancelled.swap(true, Relaxed) {
            let fault = fault.lock().expect("a fault").take();
            world.fakes[vendor].faults().next_changing(fault);
            for id in filed {
                world.store.cancel(*id, "test").await.expect("cancelled");
            }
        }
        if wishes(world).await.is_empty() {
            return false;
        }
        // the vendor's log does not show what is never answered
        tokio::time::sleep(Duration::from_millis(200)).await;
        true
    });
    assert!(lost.await, "{:?}", world.tasks(filed).await);
    assert_eq!(wishes(world).await, [(1, 0)], "the wish was written before the call left");
}

async fn a_worker_lost_while_it_asks_leaves_word_and_the_next_one_asks_again(place: Place) {
    let plan = Plan { time_scale: SLOW, ..Plan::new(&place.url, &["amplitude"]) };
    let plan = Plan { call_timeout: Duration::from_secs(20), ..plan.together(1) };
    let world = World::build(plan).await;
    world.fakes["amplitude"].tune(|t| t.polls_until_done = u32::MAX);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    lose_the_worker_that_asks(&world, "amplitude", &filed, Fault::SilenceAfter).await;
    assert!(waits(&world.tasks(&filed).await), "{:?}", world.tasks(&filed).await);
    assert_eq!(recalls(&world, "amplitude").len(), 1);
    assert_eq!(world.run_until_closed(LONG).await, (1, 0));
    assert_eq!(outcome(&world.tasks(&filed).await[0]), &Outcome::Recalled);
    assert_eq!(world.fakes["amplitude"].fake().people(), 1);
    assert_eq!(wishes(&world).await, [(1, 0), (1, 1)]);
    assert_eq!(recalls(&world, "amplitude").len(), 1, "who is out is not taken out again");
    world.expect_sound(&filed).await;
}

async fn a_recall_whose_answer_stays_unknown_is_not_told_as_too_late(place: Place) {
    let plan = Plan { time_scale: 0.000_002, ..Plan::new(&place.url, &["mixpanel"]) };
    let plan = Plan { call_timeout: Duration::from_secs(20), ..plan.together(1) };
    let world = World::build(plan).await;
    world.fakes["mixpanel"].tune(|t| t.polls_until_done = u32::MAX);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    lose_the_worker_that_asks(&world, "mixpanel", &filed, Fault::SilenceBefore).await;
    let ended = world.run_until(LONG, async || {
        if !recalls(&world, "mixpanel").is_empty() {
            world.fakes["mixpanel"].tune(|t| t.polls_until_done = 3);
        }
        all_closed(&world).await
    });
    assert!(ended.await, "{:?}", world.tasks(&filed).await);
    assert_eq!(outcome(&world.tasks(&filed).await[0]), &Outcome::Erased);
    let recall = |state: &TaskState| match state {
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => Some(*recall),
        _ => None,
    };
    let stood: Vec<Recall> = journal(&world)
        .await
        .iter()
        .flat_map(|e| &e.changes)
        .filter_map(|c| recall(&c.state))
        .collect();
    assert!(stood.contains(&Recall::InDoubt) && !stood.contains(&Recall::InVain), "{stood:?}");
    assert_eq!(wishes(&world).await, [(1, 0), (1, 1)]);
    world.expect_sound(&filed).await;
}

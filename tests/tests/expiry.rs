//! Requests that nobody proves: told of on the desk, then over, unless a clock cannot be believed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use efface_core::{
    Identifier, Outcome, Provenance, RequestAction, RequestId, Timestamp,
    desk::{Reason, Subject},
    outside::Clock,
    request::{Patience, RequestState},
    task::TaskState,
};
use efface_store::{NewRequest, Policy, Proof, Store as _};
use efface_tests::{
    on_both_databases,
    vendors::person,
    world::{Place, Plan, WallClock, World, all_new, controller, stopwatch},
};

const LONG: Duration = Duration::from_secs(30);
/// Longer than the lane needs to look, had it anything to do.
const A_WHILE: Duration = Duration::from_millis(900);
const DAY: Duration = Duration::from_secs(86_400);

on_both_databases! {
    a_request_that_nobody_proves_is_told_of_and_then_expires,
    a_proof_in_time_stops_the_clock,
    a_clock_that_was_set_forward_expires_nobody,
    a_request_that_was_held_over_its_time_is_told_of_first,
}

/// The wall clock, set forward.
#[derive(Default)]
struct SetForward(AtomicU64);

impl Clock for SetForward {
    fn now(&self) -> Timestamp {
        WallClock.now().plus(Duration::from_millis(self.0.load(Relaxed)))
    }
}

async fn world(place: &Place, whole: Duration, clock: Arc<dyn Clock>) -> World {
    let plan = Plan::new(&place.url, &["mailchimp"]);
    // the least notice of real settings is days
    let patience = Patience { whole, notice: whole / 3 };
    let policy = Policy { expire_unproved: patience, ..plan.policy };
    World::build(Plan { policy, clock, ..plan }).await
}

/// Files two erasures of one person each, without a proof.
async fn filed(world: &World) -> Vec<RequestId> {
    let stated = |n: u32| {
        let all = person(n).into_iter();
        all.map(|(kind, text)| {
            Identifier::parse(kind, &text, Provenance::Stated, None).expect("identifier")
        })
        .collect()
    };
    let one = |n| NewRequest::new(controller(), RequestAction::Erase, stated(n), "test");
    all_new(world.store.file(vec![one(1), one(2)]).await)
}

async fn state(world: &World, id: RequestId) -> RequestState {
    world.store.request(id).await.expect("request").request.state
}

async fn all_over(world: &World) -> bool {
    world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0)
}

async fn a_request_that_nobody_proves_is_told_of_and_then_expires(place: Place) {
    let world = world(&place, Duration::from_millis(1_800), Arc::new(WallClock)).await;
    let filed = filed(&world).await;
    let told = world.run_until(LONG, async || {
        world.store.desk(true, 10).await.is_ok_and(|desk| desk.len() == 2)
    });
    assert!(told.await, "both stand on the desk first");
    let desk = world.store.desk(true, 10).await.expect("desk");
    for row in &desk {
        let Reason::ProofMissing { expires_at } = row.item.reason else { panic!("{row:?}") };
        assert!(expires_at > row.item.opened_at);
        assert!(matches!(row.item.subject, Subject::Request(id) if filed.contains(&id)));
    }
    assert!(world.run_until(LONG, async || all_over(&world).await).await);
    for id in &filed {
        assert!(matches!(state(&world, *id).await, RequestState::Expired { .. }));
    }
    for task in world.tasks(&filed).await {
        let TaskState::Settled { outcome, .. } = &task.state else { panic!("{task:?}") };
        assert_eq!((outcome, task.sent), (&Outcome::Cancelled, false));
    }
    assert!(world.store.desk(true, 10).await.expect("desk").is_empty());
    assert!(world.changing("mailchimp").is_empty());
    world.expect_sound(&filed).await;
}

async fn a_proof_in_time_stops_the_clock(place: Place) {
    let world = world(&place, Duration::from_millis(600), Arc::new(WallClock)).await;
    let filed = filed(&world).await;
    let proof = Proof { how: "account login".into(), by: "test".into() };
    world.store.identify(filed[0], &proof).await.expect("identified");
    let over = async || state(&world, filed[1]).await.is_over();
    assert!(world.run_until(LONG, over).await);
    assert_eq!(state(&world, filed[0]).await, RequestState::Identified);
}

async fn a_clock_that_was_set_forward_expires_nobody(place: Place) {
    let clock = Arc::new(SetForward::default());
    let world = world(&place, DAY * 90, clock.clone()).await;
    let filed = filed(&world).await;
    let started = std::sync::Mutex::new(None);
    // its start shows that the lane is at work, and has read the clocks
    let proved = world.file(RequestAction::Erase, 5..6).await;
    let at_work = async || !matches!(state(&world, proved[0]).await, RequestState::Released { .. });
    let set = async || {
        if !at_work().await {
            return false;
        }
        let told = world.store.desk(true, 10).await.is_ok_and(|desk| desk.len() == 2);
        // told of, and then past the end of the notice
        let days = if told { 130 } else { 91 };
        clock.0.store(u64::try_from((DAY * days).as_millis()).expect("fits"), Relaxed);
        if !told {
            world.store.wakes().ring_all();
            return false;
        }
        let since = *started.lock().expect("a time").get_or_insert_with(stopwatch);
        world.store.wakes().ring_all();
        stopwatch() - since > A_WHILE
    };
    assert!(world.run_until(LONG, set).await);
    for id in &filed {
        assert_eq!(state(&world, *id).await, RequestState::Received);
    }
    // a worker that starts under the new time takes it for what it is
    clock.0.fetch_add(u64::try_from(DAY.as_millis()).expect("fits"), Relaxed);
    assert!(world.run_until(LONG, async || all_over(&world).await).await);
}

async fn a_request_that_was_held_over_its_time_is_told_of_first(place: Place) {
    let world = world(&place, Duration::from_millis(900), Arc::new(WallClock)).await;
    let filed = filed(&world).await;
    for id in &filed {
        world.store.hold(*id, "lawsuit", "test").await.expect("held");
    }
    world.run_until(Duration::from_millis(1_500), async || false).await;
    for id in &filed {
        world.store.end_hold(*id, "test").await.expect("the hold ends");
    }
    let told = world.run_until(LONG, async || {
        world.store.desk(true, 10).await.is_ok_and(|desk| desk.len() == 2)
    });
    assert!(told.await);
    for row in world.store.desk(true, 10).await.expect("desk") {
        let Reason::ProofMissing { expires_at } = row.item.reason else { panic!("{row:?}") };
        // the clock is read for the date and again for the entry
        assert!(expires_at.since(row.item.opened_at) > Duration::from_millis(200), "{row:?}");
    }
    assert!(world.run_until(LONG, async || all_over(&world).await).await);
    world.expect_sound(&filed).await;
}

//! Several workers on one PostgreSQL database: lanes spread, move, and keep each vendor's pace.

use std::{collections::BTreeMap, time::Duration};

use efface_core::RequestAction;
use efface_tests::world::{Place, Plan, World, stopwatch};
use efface_worker::Options;
use tokio::{sync::oneshot, task::JoinHandle};

const LONG: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(3);
const SIX: [&str; 6] = ["amplitude", "hubspot", "mailchimp", "mixpanel", "segment", "sendgrid"];

/// A worker at work; asked to end when dropped.
struct Hand {
    stop: oneshot::Sender<()>,
    work: JoinHandle<Result<(), efface_worker::Error>>,
}

impl Hand {
    fn starts(world: &World, name: &str) -> Self {
        let options = Options {
            name: name.into(),
            lease: LEASE,
            call_timeout: Duration::from_millis(800),
            drain: Duration::from_secs(5),
            ..Options::default()
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = world.worker_with(options);
        let stopped = async {
            // resolves when the other end goes
            let _ = stopped.await;
        };
        Self { stop, work: tokio::spawn(worker.run(stopped)) }
    }

    async fn ends(self) {
        drop(self.stop);
        self.work.await.expect("it runs").expect("it ends well");
    }
}

/// How many lanes each worker holds.
async fn loads(world: &World) -> BTreeMap<String, usize> {
    let mut loads = BTreeMap::new();
    for (_, owner) in world.store.lanes_held().await.expect("lanes") {
        *loads.entry(owner).or_default() += 1;
    }
    loads
}

async fn until(what: &str, world: &World, enough: impl AsyncFn() -> bool) {
    let end = stopwatch() + LONG;
    while !enough().await {
        assert!(stopwatch() < end, "{what}: {:?}", loads(world).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn until_shared(world: &World, shares: &[(&str, usize)]) {
    let want: BTreeMap<String, usize> = shares.iter().map(|(n, k)| ((*n).into(), *k)).collect();
    until("the lanes were not shared", world, async || loads(world).await == want).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_spread_and_move_as_workers_come_and_go_and_nothing_is_lost() {
    let place = Place::postgresql();
    let world = World::build(Plan::new(&place.url, &SIX)).await;
    let mut filed = world.file(RequestAction::Erase, 0..30).await;
    let a = Hand::starts(&world, "a");
    // six vendors, the requests and the log
    until_shared(&world, &[("a", 8)]).await;
    let b = Hand::starts(&world, "b");
    until_shared(&world, &[("a", 4), ("b", 4)]).await;
    filed.extend(world.file(RequestAction::Erase, 30..60).await);
    let c = Hand::starts(&world, "c");
    until_shared(&world, &[("a", 3), ("b", 3), ("c", 2)]).await;
    filed.extend(world.file(RequestAction::EraseAndSuppress, 60..80).await);
    b.ends().await;
    until_shared(&world, &[("a", 4), ("c", 4)]).await;
    a.ends().await;
    until_shared(&world, &[("c", 8)]).await;
    until("not all requests closed", &world, async || {
        world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0)
    })
    .await;
    c.ends().await;
    assert_eq!(loads(&world).await, BTreeMap::new(), "who goes gives everything back");
    world.expect_sound(&filed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendor_sees_no_more_calls_than_agreed_however_often_its_lane_changes_hands() {
    const RATE: f64 = 20.0;
    let place = Place::postgresql();
    let plan = Plan {
        calls_per_second: RATE,
        calls_in_flight: 8,
        batch_items: Some(1),
        ..Plan::new(&place.url, &["mailchimp"])
    };
    let world = World::build(plan).await;
    let filed = world.file(RequestAction::Erase, 0..20).await;
    let calls = || world.fakes["mailchimp"].log().len();
    let (start, mut hands) = (stopwatch(), 0);
    let mut before: Option<Hand> = None;
    while world.store.closed_and_open().await.expect("counts").1 > 0 {
        assert!(stopwatch() - start < LONG, "it comes to no end: {} calls", calls());
        let next = Hand::starts(&world, if hands % 2 == 0 { "x" } else { "y" });
        hands += 1;
        if let Some(hand) = before.replace(next) {
            hand.ends().await;
        }
        let seen = calls();
        // the next takes over in the middle of the work
        until("nothing is called", &world, async || {
            calls() > seen + 16
                || world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0)
        })
        .await;
        let most = (stopwatch() - start).as_secs_f64() * RATE;
        assert!(calls() as f64 <= most, "{} calls by {hands} hands, {most} agreed", calls());
    }
    assert!(hands > 4, "{hands}");
    if let Some(last) = before {
        last.ends().await;
    }
    world.expect_sound(&filed).await;
}

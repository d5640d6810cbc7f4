//! A worker that ends at a named moment, connectors that panic or never return; and the oracle held
//! against stores that lack what keeps people safe.

use std::{sync::Arc, time::Duration};

use efface_core::{
    AccountId, LaneId, RequestAction,
    desk::{Choice, Reason, Subject},
};
use efface_store::{Connection, DeskRow, ErrandKind, SqlStore, Store};
use efface_tests::{
    faults::inside::{Flaw, Flawed, Mood, Unruly, Work},
    on_both_databases,
    oracle::{Evidence, Verdict, judge},
    peek::Peek,
    world::{MortalRuntime, OsChance, Place, Plan, World},
};
use efface_vault::{MasterKey, Vault};
use efface_worker::{Anchor, Hands, LedgerOptions, Options, Runtime as _, Worker};

const LONG: Duration = Duration::from_secs(60);

on_both_databases! {
    a_worker_that_ends_at_any_moment_of_its_work_loses_and_repeats_nothing,
    an_order_whose_commit_was_not_answered_is_sent_all_the_same,
    a_connector_that_panics_is_a_recovery_and_stops_nobody_else,
    a_connector_that_always_panics_is_put_before_a_person,
    a_connector_that_never_returns_is_cut_off,
    calls_without_a_committed_order_are_found,
}

/// A place that keeps everything.
#[derive(Debug)]
struct Keeps;

impl Anchor for Keeps {
    fn keep(&self, _name: &str, _note: &str, _saved: &str) -> std::io::Result<()> {
        Ok(())
    }
}

fn options(name: &str) -> Options {
    let ledger = LedgerOptions {
        checkpoint_leaves: 1,
        anchor: Some(Arc::new(Keeps)),
        ..LedgerOptions::default()
    };
    let call_timeout = Duration::from_millis(400);
    Options {
        name: name.into(),
        call_timeout,
        drain: Duration::from_secs(2),
        ledger,
        ..Options::default()
    }
}

async fn world(place: &Place, vendors: &[&'static str]) -> World {
    let plan = Plan { call_timeout: Duration::from_millis(400), ..Plan::new(&place.url, vendors) };
    World::build(Plan { batch_items: Some(2), ..plan }).await
}

async fn an_order_whose_commit_was_not_answered_is_sent_all_the_same(place: Place) {
    let world = world(&place, &["mailchimp", "sendgrid"]).await;
    let filed = world.file(RequestAction::Erase, 0..8).await;
    let closed = async || world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0);
    // in one life: nobody takes the lane over and looks into what was out
    assert!(!live(&world, Flawed::new(world.store.clone(), Flaw::Unanswered), closed).await);
    let tally = world.expect_sound(&filed).await;
    assert_eq!(tally.unknown_orders, 0, "nothing had left: {tally:?}");
}

/// A life that ends where the store ends it, or when `enough` holds; whether the store ended it.
async fn live(world: &World, store: Flawed, enough: impl AsyncFn() -> bool) -> bool {
    let mortal = Arc::new(MortalRuntime::default());
    let hands = Hands { runtime: mortal.clone(), ..world.hands.clone() };
    let ended = store.ended.clone();
    // the next life has the same name, and takes the lanes at once
    let worker = Worker::new(Arc::new(store), world.fleet(), hands, options("test"));
    mortal.spawn(Box::pin(async move {
        // nobody asks it to stop
        let _ = worker.run(std::future::pending()).await;
    }));
    let done = async {
        while !enough().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let came = tokio::select! {
        () = ended.notified() => true,
        () = done => false,
        () = tokio::time::sleep(LONG) => panic!("neither the end nor enough"),
    };
    mortal.kill().await;
    came
}

/// The orders that wait for a person's word.
async fn lost_too_often(world: &World) -> Vec<DeskRow> {
    let lost = |row: &DeskRow| matches!(row.item.reason, Reason::Poison | Reason::UnknownOutcome);
    let mut desk = world.store.desk(true, 100).await.expect("desk");
    desk.retain(|row| lost(row) && matches!(row.item.subject, Subject::Order(_)));
    desk
}

/// A person sends again whatever was lost too often.
async fn decide(world: &World) {
    for row in lost_too_often(world).await {
        world.store.decide(row.item.id, Choice::Retry, "", "test").await.expect("decided");
    }
}

async fn close(world: &World, people: u64) {
    let rested = async || {
        let (_, open) = world.store.closed_and_open().await.expect("counts");
        open == 0 || !lost_too_often(world).await.is_empty()
    };
    for _ in 0..20 {
        assert!(world.run_until(LONG, rested).await, "it comes to no rest");
        decide(world).await;
        if world.store.closed_and_open().await.expect("counts").1 == 0 {
            break;
        }
    }
    assert_eq!(world.store.closed_and_open().await.expect("counts"), (people, 0));
}

async fn a_worker_that_ends_at_any_moment_of_its_work_loses_and_repeats_nothing(place: Place) {
    let world = world(&place, &["mailchimp", "mixpanel"]).await;
    let account = AccountId::new("mailchimp").expect("name");
    let (mut filed, mut ends) = (vec![], 0);
    for at in Work::ALL {
        for (after, times) in [(false, 1), (true, 1), (false, 2), (true, 3)] {
            let first = u32::try_from(filed.len()).expect("few");
            filed.extend(world.file(RequestAction::Erase, first..first + 2).await);
            if at == Work::Errand {
                for _ in 0..times {
                    let sent = world.store.send_errand(&account, &ErrandKind::Probe, &[]).await;
                    sent.expect("an errand");
                }
            }
            let flawed = Flawed::new(world.store.clone(), Flaw::Ends { at, after, times });
            let over =
                async || world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0);
            let came = live(&world, flawed, over).await;
            assert!(came || times > 1, "{at:?} is never come to");
            ends += u32::from(came);
            close(&world, filed.len() as u64).await;
        }
    }
    assert!(ends >= 18, "only {ends} of 24 lives ended where they should");
    world.expect_sound(&filed).await;
    assert!(world.fakes.values().all(|fake| fake.fake().people() == 0));
}

async fn a_connector_that_panics_is_a_recovery_and_stops_nobody_else(place: Place) {
    let (world, filed) = unruly(&place, Mood::Panics, 2).await;
    let orders = world.peek().await.orders().await;
    let recovered: Vec<_> = orders.iter().filter(|o| o.recoveries > 0).collect();
    assert!(!recovered.is_empty(), "a panic counts like a lost owner");
    assert!(recovered.iter().all(|o| o.account.as_str() == "mailchimp"), "{recovered:?}");
    world.expect_sound(&filed).await;
}

async fn a_connector_that_never_returns_is_cut_off(place: Place) {
    let (world, filed) = unruly(&place, Mood::NeverReturns, 2).await;
    world.expect_sound(&filed).await;
}

/// A world in which one vendor's connector misbehaves so often, until everything is closed.
async fn unruly(place: &Place, mood: Mood, times: u32) -> (World, Vec<efface_core::RequestId>) {
    let world = world(place, &["mailchimp", "sendgrid"]).await;
    let filed = world.file(RequestAction::Erase, 0..4).await;
    let mut fleet = world.fleet();
    Unruly::at(&mut fleet.accounts, "mailchimp", mood, times);
    let worker = Worker::new(world.store.clone(), fleet, world.hands.clone(), options("unruly"));
    let over = async || world.store.closed_and_open().await.is_ok_and(|(_, open)| open == 0);
    assert!(world.run_worker_until(worker, None, LONG, over).await, "it comes to an end");
    (world, filed)
}

async fn a_connector_that_always_panics_is_put_before_a_person(place: Place) {
    let world = world(&place, &["mixpanel", "sendgrid"]).await;
    let filed = world.file(RequestAction::Erase, 0..2).await;
    let mut fleet = world.fleet();
    Unruly::at(&mut fleet.accounts, "mixpanel", Mood::Panics, u32::MAX);
    let worker = Worker::new(world.store.clone(), fleet, world.hands.clone(), options("unruly"));
    let told = async || {
        let tasks = world.tasks(&filed).await;
        let mut others = tasks.iter().filter(|t| t.account.as_str() == "sendgrid");
        let desk = world.store.desk(true, 10).await.expect("desk");
        others.all(|t| t.state.is_settled()) && !desk.is_empty()
    };
    let came = world.run_worker_until(worker, None, LONG, told).await;
    assert!(came, "{:?}", world.tasks(&filed).await);
}

async fn verdict(world: &World, filed: &[efface_core::RequestId]) -> Verdict {
    let logs = world.fakes.iter().map(|(name, fake)| ((*name).to_owned(), fake.log())).collect();
    judge(&Evidence::gather(&world.store, &world.peek().await, logs, filed).await)
}

async fn calls_without_a_committed_order_are_found(place: Place) {
    let world = world(&place, &["mailchimp"]).await;
    let filed = world.file(RequestAction::Erase, 0..3).await;
    let flawed = Flawed::new(world.store.clone(), Flaw::NoOrders);
    let erased = async || world.changing("mailchimp").iter().any(|line| !line.effects.is_empty());
    live(&world, flawed, erased).await;
    let verdict = verdict(&world, &filed).await;
    assert!(verdict.tally.without_call > 0, "{:?}", verdict.faults);
}

/// A worker's own store, under a role that the database tells apart.
async fn store_as(
    peek: &Peek,
    world: &World,
    vault: &Arc<Vault>,
    url: &str,
    name: &str,
) -> Arc<SqlStore> {
    let url = efface_tests::faults::witness::role(peek, url, name).await;
    let connection = Connection::connect(&url, 4, false).await.expect("database");
    let directory = world.store.directory().clone();
    let (clock, chance) = (world.hands.clock.clone(), world.hands.chance.clone());
    let store = SqlStore::open(connection, vault.clone(), directory, clock, chance).await;
    Arc::new(store.expect("store"))
}

/// Two workers who both believe that the lanes are theirs; how many commits were stale.
async fn two_owners(flaw: Option<Flaw>) -> i64 {
    use efface_tests::faults::witness;
    let place = Place::postgresql();
    let master = MasterKey::generate(&mut |b| efface_core::outside::Chance::fill(&OsChance, b));
    let vault = Arc::new(
        Vault::create(&master, &mut |b| efface_core::outside::Chance::fill(&OsChance, b)).0,
    );
    let plan = Plan {
        batch_items: Some(1),
        calls_in_flight: 2,
        vault: Some(vault.clone()),
        ..Plan::new(&place.url, &["mailchimp"])
    };
    let world = World::build(plan).await;
    world.fakes["mailchimp"].faults().latency(Duration::from_millis(30));
    let peek = world.peek().await;
    witness::watch(&peek).await;
    // the database's own name ends in chance
    let tag = &place.url[place.url.len() - 12..];
    let names = [1, 2].map(|n| format!("{}{n}_{tag}", witness::ROLE));
    let mut workers = vec![];
    let mortal = Arc::new(MortalRuntime::default());
    let hands = Hands { runtime: mortal.clone(), ..world.hands.clone() };
    for (n, name) in names.iter().enumerate() {
        let store = store_as(&peek, &world, &vault, &place.url, name).await;
        let store: Arc<dyn Store> = match flaw {
            Some(flaw) if n == 0 => Arc::new(Flawed::new(store, flaw)),
            Some(_) | None => store,
        };
        workers.push(Worker::new(store, world.fleet(), hands.clone(), options(name)));
    }
    world.file(RequestAction::Erase, 0..40).await;
    let (second, first) = (workers.pop().expect("two"), workers.pop().expect("two"));
    let lane = [LaneId::new("mailchimp").expect("name")];
    mortal.spawn(Box::pin(async move {
        // it ends with its runtime
        let _ = first.run(std::future::pending()).await;
    }));
    let held = async |name: &str| peek.owners().await.get("mailchimp").is_some_and(|o| o == name);
    until(async || held(&names[0]).await && peek.sending().await > 0).await;
    // as when the lease has run out, whoever thinks otherwise
    peek.end_leases().await;
    mortal.spawn(Box::pin(async move {
        // this lane and no share of the others
        let _ = second.run_lanes(&lane, std::future::pending()).await;
    }));
    until(async || held(&names[1]).await || peek.moving_tasks().await == 0).await;
    until(async || peek.moving_tasks().await == 0).await;
    mortal.kill().await;
    witness::stale_commits(&peek).await
}

async fn until(enough: impl AsyncFn() -> bool) {
    let end = efface_tests::world::stopwatch() + LONG;
    while !enough().await {
        assert!(efface_tests::world::stopwatch() < end, "it does not come to that");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_of_an_owner_without_a_lease_are_found() {
    assert!(two_owners(Some(Flaw::NoFence)).await > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_fence_an_owner_who_lost_the_lane_commits_nothing() {
    assert_eq!(two_owners(None).await, 0);
}

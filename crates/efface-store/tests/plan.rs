//! How the databases carry the hot statements out: a million tasks that are not due, all with earlier
//! deadlines than the thousand that are, may not be looked at. Counts and plans, no timings.

mod common;

#[path = "plan/literals.rs"]
mod literals;
#[path = "plan/postgres.rs"]
mod postgres;
#[path = "plan/seed.rs"]
mod seed;
#[path = "plan/sqlite.rs"]
mod sqlite;

use common::{Bench, World, account, bench::Kind, email, erase, lane};
use efface_core::task::Queue;
use efface_store::Store;

/// Tasks that are not due.
const MANY: u32 = 1_000_000;
/// Tasks that are.
const DUE: u32 = 1_000;
/// Requests, follow-ups, receipts, orders and tags of the background.
const SOME: u32 = 50_000;

async fn seeded(kind: Kind) -> World {
    let bench = tokio::task::spawn_blocking(move || Bench::new(kind)).await.expect("bench");
    let world = bench.observing().await;
    seed::fill(&world).await;
    world
}

/// The store itself finds nothing wrong with the rows: what is due is found, and nothing else.
async fn finds_what_is_due(world: &World) {
    let mail = lane("mail");
    assert_eq!(world.store.wake_due(&mail, seed::now()).await.expect("woken"), 0);
    assert_eq!(
        world.store.due_tasks(&account("mail"), Queue::LookUp, 10).await.expect("due").len(),
        0
    );
    let receipts = world.store.next_wake(&mail).await.expect("wake").expect("some");
    assert!(receipts < seed::now(), "{receipts}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_reads_what_is_due_and_nothing_else() {
    let world = seeded(Kind::Sqlite).await;
    sqlite::check(&world).await;
    finds_what_is_due(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_plans_for_an_empty_database_what_a_full_one_needs() {
    let bench = tokio::task::spawn_blocking(|| Bench::new(Kind::Postgres)).await.expect("bench");
    postgres::check_empty(&bench.observing().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_reads_what_is_due_and_nothing_else() {
    let world = seeded(Kind::Postgres).await;
    postgres::check(&world).await;
    finds_what_is_due(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_learns_soon_that_its_tables_have_grown() {
    let bench = tokio::task::spawn_blocking(|| Bench::new(Kind::Postgres)).await.expect("bench");
    let world = bench.observing().await;
    world.raw.script(&["ANALYZE".to_owned()]).await;
    for n in 0..200 {
        world.file(erase(vec![email(&format!("person{n}"))])).await.expect("filed");
    }
    let known = "SELECT reltuples::int8 FROM pg_class WHERE relname = 'request'";
    for _ in 0..500 {
        if world.raw.number(known).await >= 50 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the planner still believes the table empty");
}

//! No identifier and no key is left behind anywhere: not in the database, its logs and dumps, not in
//! what efface says, exports or copies. `EFFACE_CANARIES=1000` takes more people.

use efface_tests::canaries::run;

const PEOPLE: u32 = 100;

#[expect(clippy::disallowed_methods, reason = "how many is for whoever runs this test to say")]
fn people() -> u32 {
    let given = std::env::var("EFFACE_CANARIES").ok();
    given.map_or(PEOPLE, |text| text.parse().expect("EFFACE_CANARIES is a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_left_behind_on_sqlite() {
    run(None, "canaries-sqlite", people()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_canary_is_left_behind_on_postgresql() {
    let cluster = efface_testkit::postgres::TempPostgres::shared().expect("PostgreSQL");
    let url = cluster.create_database().expect("database");
    run(Some(&url), "canaries-postgresql", people()).await;
}

//! `kill -9` while orders are out: nothing is lost, nothing invented, nothing repeated that must not be.

use std::path::Path;

use efface_tests::kill_run::{Size, run};

const FULL: Size = Size { people: 500, kills: 20 };

const STAND_INS: &str = env!("CARGO_BIN_EXE_stand_ins");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_invent_and_wrongly_repeat_nothing_on_sqlite() {
    let folder = tempfile::tempdir().expect("folder");
    let url = format!("sqlite://{}", folder.path().join("t.db").display());
    run(&url, "kill-run-sqlite", Path::new(STAND_INS), FULL).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_invent_and_wrongly_repeat_nothing_on_postgresql() {
    let cluster = efface_testkit::postgres::TempPostgres::shared().expect("PostgreSQL");
    let url = cluster.create_database().expect("database");
    run(&url, "kill-run-postgresql", Path::new(STAND_INS), FULL).await;
}

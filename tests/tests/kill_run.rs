//! `kill -9` while orders are out: nothing is lost, nothing invented, nothing repeated that must not be.

use efface_tests::faults::{
    Database, Row, Setting,
    scenes::kill::{Size, run},
    table,
};

const FULL: Size = Size::new(500, 20);

const STAND_INS: &str = env!("CARGO_BIN_EXE_stand_ins");

async fn twenty_kills(database: Database) {
    let setting = Setting::short(database, STAND_INS);
    let figures = run(&setting, FULL, 500).await;
    let lost = figures.unknown;
    let took = std::time::Duration::ZERO;
    let row = Row { scene: "kill run", database, seed: 500, took, figures: Ok(figures) };
    println!("{}", table(&[row]));
    assert!(lost > 0, "twenty kills that lost no answer killed nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_invent_and_wrongly_repeat_nothing_on_sqlite() {
    twenty_kills(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_kills_lose_invent_and_wrongly_repeat_nothing_on_postgresql() {
    twenty_kills(Database::Postgresql).await;
}

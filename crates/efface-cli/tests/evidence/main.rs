//! Evidence by the real binary: a pack that a stranger checks, a journal that was touched, a database
//! that was set back.

mod anchor;
mod audit;
#[path = "../house/mod.rs"]
mod house;
mod packs;
mod period;
mod person;
#[path = "../house/play.rs"]
mod play;

use std::{
    fs,
    process::{Child, Command},
};

use house::House;
use serde_json::Value;

const PROVED: [&str; 4] = ["--action", "erase", "--proof", "account login"];

/// Changes a number of the settings file `efface init` wrote.
fn set(house: &House, key: &str, number: u32) {
    let path = house.path().join("efface.toml");
    let before = fs::read_to_string(&path).expect("settings");
    let changed = before.lines().map(|line| match line.starts_with(&format!("{key} = ")) {
        true => format!("{key} = {number}"),
        false => line.to_owned(),
    });
    fs::write(path, changed.collect::<Vec<_>>().join("\n")).expect("written");
}

/// The log's verifier key.
fn key(house: &House) -> String {
    house.run(&["audit", "key"]).done().out.trim().to_owned()
}

/// Exports a request's pack as `pack.zip`.
fn export(house: &House, id: &str, more: &[&str]) -> Value {
    let args = [&["evidence", "export", id, "-o", "pack.zip", "--force", "--json"], more].concat();
    house.run(&args).done().json()
}

/// Changes the database behind efface's back.
fn touch(house: &House, sql: &str) -> usize {
    let database = rusqlite::Connection::open(house.path().join("efface.db")).expect("opens");
    database.execute(sql, []).expect("runs")
}

/// Asks a service to stop and waits until it has.
fn stop(mut child: Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

//! `efface request import` by the real binary on SQLite: good files, every kind of bad one, a file
//! imported twice, and one cut off in the middle.

mod again;
mod bad;
mod good;
#[path = "../house/mod.rs"]
mod house;

use std::{
    fs::{self, File},
    io::{BufWriter, Read as _, Write as _},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use house::{House, Ran};
use serde_json::Value;

const PROVED: [&str; 4] = ["--action", "erase", "--proof", "account login"];

fn write(house: &House, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = house.path().join(name);
    fs::write(&path, content).expect("written");
    path
}

/// Changes a number of the settings file `efface init` wrote.
fn set(house: &House, key: &str, number: u32) {
    let path = house.path().join("efface.toml");
    let before = fs::read_to_string(&path).expect("settings");
    let changed = before.lines().map(|line| {
        if line.starts_with(&format!("{key} = ")) {
            format!("{key} = {number}")
        } else {
            line.to_owned()
        }
    });
    fs::write(path, changed.collect::<Vec<_>>().join("\n")).expect("written");
}

fn import(house: &House, more: &[&str]) -> Ran {
    let mut args = vec!["request", "import"];
    args.extend(more);
    house.run(&args)
}

fn import_json(house: &House, more: &[&str]) -> Value {
    let mut args = more.to_vec();
    args.push("--json");
    import(house, &args).json()
}

/// `(line, outcome, request, reason)` of every row.
fn receipt(house: &House, name: &str) -> Vec<(u64, String, String, String)> {
    let mut rows = vec![];
    let mut reader = csv::Reader::from_path(house.path().join(name)).expect("a receipt");
    assert_eq!(reader.headers().expect("a header"), vec!["line", "outcome", "request", "reason"]);
    for row in reader.deserialize() {
        rows.push(row.expect("a row of four cells"));
    }
    rows
}

fn outcomes(house: &House, name: &str) -> Vec<(u64, String)> {
    receipt(house, name).into_iter().map(|(line, outcome, _, _)| (line, outcome)).collect()
}

/// How many requests the database holds.
fn requests(house: &House) -> usize {
    let (mut count, mut after) = (0, None::<String>);
    loop {
        let mut args = vec!["request", "list", "--json", "--limit", "1000"];
        args.extend(after.as_deref().map(|a| ["--after", a]).into_iter().flatten());
        let page = house.run(&args).done().json();
        count += page["requests"].as_array().expect("a list").len();
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return count,
        }
    }
}

fn with_accounts() -> House {
    let house = House::new();
    house.append(
        "[accounts.mail-eu]\nconnector = \"mailchimp\"\n[accounts.mail-eu.settings]\n\
         api_key = \"0123456789abcdef0123456789abcdef-us21\"\naudiences = [\"a1b2c3d4e5\"]\n",
    );
    house
}

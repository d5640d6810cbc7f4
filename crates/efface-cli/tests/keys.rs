//! Keys by the real binary: made in time, copied, rotated, missed when they are not there.

#[path = "house/mod.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod house;

use std::{fs, path::PathBuf};

use house::House;
use serde_json::Value;

const PROVED: [&str; 4] = ["--action", "erase", "--proof", "account login"];

/// A house whose settings name a recovery folder, and one request.
fn lived_in() -> (House, String) {
    let house = House::new();
    let settings = house.path().join("efface.toml");
    let text = fs::read_to_string(&settings).expect("settings");
    let text =
        text.replace("#recovery_folder = \"/mnt/recovery/efface\"", "recovery_folder = \"copy\"");
    fs::write(settings, text).expect("written");
    let id = house.file(&PROVED);
    (house, id)
}

fn status(house: &House) -> Value {
    house.run(&["key", "status", "--json"]).done().json()
}

/// The file of this month's key.
fn this_month(house: &House) -> PathBuf {
    let month = status(house)["months"][0]["month"].as_str().expect("a month").to_owned();
    house.path().join("efface.keys").join(format!("{month}.key"))
}

fn opens(house: &House, id: &str) {
    house.run(&["request", "show", id, "--reveal"]).ends(0, &["ada@example.org"]);
}

#[test]
fn what_is_filed_is_sealed_under_its_months_key_and_opens_with_it_alone() {
    let (house, id) = lived_in();
    let seen = status(&house);
    assert_eq!(seen["months"].as_array().map(Vec::len), Some(2), "{seen}");
    assert_eq!(
        (&seen["months"][0]["wraps_keys"], &seen["wrapped_by_master"]),
        (&1.into(), &0.into())
    );
    opens(&house, &id);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: PathBuf| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(this_month(&house)), 0o600);
        assert_eq!(mode(house.path().join("efface.keys")), 0o700);
    }
    // the worst: the folder is gone, and so is its copy
    let folder = house.path().join("efface.keys");
    fs::rename(&folder, house.path().join("elsewhere")).expect("moved");
    house.run(&["request", "show", &id]).ends(1, &["is not in the key folder", "recovery copy"]);
    house
        .run(&["request", "file", "--email", "bob@example.org", "--action", "erase"])
        .ends(1, &["is missing, and requests are sealed under it", "recovery copy"]);
    house.run(&["doctor"]).ends(1, &["month's key", "missing"]);
    // braking needs no month's key
    house.run(&["stop", "--all"]).done();
    fs::rename(house.path().join("elsewhere"), &folder).expect("moved back");
    opens(&house, &id);
}

#[test]
fn a_missing_key_comes_back_from_the_recovery_copy() {
    let (house, id) = lived_in();
    house.run(&["key", "init"]).ends(0, &["the master key and 2", "copy"]);
    let master = fs::read_to_string(house.path().join("efface.key")).expect("a key");
    let copy = house.path().join("copy").join("efface-master.key");
    assert_eq!(fs::read_to_string(&copy).expect("a copy").trim(), master.trim());
    house.run(&["doctor"]).ends(0, &["recovery copy"]);
    fs::remove_file(this_month(&house)).expect("lost");
    // whatever files next brings it back
    house.file(&["--action", "erase", "--proof", "account login", "--user-id", "7"]);
    opens(&house, &id);
    // a copy that is another key is told
    fs::write(&copy, "efface-master-1:00").expect("spoilt");
    house.run(&["doctor"]).ends(1, &["recovery copy", "efface-master.key"]);
    house.run(&["key", "init"]).ends(1, &["is another master key and is not overwritten"]);
}

#[test]
fn without_a_recovery_folder_there_is_no_copy_and_both_say_so() {
    let house = House::new();
    house.run(&["key", "init"]).ends(3, &["vault.recovery_folder is not set"]);
    house.file(&PROVED);
    house.run(&["doctor"]).ends(0, &["recovery copy", "vault.recovery_folder"]);
}

#[test]
fn a_rotation_changes_the_master_and_nothing_that_is_sealed() {
    let (house, id) = lived_in();
    house.run(&["key", "init"]).done();
    let file = house.path().join("efface.key");
    let old = fs::read_to_string(&file).expect("a key");
    house.run(&["key", "rotate"]).ends(3, &["needs a confirmation", "--yes"]);
    let told = house.run(&["key", "rotate", "--yes", "--json"]).done().json();
    assert_ne!(told["from"], told["to"]);
    assert_eq!(told["months_resealed"], 4);
    let new = fs::read_to_string(&file).expect("a key");
    assert_ne!(old, new);
    let copy = house.path().join("copy").join("efface-master.key");
    assert_eq!(fs::read_to_string(copy).expect("a copy"), new);
    opens(&house, &id);
    house.run(&["doctor"]).done();
    house.run(&["audit", "checkpoint"]).done();
    house.run(&["audit", "verify"]).done();
    // the old one opens nothing
    fs::write(&file, old).expect("put back");
    house.run(&["request", "show", &id]).ends(1, &["wrong master key"]);
}

#[test]
fn a_rotation_that_was_cut_short_goes_on_where_it_stopped() {
    // after the next key was written; after the months' files; after the database
    for cut in ["next", "months", "roots"] {
        let (house, id) = lived_in();
        house.run(&["key", "init"]).done();
        let at = |name: &str| house.path().join(name);
        let old = fs::read_to_string(at("efface.key")).expect("a key");
        let month = this_month(&house);
        let month_before = fs::read(&month).expect("a file");
        let database = ["efface.db", "efface.db-wal", "efface.db-shm"];
        let before = database.map(|name| fs::read(at(name)).ok());
        house.run(&["key", "rotate", "--yes"]).done();
        // as if the last steps had not happened
        fs::copy(at("efface.key"), at("efface.key.next")).expect("copied");
        fs::write(at("efface.key"), &old).expect("put back");
        if cut != "roots" {
            for (name, bytes) in database.iter().zip(before) {
                match bytes {
                    Some(bytes) => fs::write(at(name), bytes).expect("put back"),
                    None => drop(fs::remove_file(at(name))),
                }
            }
        }
        if cut == "next" {
            fs::write(&month, month_before).expect("put back");
        }
        if cut == "roots" {
            house.run(&["request", "show", &id]).ends(1, &["cut short", "efface key rotate"]);
        }
        house.run(&["key", "rotate", "--yes"]).done();
        opens(&house, &id);
        assert!(!at("efface.key.next").exists());
        house.run(&["doctor"]).done();
    }
}

#[test]
fn a_month_that_goes_on_is_not_destroyed() {
    let (house, id) = lived_in();
    let month = status(&house)["months"][0]["month"].as_str().expect("a month").to_owned();
    house
        .run(&["key", "destroy-month", "November", "--yes"])
        .ends(2, &["names no month", "2026-11"]);
    house
        .run(&["key", "destroy-month", "2001-01", "--yes"])
        .ends(3, &["no key of 2001-01 is known"]);
    house.run(&["key", "destroy-month", &month, "--yes"]).ends(3, &["is not over"]);
    assert!(this_month(&house).exists());
    opens(&house, &id);
}

#[test]
fn nothing_is_rotated_under_a_worker_and_no_copy_is_made_beside_the_keys() {
    let (house, id) = lived_in();
    house.run(&["key", "init"]).done();
    let database = rusqlite::Connection::open(house.path().join("efface.db")).expect("opens");
    let sql = "INSERT INTO lane (name, owner, epoch, lease_until) VALUES ('mail', 'night-shift', 1, 99999999999999)";
    assert_eq!(database.execute(sql, []).expect("runs"), 1);
    house
        .run(&["key", "rotate", "--yes"])
        .ends(3, &["night-shift holds lanes", "stop `efface serve`"]);
    assert!(!house.path().join("efface.key.next").exists());
    assert_eq!(database.execute("DELETE FROM lane", []).expect("runs"), 1);
    drop(database);
    house.run(&["key", "rotate", "--yes"]).done();
    opens(&house, &id);
    // half-written keys of a killed process go with the next rotation
    let file = this_month(&house);
    let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
    let part = file.with_file_name(format!(".{name}.77.part"));
    fs::write(&part, "half a key").expect("written");
    house.run(&["key", "rotate", "--yes"]).done();
    assert!(!part.exists());
    let settings = house.path().join("efface.toml");
    let text = fs::read_to_string(&settings).expect("settings");
    fs::write(
        &settings,
        text.replace("recovery_folder = \"copy\"", "recovery_folder = \"efface.keys\""),
    )
    .expect("written");
    house.run(&["key", "init"]).ends(3, &["no copy was made", "another disk"]);
}

//! The real binary in a hurry and in the wrong place: without the vendors' secrets, with broken
//! settings, in another folder, with nobody reading what it prints.

mod house;

use std::{fs, io, path::Path, process::Stdio};

use house::{House, Ran};
use serde_json::Value;

/// Two accounts whose secrets are not in this shell.
const ACCOUNTS: &str = "[accounts.news]\nconnector = \"mailchimp\"\n[accounts.news.settings]\n\
    api_key = \"env:NOT_IN_THIS_SHELL\"\naudiences = [\"a1b2c3d4e5\"]\n\
    [accounts.crm]\nconnector = \"hubspot\"\n[accounts.crm.settings]\n\
    access_token_file = \"secrets/missing\"\n";
const ERASE: [&str; 4] = ["--action", "erase", "--proof", "account login"];

/// Runs with standard output, or both outputs, going to a pipe nobody reads.
fn unread(house: &House, args: &[&str], both: bool) -> Option<i32> {
    let closed = || {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let mut command = house.command(args);
    command.stdout(closed());
    if both {
        command.stderr(closed());
    }
    command.status().expect("runs").code()
}

fn shown(house: &House, id: &str) -> Value {
    house.run(&["request", "show", id, "--json"]).done().json()["request"].clone()
}

/// A house with an import of two, its id and theirs.
fn imported() -> (House, String, Vec<String>) {
    let house = House::new();
    let text = "email\nada@example.org\nbob@example.org\n";
    fs::write(house.path().join("people.csv"), text).expect("written");
    let args = [&["request", "import", "people.csv", "--json"][..], &ERASE[..]].concat();
    let import = house.run(&args).done().json()["import"].as_str().expect("an id").to_owned();
    let list = house.run(&["request", "list", "--json"]).done().json();
    let ids = list["requests"].as_array().expect("a list").iter();
    let ids = ids.map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
    (house, import, ids)
}

#[test]
fn who_has_database_and_key_looks_and_brakes_without_the_vendors_secrets() {
    let house = House::new();
    let id = house.file(&ERASE);
    house.append(ACCOUNTS);
    let id = id.as_str();
    for args in [
        &["request", "list"][..],
        &["request", "show", id],
        &["request", "why", id],
        &["desk", "list"],
        &["task", "list"],
        &["connector", "list"],
        &["connector", "show", "crm"],
        &["connector", "pause", "crm", "--reason", "fire"],
        &["connector", "resume", "crm"],
        &["stop", "--account", "news"],
        &["stop", "--all"],
        &["request", "hold", id, "--reason", "court"],
        &["request", "hold", id, "--end"],
        &["request", "release", id, "--yes"],
        &["request", "cancel", id],
    ] {
        assert_eq!(house.run(args).exit, 0, "{args:?}: {:?}", house.run(args));
    }
    // what plans or calls a vendor needs them
    let file = [&["request", "file", "--email", "bob@example.org"][..], &ERASE[..]].concat();
    for args in [&file[..], &["config", "check"], &["connector", "check", "crm"]] {
        house.run(args).ends(1, &["NOT_IN_THIS_SHELL", "secrets/missing"]);
    }
    // what is wrong by itself is refused all the same
    house.append("[accounts.bad]\nconnector = \"hubspot\"\n[accounts.bad.settings]\naccess_token = \"env:X\"\npurge_days = 1\n");
    house.run(&["request", "list"]).ends(1, &["accounts.bad.settings.purge_days"]);
    house.run(&["doctor"]).ends(1, &["fail  settings", "ok    vault", "purge_days"]);
}

#[test]
fn stop_works_whatever_else_is_wrong_with_the_settings() {
    let house = House::new();
    house.append(ACCOUNTS);
    house.run(&["connector", "list"]).done();
    house.append("[acounts.x]\ny = 1");
    house.run(&["request", "list"]).ends(1, &["acounts"]);
    house
        .run(&["stop", "--all"])
        .ends(0, &["warning:", "acounts", "stopped 2 accounts: crm, news"]);
    house.run(&["stop", "--account", "crm"]).ends(0, &["stopped 1 account: crm"]);
    house.run(&["stop", "--account", "crn"]).ends(4, &["account crn does not exist"]);
    house.append("[[[");
    house.run(&["stop", "--all"]).ends(1, &["line"]);
    let named = house
        .command(&["stop", "--all"])
        .env("EFFACE__DATABASE__URL", "sqlite://efface.db")
        .env("EFFACE__VAULT__MASTER_KEY_FILE", "efface.key")
        .output()
        .expect("runs");
    assert_eq!(named.status.code(), Some(0), "{named:?}");
    assert!(String::from_utf8_lossy(&named.stdout).contains("stopped 2 accounts"), "{named:?}");
}

#[test]
fn an_act_is_done_when_nobody_reads_what_is_printed() {
    for both in [false, true] {
        let (house, import, ids) = imported();
        let (first, second) = (ids[0].as_str(), ids[1].as_str());
        // prints a preview before it acts
        let release = ["request", "release", "--all-of", import.as_str(), "--yes"];
        assert_eq!(unread(&house, &release, both), Some(0));
        assert_eq!(shown(&house, first)["state"], "released");
        assert_eq!(unread(&house, &["request", "cancel", first], both), Some(0));
        assert_eq!(shown(&house, first)["state"], "cancelled");
        assert_eq!(unread(&house, &["request", "cancel", first], both), Some(3));
        assert_eq!(unread(&house, &["stop", "--import", import.as_str()], both), Some(0));
        assert_eq!(shown(&house, second)["hold_reason"], "stopped with its import");
        // tells refused rows on its way
        let bad = "not an address\n".repeat(40_000);
        let text = format!("email\n{bad}eve@example.org\n");
        fs::write(house.path().join("more.csv"), text).expect("written");
        let args = [&["request", "import", "more.csv", "--limit-errors", "99999"][..], &ERASE[..]]
            .concat();
        assert_eq!(unread(&house, &args, both), Some(1));
        let found = house.run(&["request", "list", "--email", "eve@example.org", "--json"]);
        assert_eq!(found.done().json()["requests"].as_array().map(Vec::len), Some(1));
        assert_eq!(unread(&house, &["request", "show", "nonsense"], both), Some(4));
    }
}

fn refused_here(ran: &Ran, folder: &Path) {
    let file = folder.join("efface.toml").display().to_string();
    ran.ends(1, &["there is no settings file", &file, "--config", "efface init"]);
}

#[test]
fn in_a_wrong_folder_the_file_looked_for_is_named_and_nothing_is_made() {
    let house = House::empty();
    let folder = house.path().canonicalize().expect("a folder");
    for args in [&["request", "list"][..], &["stop", "--all"], &["serve"], &["migrate"]] {
        refused_here(&house.run(args), &folder);
    }
    let named = folder.join("nowhere.toml").display().to_string();
    house.run(&["--config", "nowhere.toml", "desk", "list"]).ends(1, &[&named]);
    house.run(&["config", "show"]).ends(0, &["the defaults", "efface.toml"]);
    assert_eq!(fs::read_dir(house.path()).expect("a folder").count(), 0);
}

#[test]
fn paths_in_the_settings_hold_from_every_folder() {
    let house = House::new();
    let id = house.file(&ERASE);
    let elsewhere = tempfile::TempDir::new().expect("a folder");
    let from_outside = |config: &Path| {
        let mut command = house.command(&["request", "list", "--json"]);
        command.current_dir(elsewhere.path()).env("EFFACE_CONFIG", config);
        let ran = command.output().expect("runs");
        assert_eq!(ran.status.code(), Some(0), "{ran:?}");
        assert!(String::from_utf8_lossy(&ran.stdout).contains(&id), "{ran:?}");
    };
    from_outside(&house.path().join("efface.toml"));
    assert_eq!(fs::read_dir(elsewhere.path()).expect("a folder").count(), 0);
    // a new installation named by its file lies beside that file
    let file = elsewhere.path().join("deep/efface.toml");
    fs::create_dir(elsewhere.path().join("deep")).expect("made");
    house.run(&["--config", file.to_str().expect("text"), "init"]).done();
    assert!(elsewhere.path().join("deep/efface.db").exists());
    assert!(elsewhere.path().join("deep/efface.key").exists());
}

#[test]
fn a_whole_import_is_held_and_let_go_as_it_was_shown() {
    let (house, import, ids) = imported();
    let import = import.as_str();
    let hold = ["request", "hold", "--import", import, "--reason", "wrong file"];
    house.run(&hold).ends(3, &["2 requests would be held", "a…@e….org", "--yes"]);
    assert_eq!(shown(&house, &ids[0])["held_at"], Value::Null);
    house.run(&["request", "hold", &ids[0], "--reason", "litigation"]).done();
    house
        .run(&[&hold[..], &["--yes"]].concat())
        .ends(0, &["1 other of this import would stay", "held 1 request"]);
    house.run(&[&hold[..], &["--yes"]].concat()).ends(3, &["nothing of this import is open"]);

    let end = ["request", "hold", "--end", "--import", import, "--yes"];
    house.run(&end).ends(3, &["different reasons", "`litigation`", "`wrong file`", "--reason"]);
    let ended = house.run(&[&end[..], &["--reason", "wrong file", "--json"]].concat()).done();
    assert_eq!(ended.json()["done"], 1);
    assert_eq!(shown(&house, &ids[0])["hold_reason"], "litigation");
    assert_eq!(shown(&house, &ids[1])["hold_reason"], Value::Null);

    house.run(&["stop", "--import", import]).ends(1, &["stopped 1 request", "adds nothing"]);
    house
        .run(&[&end[..], &["--reason", "stopped with its import"]].concat())
        .ends(0, &["ended the hold of 1 request"]);
    house.run(&["request", "hold", "--end", "--import", "x"]).ends(4, &["import x does not exist"]);
    house.run(&["request", "hold", &ids[0], "--import", import]).ends(2, &["--import"]);
    house.run(&["request", "hold", &ids[1], "--end"]).ends(3, &["cannot have its hold ended"]);
}

#[test]
fn why_names_the_hold_its_reason_since_when_and_who() {
    let (house, _, ids) = imported();
    let id = ids[0].as_str();
    house.run(&["request", "hold", id, "--reason", "litigation 4 O 12/26"]).done();
    let held = shown(&house, id);
    let lines = house.run(&["request", "why", id, "--json"]).done().json();
    let line = &lines[0];
    assert_eq!(line["since"], held["held_at"]);
    let reason = line["reason"].as_str().expect("text");
    for part in ["on hold since", "unauthenticated: ", "litigation 4 O 12/26"] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(line["who"].as_str().is_some_and(|w| w.contains("hold") && w.contains("--end")));
}

#[test]
fn a_second_demo_leaves_the_first_its_folder() {
    let house = House::empty();
    let folder = house.path().join("play");
    fs::create_dir(&folder).expect("made");
    fs::write(folder.join("demo.marker"), "").expect("written");
    fs::write(folder.join("demo.db"), "of the first").expect("written");
    let first = fs::File::create(folder.join("demo.lock")).expect("made");
    first.lock().expect("locked");
    let demo = ["demo", "--folder", "play", "--people", "5", "--vendors", "mailchimp"];
    house.run(&demo).ends(3, &["another `efface demo` runs in play", "--folder"]);
    assert_eq!(fs::read_to_string(folder.join("demo.db")).expect("there"), "of the first");
    fs::write(house.path().join("mine.txt"), "mine").expect("written");
    house.run(&["demo", "--folder", "."]).ends(1, &["was not made by the demo"]);
    assert!(house.path().join("mine.txt").exists() && !house.path().join("demo.lock").exists());
    drop(first);
    let worker = fs::File::create(folder.join("demo.worker.lock")).expect("made");
    worker.lock().expect("locked");
    house.run(&demo).ends(3, &["a worker runs in play"]);
}

#[test]
fn the_ways_out_are_told() {
    let house = House::new();
    let file = [&["request", "file", "--email", "info@example.org"][..], &ERASE[..]].concat();
    house
        .run(&file)
        .ends(3, &["role mailbox", "policy.guard_role_mailboxes", "another identifier"]);
    house.append("[accounts.Bad_Id]\nconnector = \"hubspot\"\n[accounts.ok]\nconnector = \"hubspot\"\nlane = \"A b\"\n");
    let told = house.run(&["request", "list"]);
    told.ends(
        1,
        &[
            "accounts.Bad_Id is not an id: 1 to 63 of a-z, 0-9 and -",
            "accounts.ok.lane is not an id: 1 to 63",
        ],
    );
    assert!(!told.err.contains("Bad_Id.lane"), "{told:?}");
}

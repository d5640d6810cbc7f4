//! The anchor: a worker keeps copies of the checkpoints outside, and none works on a database that is
//! behind them.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{
    PROVED, export,
    house::{House, Ran},
    key,
    play::serve,
    stop,
};

/// A house whose checkpoints are kept in a folder of their own.
fn anchored() -> (House, TempDir) {
    let house = House::new();
    let outside = TempDir::new().expect("a folder");
    let folder = outside.path().join("checkpoints");
    let path = house.path().join("efface.toml");
    let text = fs::read_to_string(&path).expect("settings");
    let set = format!("\nanchor_folder = {:?}\n", folder.display().to_string());
    let text = text.replacen("\n#anchor_folder = ", &format!("{set}#"), 1);
    assert!(text.contains(&set));
    fs::write(path, text).expect("written");
    (house, outside)
}

fn kept(outside: &TempDir) -> Vec<PathBuf> {
    let folder = fs::read_dir(outside.path().join("checkpoints"));
    let mut files: Vec<PathBuf> =
        folder.into_iter().flatten().map(|entry| entry.expect("an entry").path()).collect();
    // beside each lies what it saves
    files.retain(|file| file.extension().is_none_or(|ending| ending != "saved"));
    files.sort();
    files
}

/// Lets a worker place, sign and anchor what there is.
fn work(house: &House, outside: &TempDir) {
    let before = kept(outside).len();
    let (child, _, _log) = serve(house);
    placed(house);
    // a checkpoint is signed before it goes
    stop(child);
    assert!(kept(outside).len() > before, "{:?}", kept(outside));
}

/// Waits until a worker has placed what there is: then it has the lane.
fn placed(house: &House) {
    let waiting =
        || house.run(&["audit", "status", "--json"]).done().json()["without_position"].clone();
    let all = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        waiting() == 0
    });
    assert!(all, "{}", waiting());
}

fn file(house: &House, email: &str) {
    house.run(&[&["request", "file", "--email", email], &PROVED[..]].concat()).done();
}

fn copy_database(from: &Path, to: &Path) {
    for name in ["efface.db", "efface.db-wal", "efface.db-shm"] {
        match from.join(name).exists() {
            true => drop(fs::copy(from.join(name), to.join(name)).expect("copied")),
            false => drop(fs::remove_file(to.join(name))),
        }
    }
}

fn worker(house: &House) -> Ran {
    house.run(&["worker"])
}

#[test]
fn checkpoints_are_kept_outside_under_names_that_sort_by_size() {
    let (house, outside) = anchored();
    house.run(&["audit", "status"]).ends(0, &["anchor folder", "checkpoints"]);
    house.run(&["doctor"]).ends(0, &["ok    anchor"]);
    // another folder, and yet of this host
    house.run(&["doctor"]).ends(0, &["warn  anchor outside", "own disk"]);
    file(&house, "ada@example.org");
    work(&house, &outside);
    file(&house, "bob@example.org");
    work(&house, &outside);
    let files = kept(&outside);
    let status = house.run(&["audit", "status", "--json"]).done().json();
    let size = status["checkpoint"]["size"].as_u64().expect("a size");
    assert!(!status["checkpoint"]["anchored_at"].is_null(), "{status}");
    let newest = files.last().expect("a file");
    let name = newest.file_name().expect("a name").to_string_lossy().into_owned();
    assert!(name.starts_with(&format!("{size:020}-")) && name.ends_with(".checkpoint"), "{name}");
    assert_eq!(name.len(), 20 + 1 + 16 + ".checkpoint".len(), "{name}");
    for file in &files {
        let file = file.to_str().expect("text");
        house.run(&["audit", "verify", "--checkpoint", file]).ends(0, &["as they were signed"]);
    }
    // a folder beside the database shares its fate
    let near = house.command(&["doctor"]).env("EFFACE__LEDGER__ANCHOR_FOLDER", "kept").output();
    let near = String::from_utf8(near.expect("runs").stdout).expect("text");
    assert!(near.contains("warn  anchor: ") && near.contains("lies with the database"), "{near}");
}

#[test]
fn no_worker_runs_on_a_database_that_is_older_than_its_last_anchored_checkpoint() {
    let (house, outside) = anchored();
    file(&house, "ada@example.org");
    work(&house, &outside);
    let old = TempDir::new().expect("a folder");
    copy_database(house.path(), old.path());
    file(&house, "bob@example.org");
    work(&house, &outside);

    let new = TempDir::new().expect("a folder");
    copy_database(house.path(), new.path());
    copy_database(old.path(), house.path());
    let words =
        ["older than its last anchored checkpoint", "restored from a backup?", "missing", "hint:"];
    worker(&house).ends(3, &words);
    let served = house.command(&["serve"]).env("EFFACE__SERVER__LISTEN", "127.0.0.1:0").output();
    assert_eq!(served.expect("runs").status.code(), Some(3));
    // nor is a second history signed
    house.run(&["audit", "checkpoint"]).ends(3, &words);

    // the copy went on without the folder: as long, and another history
    let newest = kept(&outside).pop().expect("a file");
    let aside = outside.path().join("aside.checkpoint");
    fs::rename(&newest, &aside).expect("moved");
    for n in 0..4 {
        file(&house, &format!("eve{n}@example.org"));
    }
    house.run(&["audit", "checkpoint"]).done();
    fs::rename(&aside, &newest).expect("moved back");
    worker(&house).ends(3, &["another history", "anchored checkpoint"]);

    // what is no checkpoint of ours is told and hinders nobody
    copy_database(new.path(), house.path());
    let junk = outside.path().join("checkpoints/99999999999999999999-0.checkpoint");
    fs::write(&junk, "hello").expect("written");
    file(&house, "dan@example.org");
    work(&house, &outside);
}

#[test]
fn an_anchor_folder_that_cannot_be_used_stops_a_worker_at_its_start() {
    let (house, outside) = anchored();
    let folder = outside.path().join("checkpoints");
    fs::write(&folder, "a file").expect("written");
    worker(&house).ends(1, &["anchor folder", "cannot be used", "ledger.anchor_folder"]);
    house.run(&["doctor"]).ends(1, &["fail  anchor"]);
    fs::remove_file(&folder).expect("removed");
    file(&house, "ada@example.org");
    work(&house, &outside);
    fs::remove_dir_all(&folder).expect("removed");
    worker(&house).ends(1, &["no checkpoint is in", "is it mounted"]);
    // what lies bare under a mount point is empty
    fs::create_dir(&folder).expect("made");
    worker(&house).ends(1, &["no checkpoint is in", "is it mounted"]);
    house.run(&["audit", "verify"]).ends(1, &["no checkpoint is in"]);
}

#[test]
fn a_pack_is_made_beside_a_living_worker_and_after_a_killed_one() {
    let (house, outside) = anchored();
    let first = house.file(&PROVED);
    work(&house, &outside);
    let (mut child, _, _log) = serve(&house);
    file(&house, "bob@example.org");
    placed(&house);
    house.run(&["request", "hold", &first, "--reason", "court"]).done();
    export(&house, &first, &[]);
    house.run(&["verify", "pack.zip", "--key", &key(&house)]).ends(0, &["VERIFIED"]);
    child.kill().expect("killed");
    child.wait().expect("ended");
    // its lease goes on, and nobody holds its lock
    house.run(&["request", "hold", &first, "--end"]).done();
    export(&house, &first, &[]);
    house.run(&["verify", "pack.zip", "--key", &key(&house)]).ends(0, &["VERIFIED"]);
}

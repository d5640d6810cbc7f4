//! The journal against its checkpoints: whole, altered, shortened.

use std::fs;

use super::{PROVED, house::House, key, touch};

/// A house with two months' keys, a few requests and a checkpoint kept as `kept.checkpoint`.
fn audited() -> (House, String) {
    let house = House::new();
    let mut args = vec!["request", "file", "--json", "--email"];
    let ids: Vec<String> = ["ada@example.org", "bob@example.org", "eve@example.org"]
        .map(|email| {
            args.truncate(4);
            args.push(email);
            args.extend(PROVED);
            let filed = house.run(&args).done().json();
            filed["request"]["id"].as_str().expect("an id").to_owned()
        })
        .into();
    house.run(&["request", "hold", &ids[0], "--reason", "court"]).done();
    let signed = house.run(&["audit", "checkpoint"]).done();
    fs::write(house.path().join("kept.checkpoint"), &signed.out).expect("written");
    (house, ids[0].clone())
}

#[test]
fn status_key_and_checkpoint_tell_where_the_log_stands() {
    let house = House::new();
    house.run(&["audit", "verify"]).ends(1, &["no checkpoint was signed yet", "audit checkpoint"]);
    house.run(&["audit", "status"]).ends(0, &["none yet", "ledger.anchor_folder is not set"]);
    house.file(&PROVED);
    let before = house.run(&["audit", "status", "--json"]).done().json();
    let open = before["without_position"].as_u64().expect("a number");
    assert!(open >= 1 && before["checkpoint"].is_null(), "{before}");
    let note = house.run(&["audit", "checkpoint"]).done().out;
    let signed = house.run(&["audit", "checkpoint", "--json"]).done().json();
    assert_eq!(signed["note"], *note);
    assert!(note.starts_with(before["log"].as_str().expect("a name")), "{note}");
    let after = house.run(&["audit", "status", "--json"]).done().json();
    assert_eq!((&after["leaves"], &after["without_position"]), (&open.into(), &0.into()));
    assert_eq!(after["checkpoint"]["size"], signed["size"]);
    assert_eq!(after["checkpoint"]["anchored_at"], serde_json::Value::Null);
    house.run(&["audit", "status"]).ends(0, &["last checkpoint", " ago)"]);
    house.run(&["audit", "verify"]).ends(0, &["as they were signed", "in the same database"]);
    assert_eq!(house.run(&["audit", "key", "--json"]).done().json()["key"], *key(&house));
    house.run(&["doctor"]).ends(0, &["warn  anchor"]);
}

#[test]
fn an_altered_and_a_missing_row_of_the_journal_are_found() {
    for (sql, words, kind) in [
        (
            "UPDATE journal SET body = replace(body, 'unauthenticated', 'authenticated') WHERE rowid = 4",
            "a leaf was altered (first at leaf 3)",
            "altered",
        ),
        ("DELETE FROM journal WHERE rowid = 4", "a leaf was taken out", "deleted"),
        (
            "DELETE FROM journal WHERE rowid = (SELECT max(rowid) FROM journal)",
            "it ends after 5 leaves of 6",
            "truncated",
        ),
    ] {
        let (house, _) = audited();
        let kept = ["audit", "verify", "--checkpoint", "kept.checkpoint"];
        for args in [&["audit", "verify"][..], &kept] {
            house.run(args).ends(0, &["all 6 signed leaves are there, as they were signed"]);
        }
        assert_eq!(touch(&house, sql), 1);
        for args in [&["audit", "verify"][..], &kept] {
            house.run(args).ends(1, &["the journal is not the one that was signed", words]);
            let told = house.run(&[args, &["--json"]].concat());
            assert_eq!(told.exit, 1);
            assert_eq!(told.json()["differs"]["kind"], kind, "{told:?}");
        }
    }
}

#[test]
fn a_pack_of_an_altered_journal_is_not_written() {
    let (house, id) = audited();
    let sql = "UPDATE journal SET body = replace(body, 'unauthenticated', 'authenticated') WHERE rowid = 3";
    assert_eq!(touch(&house, sql), 1);
    let ran = house.run(&["evidence", "export", &id, "-o", "pack.zip"]);
    ran.ends(1, &["was not written", "FAILS", "leaf 2", "audit verify"]);
    assert!(!house.path().join("pack.zip").exists());
}

#[test]
fn a_row_that_says_something_else_than_the_journal_is_told() {
    let (house, id) = audited();
    let sql = "UPDATE request SET body = replace(body, 'unauthenticated', 'authenticated')";
    assert!(touch(&house, sql) > 0);
    let ran = house.run(&["evidence", "export", &id, "-o", "pack.zip"]);
    ran.ends(1, &["is not what its journal says", "audit verify"]);
}

#[test]
fn a_checkpoint_of_another_log_and_one_that_was_altered_are_refused() {
    let (house, _) = audited();
    let (other, _) = audited();
    let verify = ["audit", "verify", "--checkpoint", "other.checkpoint"];
    house.run(&verify).ends(1, &["cannot read other.checkpoint"]);
    let place = house.path().join("other.checkpoint");
    fs::copy(other.path().join("kept.checkpoint"), &place).expect("copied");
    house.run(&verify).ends(1, &["is no checkpoint of this log", "is not signed by"]);
    let note = fs::read_to_string(house.path().join("kept.checkpoint")).expect("a note");
    fs::write(&place, note.replacen("\n6\n", "\n5\n", 1)).expect("written");
    house.run(&verify).ends(1, &["does not belong to this checkpoint"]);
}

//! The pack: what is in it and what is not, how it is laid out, and what a hostile one meets.

use std::io::{Cursor, Read};

use efface_ledger::{
    Pack,
    pack::{self, Error, Finding, LIMITS, PART_NAMES, Parts, Verdict, verify},
};

use crate::{
    checkpoints::{ORIGIN, signer},
    story::{ADA, HERS, entries, journal},
};

pub fn written(pack: &Pack) -> Vec<u8> {
    let mut bytes = vec![];
    pack::write(pack, &mut bytes).expect("is written");
    bytes
}

#[test]
fn a_pack_is_verified_by_whoever_has_the_key() {
    let pack = journal().pack(&HERS);
    let read = pack::read(Cursor::new(written(&pack))).unwrap();
    assert_eq!(read, pack);
    let key = signer(ORIGIN, 1).verifier().to_string().parse().unwrap();
    let report = verify(&read, &key);
    assert_eq!(report.verdict(), Verdict::Verified, "{report}");
    let said = report.to_string();
    assert!(said.contains(&format!("VERIFIED with the key {}", key.short())), "{said}");
    for limit in LIMITS {
        assert!(said.contains(limit), "{said}");
    }
    assert!(!said.contains(ADA) && !format!("{report:?}").contains(ADA), "{said}");
    // the report's own account of the tasks, from the leaves
    let stands: Vec<(u64, bool)> =
        report.standings.iter().map(|s| (s.leaf, s.task.state.is_settled())).collect();
    assert_eq!(stands, [(7, true), (10, true)]);
    let subject = report.subject.unwrap();
    assert_eq!((subject.kind.as_str(), subject.value.expose()), ("email", ADA));
}

#[test]
fn a_pack_for_nobody_tells_nobody() {
    let mut pack = journal().pack(&HERS);
    pack.opening = None;
    let read = pack::read(Cursor::new(written(&pack))).unwrap();
    let report = verify(&read, signer(ORIGIN, 1).verifier());
    assert!(report.is_verified(), "{report}");
    assert_eq!(report.subject, None);
    let open = report.checks.iter().find(|c| c.claim.contains("opening")).unwrap();
    assert!(matches!(open.finding, Finding::NotClaimed(_)));
}

#[test]
fn other_peoples_items_are_not_in_it() {
    let bytes = written(&journal().pack(&HERS));
    let text = String::from_utf8_lossy(&bytes);
    // task 13 is another person's, in leaves 5, 6 and 7
    assert!(entries()[5].items.contains("00000000000d"));
    assert!(!text.contains("00000000000d"));
    assert!(text.contains("00000000000b") && text.contains("00000000000c"));
}

#[test]
fn an_opening_is_not_printed() {
    let pack = journal().pack(&HERS);
    let said = format!("{:?}", pack.opening);
    assert!(said.contains("email") && !said.contains(ADA) && !said.contains("9, 9"), "{said}");
    let mut parts = Parts::default();
    parts.add("pack.json", br#"{"format":1}"#.to_vec()).unwrap();
    assert!(!parts.pack().unwrap_err().to_string().contains(ADA));
}

#[test]
fn others_read_the_archive() {
    let pack = journal().pack(&HERS);
    let mut archive = zip::ZipArchive::new(Cursor::new(written(&pack))).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert_eq!(names, PART_NAMES);
    let mut part = |name: &str| {
        let mut text = String::new();
        archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert_eq!(part("record.html"), pack.record);
    assert_eq!(part("checkpoint"), pack.checkpoint);
    assert_eq!(part("request.json"), pack.request);
    assert_eq!(part("leaves.jsonl").lines().count(), HERS.len());
    let meta: serde_json::Value = serde_json::from_str(&part("pack.json")).unwrap();
    assert_eq!(meta["what"], pack::TITLE);
    assert_eq!((&meta["format"], &meta["origin"]), (&1.into(), &ORIGIN.into()));
    assert_eq!(
        (&meta["leaves"], &meta["items"], &meta["tree_size"]),
        (&10.into(), &9.into(), &312.into())
    );
    // what was unpacked can be verified too
    let mut parts = Parts::default();
    for name in PART_NAMES {
        parts.add(name, part(name).into_bytes()).unwrap();
    }
    assert_eq!(parts.pack().unwrap(), pack);
}

#[test]
fn an_archive_that_is_not_ours_is_refused_in_words() {
    let good = written(&journal().pack(&HERS));
    let check = |bytes: Vec<u8>, why: &str| {
        let error = pack::read(Cursor::new(bytes)).unwrap_err();
        let said = error.to_string();
        assert!(said.contains(why), "{said}");
    };
    check(vec![], "no evidence pack");
    check(b"<html>".to_vec(), "no evidence pack");
    check(good[..20].to_vec(), "cut off");
    check(good[..40].to_vec(), "cut off");
    check(good[..good.len() - 1].to_vec(), "directory");
    check([&good[..], b"x"].concat(), "directory");
    check([b"x", &good[..]].concat(), "no evidence pack");
    // an entry twice: which would others show?
    let record = good.windows(4).rposition(|w| w == b"PK\x03\x04").unwrap();
    let directory = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let twice = [&good[..directory], &good[record..directory], &good[directory..]].concat();
    check(twice, "directory");

    let by_others = |name: &str, method| {
        use std::io::Write as _;
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        let mut writer = zip::ZipWriter::new(Cursor::new(vec![]));
        writer.start_file(name, options).unwrap();
        writer.write_all(b"{}").unwrap();
        writer.finish().unwrap().into_inner()
    };
    for name in ["../../etc/passwd", "evil.html", "PACK.JSON", "pack.json/", ""] {
        check(by_others(name, zip::CompressionMethod::Stored), "no pack has");
    }
    check(by_others("pack.json", zip::CompressionMethod::Stored), "packed again");
    let mut compressed = good.clone();
    compressed[8] = 8;
    check(compressed, "compressed");
    let mut swollen = good;
    swollen[18..26].copy_from_slice(&[0xff; 8]);
    check(swollen, "cut off");
}

#[test]
fn nobody_keeps_a_reader_busy() {
    let endless = std::io::repeat(b'P');
    assert!(matches!(pack::read(endless), Err(Error::TooLarge { what: "archive", .. })));
    let mut parts = Parts::default();
    let answer = parts.add("pack.json", vec![b' '; 70_000]);
    assert!(matches!(answer, Err(Error::TooLarge { what: "pack.json", .. })));
    let answer = parts.add("../pack.json", vec![]);
    assert!(matches!(answer, Err(Error::Stranger { name }) if name == "../pack.json"));
    let mut large = journal().pack(&HERS);
    large.record = " ".repeat(17 << 20);
    assert!(matches!(
        pack::write(&large, vec![]),
        Err(Error::TooLarge { what: "record.html", .. })
    ));
}

#[test]
fn parts_that_do_not_fit_together_are_refused_in_words() {
    let pack = journal().pack(&HERS);
    let parts = || {
        let mut archive = zip::ZipArchive::new(Cursor::new(written(&pack))).unwrap();
        let read = |name: &str| {
            let mut text = String::new();
            archive.by_name(name).unwrap().read_to_string(&mut text).unwrap();
            (name.to_owned(), text)
        };
        PART_NAMES.map(read)
    };
    let check = |change: &dyn Fn(&str, &str) -> Option<String>, why: &str| {
        let mut changed = Parts::default();
        for (name, text) in parts() {
            if let Some(text) = change(&name, &text) {
                changed.add(&name, text.into_bytes()).unwrap();
            }
        }
        let said = changed.pack().unwrap_err().to_string();
        assert!(said.contains(why), "{why}: {said}");
    };
    for name in PART_NAMES {
        let gone = |n: &str, text: &str| (n != name).then(|| text.to_owned());
        check(&gone, &format!("the part {name} is missing"));
        if name != "pack.json" {
            let touched = |n: &str, text: &str| {
                Some(if n == name { format!("{text} ") } else { text.to_owned() })
            };
            check(&touched, &format!("the part {name} was altered: it is not what pack.json says"));
        }
    }
    let meta = |from: &'static str, to: &'static str| {
        move |name: &str, text: &str| {
            Some(if name == "pack.json" {
                assert!(text.contains(from), "{text}");
                text.replace(from, to)
            } else {
                text.to_owned()
            })
        }
    };
    check(&meta("\"format\":1", "\"format\":2"), "format 2");
    check(&meta("\"leaves\":10", "\"leaves\":11"), "pack.json was altered");
    check(&meta("\"tree_size\":312", "\"tree_size\":313"), "pack.json was altered");
    check(&meta("Record", "record"), "pack.json was altered");
    check(&meta("{", "{ "), "pack.json was altered");
    check(&meta("{\"format\"", "<\"format\""), "pack.json cannot be read: it is not JSON");
    check(&meta("\"opening\":true", "\"opening\":1"), "another shape");
}

#[test]
fn a_checkpoint_that_is_none_is_not_packed() {
    let mut pack = journal().pack(&HERS);
    pack.checkpoint = "signed, honestly".into();
    assert!(matches!(pack::write(&pack, vec![]), Err(Error::Checkpoint(_))));
}

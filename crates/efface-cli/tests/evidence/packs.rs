//! The pack: written whole or not at all, checked without anything of ours, refused at the first bit.

use std::fs;

use efface_ledger::pack::{LIMITS, PART_NAMES, TITLE};

use super::{PROVED, export, house::House, key};

/// What stands in the archive, opened by another's program.
fn parts(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("an archive");
    let mut found = vec![];
    for name in PART_NAMES {
        if let Ok(mut file) = archive.by_name(name) {
            let mut part = vec![];
            std::io::Read::read_to_end(&mut file, &mut part).expect("a part");
            found.push((name, part));
        }
    }
    assert_eq!(found.len(), archive.len());
    found
}

#[test]
fn a_pack_is_verified_by_a_stranger_with_the_key_alone() {
    let house = House::new();
    let id = house.file(&PROVED);
    let told = house.run(&["evidence", "export", &id]).done();
    let name = format!("efface-evidence-{id}.zip");
    for part in [&name, &key(&house), &format!("efface verify {name} --key '")] {
        assert!(told.out.contains(part.as_str()), "{part}: {told:?}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = house.path().join(&name).metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    house.run(&["evidence", "export", &id]).ends(3, &["exists already", "--force"]);
    house.run(&["evidence", "export", &id, "--force"]).done();

    let stranger = House::empty();
    fs::copy(house.path().join(&name), stranger.path().join("pack.zip")).expect("copied");
    fs::write(stranger.path().join("log.vkey"), format!("{}\n", key(&house))).expect("written");
    let told = stranger.run(&["verify", "pack.zip", "--key", "@log.vkey"]).done();
    for part in ["VERIFIED", "holds    ", LIMITS[0], LIMITS[5], "account"] {
        assert!(told.out.contains(part), "{part}: {told:?}");
    }
    let told = stranger.run(&["verify", "pack.zip", "--key", &key(&house), "--json"]).done().json();
    assert_eq!(told["verified"], true);
    assert_eq!(told["limits"][0], LIMITS[0]);
    assert_eq!(told["subject"], serde_json::Value::Null);
    // nothing else was written on the way
    let hidden = fs::read_dir(house.path()).expect("a folder").filter_map(Result::ok);
    assert_eq!(hidden.filter(|e| e.file_name().to_string_lossy().ends_with(".part")).count(), 0);
}

#[test]
fn an_unpacked_folder_is_verified_too_and_what_is_not_of_it_is_told() {
    let house = House::new();
    let id = house.file(&PROVED);
    export(&house, &id, &[]);
    let folder = house.path().join("unpacked");
    fs::create_dir(&folder).expect("made");
    for (name, text) in parts(&fs::read(house.path().join("pack.zip")).expect("a pack")) {
        fs::write(folder.join(name), text).expect("written");
    }
    let verify = ["verify", "unpacked", "--key", &key(&house)];
    house.run(&verify).ends(0, &["VERIFIED"]);
    fs::write(folder.join("mine.txt"), "mine").expect("written");
    house.run(&verify).ends(0, &["mine.txt is no part of a pack"]);
    let request = folder.join("request.json");
    let text = fs::read_to_string(&request).expect("text");
    fs::write(&request, text.replacen("\"erase\"", "\"lift\"", 1)).expect("written");
    house.run(&verify).ends(1, &["request.json was altered"]);
    fs::remove_file(&request).expect("removed");
    house.run(&verify).ends(1, &["request.json is missing"]);
}

#[test]
fn one_flipped_byte_and_a_foreign_key_are_refused() {
    let house = House::new();
    let id = house.file(&PROVED);
    export(&house, &id, &[]);
    let whole = fs::read(house.path().join("pack.zip")).expect("a pack");
    let key = key(&house);
    for at in (0..whole.len()).step_by((whole.len() / 40).max(1)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(house.path().join("flipped.zip"), flipped).expect("written");
        let ran = house.run(&["verify", "flipped.zip", "--key", &key]);
        assert_eq!(ran.exit, 1, "byte {at}: {ran:?}");
        assert!(!ran.out.contains("\nVERIFIED"), "byte {at}: {ran:?}");
    }
    let foreign = super::key(&House::new());
    house
        .run(&["verify", "pack.zip", "--key", &foreign])
        .ends(1, &["NOT VERIFIED", "is not signed by"]);
    let told = house.run(&["verify", "pack.zip", "--key", &foreign, "--json"]);
    assert_eq!((told.exit, &told.json()["verified"]), (1, &false.into()));
}

#[test]
fn what_is_no_pack_or_no_key_is_told_as_such() {
    let house = House::new();
    let key = key(&house);
    fs::write(house.path().join("text.zip"), "hello").expect("written");
    fs::create_dir(house.path().join("empty")).expect("made");
    let cases: [(&[&str], i32, &str); 7] = [
        (&["verify", "missing.zip", "--key", &key], 1, "cannot read the pack missing.zip"),
        (&["verify", "text.zip", "--key", &key], 1, "this is no evidence pack"),
        (&["verify", "empty", "--key", &key], 1, "pack.json is missing"),
        (&["verify", "text.zip", "--key", "hello"], 2, "--key: the verifier key cannot be read"),
        (&["verify", "text.zip", "--key", &key[..key.len() - 4]], 2, "--key"),
        (&["verify", "text.zip", "--key", "@missing.vkey"], 1, "cannot read missing.vkey"),
        (&["verify", "text.zip"], 2, "--key"),
    ];
    for (args, exit, part) in cases {
        house.run(args).ends(exit, &[part]);
    }
}

#[test]
fn the_record_for_people_is_one_page_without_script_and_escapes_what_was_typed() {
    let house = House::new();
    let id = house.file(&PROVED);
    let reason = "<script>alert('x')</script> & \"more\"";
    house.run(&["request", "hold", &id, "--reason", reason]).done();
    let made = export(&house, &id, &[]);
    assert_eq!(made["request"], *id);
    let all = parts(&fs::read(house.path().join("pack.zip")).expect("a pack"));
    let part = |wanted: &str| {
        let found = all.iter().find(|(name, _)| *name == wanted).expect("a record");
        String::from_utf8_lossy(&found.1).into_owned()
    };
    let (page, paper) = (part("record.html"), part("record.pdf"));
    let title = TITLE.replace('\'', "&#39;");
    assert!(page.contains(&format!("<h1>{title}</h1>")), "{page}");
    assert!(
        page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;more&quot;")
    );
    for limit in LIMITS {
        assert!(page.contains(limit), "{limit}");
    }
    for part in ["Until it is confirmed, nothing is called erased", &key(&house), "filed", &id] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for strange in ["<script", " src=", "href=", "http://", "url("] {
        assert!(!page.contains(strange), "{strange}: {page}");
    }
    // the same on paper: a title, what it does not prove, and what somebody wrote, taken apart by none
    for part in ["%PDF-1.", TITLE, "What it does not prove", "That a vendor did what it answered"] {
        assert!(paper.contains(part), "{part}: {paper}");
    }
    assert!(paper.contains("alert('x')"), "{paper}");
    house.run(&["verify", "pack.zip", "--key", &key(&house)]).done();
}

//! Whom a pack names: nobody, unless it was made for the person.
#![cfg(unix)]

use std::{fs, thread, time::Duration};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use efface_connector::IdentifierKind;
use sha2::{Digest as _, Sha256};

use super::{
    PROVED, export,
    house::House,
    key,
    play::{KEY, Play, serve},
    set, stop,
};

const EMAIL: &str = "Canary.Person@Example.org";
const PHONE: &str = "+442079460958";
const USER_ID: &str = "canary/user 7:x";

/// Every way in which a value could be found again.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![];
    for value in [value.to_owned(), value.to_lowercase(), value.to_uppercase()] {
        let bytes = value.as_bytes();
        let encoded = |plain: &[u8]| -> String {
            let one = |b: &u8| match plain.contains(b) || b.is_ascii_alphanumeric() {
                true => char::from(*b).to_string(),
                false => format!("%{b:02X}"),
            };
            bytes.iter().map(one).collect()
        };
        forms.extend([
            value.clone(),
            encoded(b"-._~"),
            encoded(b"-._~").replace("%20", "+"),
            encoded(b"-._~@"),
            BASE64_STANDARD.encode(bytes),
            BASE64_STANDARD_NO_PAD.encode(bytes),
            BASE64_URL_SAFE_NO_PAD.encode(bytes),
            hex::encode(Sha256::digest(bytes)),
            BASE64_STANDARD.encode(Sha256::digest(bytes)),
        ]);
    }
    forms
}

/// The forms of the canary that stand in the pack.
fn found_in_pack(house: &House) -> Vec<String> {
    let bytes = fs::read(house.path().join("pack.zip")).expect("a pack");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let lower = text.to_lowercase();
    let all = [EMAIL, PHONE, &PHONE[1..], USER_ID].into_iter().flat_map(forms);
    all.filter(|form| text.contains(form.as_str()) || lower.contains(&form.to_lowercase()))
        .collect()
}

#[test]
fn a_pack_of_an_erased_person_names_the_person_only_to_the_person() {
    let play = Play::new();
    let house = &play.house;
    play.account(KEY, "accept_side_effects = [\"contacts_the_person\", \"blocks_reentry\"]");
    set(house, "cooling_off_hours", 0);
    set(house, "verify_after_minutes", 0);
    play.server.fake().put(&[(IdentifierKind::Email, EMAIL.to_lowercase())]);
    house.run(&["connector", "enable", "news", "--yes"]).done();
    let file =
        ["request", "file", "--json", "--email", EMAIL, "--phone", PHONE, "--user-id", USER_ID];
    let more = ["--contact", EMAIL, "--note", USER_ID, "--reference", "T-1"];
    let filed = house.run(&[&file[..], &more, &PROVED].concat()).done().json();
    let id = filed["request"]["id"].as_str().expect("an id").to_owned();
    house.run(&["request", "release", &id, "--yes"]).done();
    let (child, _, _log) = serve(house);
    let shown = || house.run(&["request", "show", &id, "--json"]).done().json();
    let over = (0..300).any(|_| {
        thread::sleep(Duration::from_millis(50));
        shown()["request"]["state"] == "closed"
    });
    assert!(over, "{}", shown());
    let made = export(house, &id, &[]);
    stop(child);
    assert_eq!(made["named_in_texts"], serde_json::json!([]));
    assert_eq!(found_in_pack(house), Vec::<String>::new());

    let verify = ["verify", "pack.zip", "--key", &key(house)];
    let told = house.run(&verify).done().out;
    for part in ["news", "erased", "verified", "the request's record has no gap"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = house.run(&[&verify[..], &["--json"]].concat()).done().json();
    assert_eq!(told["standings"][0]["task"]["account"], "news");
    let all = fs::read(house.path().join("pack.zip")).expect("a pack");
    let all = String::from_utf8_lossy(&all).into_owned();
    // what was exchanged is there
    for part in ["\"exchanges\":[{", "url_template", "erase at news"] {
        assert!(all.contains(part), "{part}: {all}");
    }

    // as typed anew, by each of the identifiers
    for typed in ["canary.person@EXAMPLE.org", "+44 20 7946 0958", USER_ID] {
        let made = export(house, &id, &["--for", typed]);
        assert_eq!(made["opens_identifier"], true);
        assert_ne!(found_in_pack(house), Vec::<String>::new());
        house.run(&verify).ends(0, &["The request is about the person with the", "VERIFIED"]);
    }
    let wanted = ["evidence", "export", &id, "-o", "other.zip", "--for", "bob@example.org"];
    let refused = house.run(&wanted);
    assert!(!refused.err.contains("bob@") && !refused.out.contains("bob@"), "{refused:?}");
    refused.ends(3, &["--for", "does not name that identifier"]);
    assert!(!house.path().join("other.zip").exists());
}

#[test]
fn a_text_that_repeats_an_identifier_is_warned_of() {
    let house = House::new();
    let id = house.file(&PROVED);
    house.run(&["request", "hold", &id, "--reason", "Ada@example.org sued"]).done();
    let told = house.run(&["evidence", "export", &id]).done();
    assert!(told.err.contains("repeats the person's email"), "{told:?}");
    assert!(!told.err.to_lowercase().contains("ada@"), "{told:?}");
}

#[test]
fn a_request_that_is_not_there_has_no_evidence() {
    let house = House::new();
    for id in ["nonsense", "01930000-0000-7000-8000-000000000000"] {
        house.run(&["evidence", "export", id]).ends(4, &["does not exist", "efface request list"]);
    }
    house.run(&["evidence", "export", "--help"]).ends(0, &["Examples:", "--for", "--json"]);
    for command in ["status", "key", "checkpoint", "verify"] {
        house.run(&["audit", command, "--help"]).ends(0, &["efface audit", "--json"]);
    }
    house.run(&["verify", "--help"]).ends(0, &["Examples:", "--key", "--json"]);
}

//! Checkpoints and keys: what is signed, and what is refused in which words.

use base64::{Engine, prelude::BASE64_STANDARD};
use efface_core::journal::tree_hash;
use efface_ledger::{
    Checkpoint, Hash, Signer, VerifierKey, checkpoint::Error, tree::consistency_proof,
};

use crate::trees::{grown, hashes};

pub const ORIGIN: &str = "efface.example.org/log";

pub fn signer(name: &str, seed: u8) -> Signer {
    Signer::new(name, &[seed; 32].into()).expect("a good name")
}

fn root() -> Hash {
    tree_hash(&hashes(3))
}

#[test]
fn a_checkpoint_is_this_text() {
    let signer = signer(ORIGIN, 1);
    let note = signer.sign(3, &root());
    let signature = "PmJHhuLPpkd5nSOSoPzxpa0+O0EQJ6coBogNwtdpasGnn2cNFllmo0HZKhN/OSAKJ1FR+nf6r5+7unO/r/w0rs05+gU=";
    let text = format!("{ORIGIN}\n3\n{}\n", BASE64_STANDARD.encode(root()));
    assert_eq!(note, format!("{text}\n\u{2014} {ORIGIN} {signature}\n"));
    let opened = Checkpoint::open(&note, signer.verifier()).unwrap();
    assert_eq!(opened, Checkpoint { origin: ORIGIN.into(), size: 3, root: root() });
    assert_eq!(Checkpoint::unproven(&note).unwrap(), opened);
}

#[test]
fn a_verifier_key_is_read_as_printed() {
    let key = signer(ORIGIN, 1).verifier().clone();
    let text = key.to_string();
    assert_eq!(text.parse::<VerifierKey>().unwrap(), key);
    assert_eq!(format!("{text}\n").parse::<VerifierKey>().unwrap(), key);
    let (name, rest) = text.split_once('+').unwrap();
    let (id, coded) = rest.split_once('+').unwrap();
    for (text, why) in [
        (String::new(), "joined by two"),
        (name.to_owned(), "joined by two"),
        (format!("{name}+{id}"), "joined by two"),
        (format!("{name}+{}+{coded}", &id[1..]), "eight hexadecimal"),
        (format!("{name}++{coded}"), "eight hexadecimal"),
        (format!("{name}+{id}+{}", &coded[1..]), "not base64"),
        (format!("{name}+{id}+"), "empty"),
        (format!("{name}+{id}+AQ=="), "not 32 bytes"),
        (format!("{name}+{id}+B{}", &coded[1..]), "other than Ed25519"),
        // the neutral element: everything would be signed by it
        (format!("{name}+{id}+AQEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "no usable"),
        (format!("other+{id}+{coded}"), "does not belong"),
        (format!("{name}+00000000+{coded}"), "does not belong"),
        (format!("+{id}+{coded}"), "no key name"),
        (format!("a b+{id}+{coded}"), "no key name"),
    ] {
        let said = text.parse::<VerifierKey>().unwrap_err().to_string();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn no_secret_is_printed() {
    let signer = signer(ORIGIN, 0xab);
    let said = format!("{signer:?}");
    assert!(said.contains(ORIGIN) && said.contains("hidden"), "{said}");
    assert!(!said.to_lowercase().contains("abab") && !said.contains("171"), "{said}");
    let refused = Signer::new("a b", &[0xab; 32].into()).unwrap_err();
    assert_eq!(refused, Error::Name { name: "a b".into() });
}

#[test]
fn what_is_no_checkpoint_of_the_key_is_refused_in_words() {
    let signer = signer(ORIGIN, 1);
    let note = signer.sign(3, &root());
    let (text, signature) = note.split_once("\n\n").unwrap();
    let check = |note: String, why: &str| {
        let said = Checkpoint::open(&note, signer.verifier()).unwrap_err().to_string();
        assert!(said.contains(why), "{note:?}: {said}");
    };
    let with = |text: &str| format!("{text}\n\n{signature}");
    check(String::new(), "no empty line");
    check(text.to_owned(), "no empty line");
    check(format!("{text}\n\n"), "not ended");
    check(note.trim_end().to_owned(), "not ended");
    check(note.replace('\n', "\r\n"), "control characters");
    check(note.replace('\u{2014}', "-"), "em dash");
    check(
        note.replace("\u{2014} efface.example.org/log ", "\u{2014} efface.example.org/log"),
        "no signature",
    );
    check(note.replace("\u{2014} efface", "\u{2014} ef+face"), "key name");
    check(format!("{note}\u{2014} x AAAA\n"), "too short");
    check(format!("{note}\u{2014} x !!!!\n"), "not base64");
    check(format!("{note}{}", "\u{2014} x AAAAAAAA\n".repeat(100)), "more than 100");
    check(format!("{}{note}", "x".repeat(70_000)), "longer than");
    // well-formed, but not what was signed
    check(with(&text.replace("\n3\n", "\n4\n")), "altered");
    check(with(&text.replacen("efface", "eface", 1)), "altered");
    check(with(&format!("{text}\nmore")), "altered");
    check(crate::checkpoints::signer("other.example.org", 1).sign(3, &root()), "not signed by");
    check(crate::checkpoints::signer(ORIGIN, 2).sign(3, &root()), "not signed by");
    // our name and id over somebody else's signature
    let broken = note.replace(signature.rsplit(' ').next().unwrap(), &foreign(&signer, 2));
    check(broken, "altered");
}

fn last_word(note: &str) -> &str {
    note.trim_end().rsplit(' ').next().unwrap_or_default()
}

/// The signature of another key under the id of `ours`.
fn foreign(ours: &Signer, seed: u8) -> String {
    let (ours, theirs) = (ours.sign(3, &root()), signer(ORIGIN, seed).sign(3, &root()));
    let bytes = |note: &str| BASE64_STANDARD.decode(last_word(note)).expect("base64");
    let mixed = [&bytes(&ours)[..4], &bytes(&theirs)[4..]].concat();
    format!("{}\n", BASE64_STANDARD.encode(mixed))
}

#[test]
fn other_peoples_signatures_are_passed_over() {
    let ours = signer(ORIGIN, 1);
    let note = ours.sign(3, &root());
    let (text, line) = note.split_once("\n\n").unwrap();
    let other = signer("witness.example.net", 5).sign(3, &root());
    let theirs = other.split_once("\n\n").unwrap().1;
    // of a kind we do not know
    let strange = "\u{2014} pq.example.net AAAAAAAAAAAA\n";
    for signed in [format!("{theirs}{line}"), format!("{line}{theirs}"), format!("{strange}{line}")]
    {
        assert!(Checkpoint::open(&format!("{text}\n\n{signed}"), ours.verifier()).is_ok());
    }
    let only_theirs = Checkpoint::open(&format!("{text}\n\n{theirs}"), ours.verifier());
    assert!(
        matches!(only_theirs, Err(Error::NotSigned { found, .. }) if found.contains("witness"))
    );
    // one of ours that does not hold spoils one that does
    let spoilt = format!("{text}\n\n{line}\u{2014} {ORIGIN} {}", foreign(&ours, 2));
    assert!(matches!(Checkpoint::open(&spoilt, ours.verifier()), Err(Error::BadSignature { .. })));
}

#[test]
fn a_body_is_written_in_one_way_only() {
    let plain = Checkpoint { origin: ORIGIN.into(), size: 10, root: root() }.body();
    let base = plain.lines().nth(2).unwrap();
    let read = |text: String| Checkpoint::unproven(&format!("{text}\n\u{2014} x AAAAAAAA\n"));
    assert!(read(plain.clone()).is_ok());
    // later versions may say more; it is signed, and not ours to judge
    assert!(read(format!("{plain}extension\n")).is_ok());
    for (text, why) in [
        ("\n".to_owned(), "no line with the tree's size"),
        (format!("{ORIGIN}\n"), "no line with the tree's size"),
        (format!("{ORIGIN}\n10\n"), "no line with the root"),
        (plain.replace("\n10\n", "\n010\n"), "plainly"),
        (plain.replace("\n10\n", "\n+10\n"), "plainly"),
        (plain.replace("\n10\n", "\n-1\n"), "no number"),
        (plain.replace("\n10\n", "\n99999999999999999999\n"), "no number"),
        (plain.replace(base, &base[1..]), "not base64"),
        (plain.replace(base, "AAAA"), "32 bytes"),
        (plain.replacen(ORIGIN, "", 1), "origin"),
        (plain.replacen(ORIGIN, "a b", 1), "origin"),
        (format!("{plain}\nx\n"), "empty line"),
    ] {
        let said = read(text.clone()).unwrap_err().to_string();
        assert!(said.contains(why), "{text:?}: {said}");
    }
}

#[test]
fn a_log_does_not_sign_two_histories() {
    let signer = signer(ORIGIN, 1);
    let leaves = hashes(20);
    let (frontier, shelf) = grown(&leaves);
    let last = Checkpoint { origin: ORIGIN.into(), size: 7, root: tree_hash(&leaves[..7]) };
    let proof = consistency_proof(&shelf, 7, 20).unwrap();
    let note = signer.sign_next(&last, 20, &frontier.root(), &proof).unwrap();
    assert_eq!(Checkpoint::open(&note, signer.verifier()).unwrap().size, 20);
    let rewritten = Checkpoint { root: [9; 32], ..last.clone() };
    let larger = Checkpoint { size: 21, ..last.clone() };
    let other = Checkpoint { origin: "other".into(), ..last };
    for (last, wanted) in
        [(rewritten, "does not follow"), (larger, "does not follow"), (other, "other")]
    {
        let said = signer.sign_next(&last, 20, &frontier.root(), &proof).unwrap_err().to_string();
        assert!(said.contains(wanted), "{said}");
    }
}

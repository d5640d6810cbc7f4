//! The time stamp: one that was granted for this checkpoint lies beside it and is verified by anybody;
//! nothing else counts.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use super::{FILE, answers, authority::Authority, house::House, play::serve, set, tell};

type Answer = Box<dyn FnOnce(&[u8]) -> Vec<u8> + Send>;

/// Where the question holds its digest and its nonce.
const DIGEST: usize = 24;
const NONCE: usize = 58;

fn stamps(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("one").path());
    entries.filter(|path| path.extension().is_some_and(|e| e == ending)).collect()
}

/// Lets a worker place, sign and anchor what there is.
fn work(house: &House) {
    let (mut child, _, _log) = serve(house);
    let waiting =
        || house.run(&["audit", "status", "--json"]).done().json()["without_position"].clone();
    let placed = (0..200).any(|_| {
        thread::sleep(Duration::from_millis(50));
        waiting() == 0
    });
    assert!(placed, "{}", waiting());
    let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(asked.expect("kill").success());
    assert_eq!(child.wait().expect("ended").code(), Some(0));
}

fn with(mut question: Vec<u8>, at: usize) -> Vec<u8> {
    question[at] ^= 1;
    question
}

/// The same answer, a year ago. Its signature no longer fits, which is not what stops it here.
fn aged(answer: Vec<u8>) -> Vec<u8> {
    let is_time = |w: &[u8]| w.starts_with(&[0x18, 0x0f, b'2', b'0']) && w[16] == b'Z';
    let at = answer.windows(17).position(is_time).expect("a time");
    with(answer, at + 5)
}

#[test]
fn only_a_granted_stamp_of_this_checkpoint_counts_and_anybody_can_verify_it() {
    let (house, authority) = (House::new(), Arc::new(Authority::new()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let folder = house.path().join("kept");
    let lines = "anchor_folder = \"kept\"\nanchor_timestamp_url = ";
    set(&house, &format!("{lines}\"http://{address}/tsa\""));
    house.run(&FILE).done();
    house.run(&["audit", "checkpoint"]).done();
    // without a copy to lie beside, nobody is asked
    tell(&house, 1, &["ledger.anchor_timestamp_url", "is not there yet"]);
    work(&house);
    house.run(&["doctor"]).ends(0, &["warn  anchor outside", "time stamp"]);

    let refused = |status, answer: Answer, words: &str| {
        let call = answers(&listener, status, answer);
        tell(&house, 1, &["ledger.anchor_timestamp_url", words]);
        call.join().expect("ended");
        assert_eq!(stamps(&folder, "tsr"), Vec::<PathBuf>::new(), "{words}");
        house.run(&["doctor"]).ends(0, &["warn  anchor outside"]);
        house.run(&["audit", "status"]).ends(0, &["no checkpoint has arrived yet"]);
    };
    let asked = |section: &'static str, change: fn(Vec<u8>) -> Vec<u8>| {
        let authority = authority.clone();
        Box::new(move |q: &[u8]| authority.answer(&change(q.to_vec()), section))
    };
    let ok = "200 OK";
    refused(ok, asked("tsa", |q| with(q, DIGEST)), "is of something else");
    refused(ok, asked("tsa", |q| with(q, NONCE + 7)), "its nonce is not ours");
    refused(ok, asked("strict", |q| q), "the authority refused: status 2");
    let stamper = authority.clone();
    refused(ok, Box::new(move |q| aged(stamper.answer(q, "tsa"))), "more than a day apart");
    refused(ok, Box::new(|_| b"<html>Welcome</html>".to_vec()), "is no time stamp");
    refused(ok, Box::new(|_| vec![]), "is no time stamp");
    refused(ok, Box::new(|_| vec![0x30; 100_000]), "with a body over 65536 bytes");
    refused("503 Later", asked("tsa", |q| q), "HTTP 503");

    let call = answers(&listener, ok, asked("tsa", |q| q));
    tell(&house, 0, &["time stamp: the checkpoint of", "arrived"]);
    let seen = call.join().expect("ended");
    assert!(seen.head.starts_with("POST /tsa"), "{}", seen.head);
    assert!(seen.head.contains("content-type: application/timestamp-query"), "{}", seen.head);
    fs::write(authority.path("question"), &seen.body).expect("written");
    let read = authority.openssl("ts -query -in question -text");
    for part in ["Version: 1", "Hash Algorithm: sha256", "Certificate required: yes", "Nonce: 0x"] {
        assert!(read.contains(part), "{part}: {read}");
    }
    // nobody listens any more, and nothing is sent
    tell(&house, 0, &["has arrived already"]);
    house.run(&["doctor"]).ends(0, &["ok    anchor outside: time stamp"]);
    let status = house.run(&["audit", "status", "--json"]).done().json();
    assert_eq!(status["anchors_outside"][0]["works"], true, "{status}");

    // what a stranger does
    let stamp = stamps(&folder, "tsr").pop().expect("a time stamp");
    let checkpoint = stamp.with_extension("checkpoint");
    let verify = |checkpoint: &Path, stamp: &Path| {
        let (data, stamp) = (checkpoint.display(), stamp.display());
        authority.runs(&format!("ts -verify -in {stamp} -data {data} -CAfile root.pem"))
    };
    assert!(verify(&checkpoint, &stamp).expect("verified").contains("Verification: OK"));
    // and what openssl finds where only the signature tells
    let other = authority.path("other.tsr");
    fs::write(&other, aged(fs::read(&stamp).expect("there"))).expect("written");
    verify(&checkpoint, &other).expect_err("refused");

    house.run(&["audit", "verify"]).ends(0, &["time stamp of 20", "openssl ts -verify"]);
    let named = checkpoint.to_str().expect("text");
    let verified = house.run(&["audit", "verify", "--json", "--checkpoint", named]).done().json();
    assert!(verified["time_stamp"]["at"].is_u64(), "{verified}");
    // one of something else says nothing against the journal, and is told
    fs::write(&stamp, "hello").expect("written");
    house.run(&["audit", "verify"]).ends(0, &["as they were signed", "warning: the time stamp"]);
}

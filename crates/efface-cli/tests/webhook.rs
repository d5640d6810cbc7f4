//! The anchor on another machine, by the real binary and a bare listener: a checkpoint arrives once,
//! with its token; a failure is told and tried again.

#[allow(dead_code, reason = "each test binary uses its own part")]
mod house;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use house::House;

/// Answers one call with a status, and tells what was sent.
fn answers(listener: &TcpListener, status: &'static str) -> thread::JoinHandle<String> {
    let listener = listener.try_clone().expect("a listener");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let (mut seen, mut some) = (String::new(), [0; 4096]);
        while !seen.ends_with('}') {
            let read = stream.read(&mut some).expect("read");
            seen.push_str(&String::from_utf8_lossy(&some[..read]));
        }
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).expect("answered");
        seen
    })
}

#[test]
fn a_checkpoint_arrives_once_and_a_failure_is_tried_again() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let path = house.path().join("efface.toml");
    let text = fs::read_to_string(&path).expect("settings");
    let set = format!(
        "anchor_webhook = \"http://{address}/kept/here\"\nanchor_webhook_token = \"env:HOOK\"\n"
    );
    let changed = text.replacen("\n#anchor_webhook = ", &format!("\n{set}#anchor_webhook = "), 1);
    assert_ne!(changed, text);
    fs::write(path, changed).expect("written");
    let run = |args: &[&str]| {
        let output = house.command(args).env("HOOK", "a-token").output().expect("runs");
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&both).into_owned())
    };
    let tell = || run(&["schedule", "run", "anchor_outside"]);
    let says = |(exit, text): (Option<i32>, String), wanted: i32, part: &str| {
        assert!(exit == Some(wanted) && text.contains(part), "{exit:?} {text}");
    };
    says(tell(), 0, "no checkpoint was signed yet");
    says(run(&["doctor"]), 0, "warn  anchor outside");
    says(run(&["request", "file", "--email", "ada@example.org", "--action", "erase"]), 0, "");
    says(run(&["audit", "checkpoint"]), 0, "efface.invalid/log/");
    let call = answers(&listener, "503 Later");
    says(tell(), 1, "ledger.anchor_webhook");
    call.join().expect("ended");
    says(run(&["audit", "status"]), 0, "no checkpoint has arrived yet");
    let call = answers(&listener, "204 No Content");
    says(tell(), 0, "arrived");
    let seen = call.join().expect("ended");
    for part in ["POST /kept/here", "authorization: Bearer a-token", "efface.invalid/log/"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert!(!seen.contains("example.org"), "{seen}");
    // nobody listens any more, and nothing is sent
    says(tell(), 0, "has arrived already");
    says(run(&["doctor"]), 0, "ok    anchor outside");
    says(run(&["audit", "status"]), 0, "anchor webhook");
}

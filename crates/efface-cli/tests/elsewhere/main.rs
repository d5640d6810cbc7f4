//! The anchors on other machines, by the real binary and stand-ins on this one: a checkpoint arrives
//! once, a failure is told and tried again, and what is no proof does not count.
#![cfg(unix)]

mod authority;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../house/mod.rs"]
mod house;
mod mail;
mod mail_server;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "../house/play.rs"]
mod play;
mod stamp;
mod webhook;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use house::House;

const FILE: [&str; 6] = ["request", "file", "--email", "ada@example.org", "--action", "erase"];

/// Adds lines to `[ledger]`, and leaves the moment of every attempt to the test.
fn set(house: &House, lines: &str) {
    let path = house.path().join("efface.toml");
    let text = fs::read_to_string(&path).expect("settings");
    let changed =
        text.replacen("\n#anchor_webhook = ", &format!("\n{lines}\n#anchor_webhook = "), 1);
    assert_ne!(changed, text);
    let quiet = changed.replacen("anchor_outside = \"30 *", "anchor_outside = \"off\" #", 1);
    assert_ne!(quiet, changed);
    fs::write(path, quiet).expect("written");
}

/// Hands over what there is to hand over.
#[track_caller]
fn tell(house: &House, exit: i32, parts: &[&str]) {
    house.run(&["schedule", "run", "anchor_outside"]).ends(exit, parts);
}

/// A request as it came in.
struct Seen {
    head: String,
    body: Vec<u8>,
}

/// Answers one call with a status and what `answer` makes of its body, and tells what was sent.
fn answers(
    listener: &TcpListener,
    status: &'static str,
    answer: impl FnOnce(&[u8]) -> Vec<u8> + Send + 'static,
) -> thread::JoinHandle<Seen> {
    let listener = listener.try_clone().expect("a listener");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let (mut seen, mut some) = (vec![], [0; 4096]);
        let (head, length) = loop {
            let read = stream.read(&mut some).expect("read");
            assert!(read > 0, "it broke off");
            seen.extend_from_slice(&some[..read]);
            let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8(seen.drain(..end + 4).collect()).expect("text");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("a length").parse().expect("a number");
            break (head, length);
        };
        while seen.len() < length {
            let read = stream.read(&mut some).expect("read");
            assert!(read > 0, "it broke off");
            seen.extend_from_slice(&some[..read]);
        }
        let body = answer(&seen);
        let length = body.len();
        let head_of_answer =
            format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
        stream.write_all(head_of_answer.as_bytes()).expect("answered");
        // whoever had enough hangs up
        let _ = stream.write_all(&body);
        Seen { head, body: seen }
    })
}

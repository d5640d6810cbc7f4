//! The webhook: it arrives once, with its token or its signature.

use std::net::TcpListener;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{FILE, answers, house::House, set, tell};

#[test]
fn a_checkpoint_arrives_once_and_a_failure_is_tried_again() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    set(
        &house,
        &format!(
            "anchor_webhook = \"http://{address}/kept/here\"\nanchor_webhook_token = \"a-token\""
        ),
    );
    tell(&house, 0, &["no checkpoint was signed yet"]);
    house.run(&["doctor"]).ends(0, &["warn  anchor outside"]);
    house.run(&FILE).done();
    house.run(&["audit", "checkpoint"]).ends(0, &["efface.invalid/log/"]);
    let call = answers(&listener, "503 Later", |_| vec![]);
    tell(&house, 1, &["ledger.anchor_webhook"]);
    call.join().expect("ended");
    house
        .run(&["audit", "status"])
        .ends(0, &["no checkpoint has arrived yet", "warning: ledger.anchor_webhook"]);
    let call = answers(&listener, "204 No Content", |_| vec![]);
    tell(&house, 0, &["arrived"]);
    let seen = call.join().expect("ended");
    assert!(seen.head.starts_with("POST /kept/here"), "{}", seen.head);
    assert!(seen.head.contains("authorization: Bearer a-token"), "{}", seen.head);
    let body = String::from_utf8(seen.body).expect("text");
    assert!(body.contains("efface.invalid/log/"), "{body}");
    assert!(!body.contains("example.org"), "{body}");
    // nobody listens any more, and nothing is sent
    tell(&house, 0, &["has arrived already"]);
    house.run(&["doctor"]).ends(0, &["ok    anchor outside"]);
    house.run(&["audit", "status"]).ends(0, &["anchor webhook"]);
}

#[test]
fn a_secret_signs_each_message_as_standard_webhooks_has_it() {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = listener.local_addr().expect("an address");
    let key = [7; 32];
    let secret = format!("whsec_{}", BASE64_STANDARD.encode(key));
    set(
        &house,
        &format!("anchor_webhook = \"http://{address}\"\nanchor_webhook_secret = \"{secret}\""),
    );
    house.run(&FILE).done();
    house.run(&["audit", "checkpoint"]).done();
    let mut ids = vec![];
    for (status, exit) in [("500 Later", 1), ("200 OK", 0)] {
        let call = answers(&listener, status, |_| vec![]);
        tell(&house, exit, &["webhook"]);
        let seen = call.join().expect("ended");
        let header = |name: &str| {
            let found = seen.head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            found.unwrap_or_else(|| panic!("no {name}: {}", seen.head)).to_owned()
        };
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        let body = String::from_utf8(seen.body.clone()).expect("text");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        mac.update(format!("{id}.{at}.{body}").as_bytes());
        let wanted = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(header("webhook-signature"), wanted);
        assert!(at.parse::<u64>().is_ok_and(|at| at > 1_700_000_000), "{at}");
        assert!(!seen.head.contains("authorization"), "{}", seen.head);
        ids.push(id);
    }
    // what is sent again is one message
    assert_eq!(ids[0], ids[1]);
}

//! The webhook: it arrives once, with its token.

use std::net::TcpListener;

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

//! The mailbox: the note arrives as it was signed, at most one mail a day; what was not taken does not
//! count, and nothing is sent in the clear where that was not meant.

use std::{fs, net::TcpListener, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};

use super::{
    FILE,
    authority::Authority,
    house::House,
    mail_server::{Script, takes},
    set, tell,
};

/// A house with a signed checkpoint and a mail server on this machine.
fn mailing(security: &str, more: &str) -> (House, TcpListener) {
    let house = House::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    set(
        &house,
        &format!(
            "anchor_mail_to = \"witness@example.org\"\nanchor_mail_from = \"efface@example.com\"\nanchor_mail_server = \"localhost:{port}\"\nanchor_mail_security = \"{security}\" #instead\n{more}"
        ),
    );
    let path = house.path().join("efface.toml");
    let text = fs::read_to_string(&path).expect("settings");
    // silence is to end soon
    let text = text.replacen("call_timeout_seconds = 20", "call_timeout_seconds = 1", 1);
    let text = text.replacen("\nanchor_mail_security = \"starttls\"\n", "\n", 1);
    fs::write(path, text).expect("written");
    house.run(&FILE).done();
    house.run(&["audit", "checkpoint"]).done();
    (house, listener)
}

/// Head and text of a mail: quoted-printable and the ends of lines undone.
fn read(seen: &[String]) -> (String, String) {
    let body = seen.iter().position(String::is_empty).expect("a body");
    let (head, body) = seen.split_at(body);
    let end = body.iter().position(|line| line == ".").expect("an end");
    let text = body[1..end].join("\n").replace("=\n", "");
    let (mut bytes, mut rest) = (vec![], text.as_bytes());
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'=', [a, b, ..]) => {
                let pair = [*a, *b];
                let pair = std::str::from_utf8(&pair).expect("two digits");
                bytes.push(u8::from_str_radix(pair, 16).expect("two digits"));
                rest = &after[2..];
            }
            _ => bytes.push(*first),
        }
    }
    (head.join("\n").replace("\n ", " "), String::from_utf8(bytes).expect("text"))
}

fn note(house: &House) -> String {
    house.run(&["audit", "checkpoint", "--json"]).done().json()["note"]
        .as_str()
        .expect("a note")
        .to_owned()
}

#[test]
fn the_note_arrives_as_it_was_signed_and_once_a_day() {
    let (house, listener) =
        mailing("none", "anchor_mail_user = \"me\"\nanchor_mail_password = \"sesame\"");
    let call = takes(&listener, Script::default());
    tell(&house, 0, &["mailbox: the checkpoint of", "arrived"]);
    let seen = call.join().expect("ended");
    // AUTH PLAIN of \0me\0sesame
    assert!(seen.iter().any(|line| line == "AUTH PLAIN AG1lAHNlc2FtZQ=="), "{seen:?}");
    assert!(seen.contains(&"MAIL FROM:<efface@example.com>".to_owned()), "{seen:?}");
    assert!(seen.contains(&"RCPT TO:<witness@example.org>".to_owned()), "{seen:?}");
    let (head, text) = read(&seen);
    assert!(head.contains("Subject: efface checkpoint of efface.invalid/log/"), "{head}");
    let note = note(&house);
    assert_eq!(text.trim_end(), note.trim_end());

    // it is verified as any copy is
    fs::write(house.path().join("mailed"), note.replace('\n', "\r\n")).expect("written");
    let verify = ["audit", "verify", "--checkpoint", "mailed"];
    house.run(&verify).ends(0, &["as they were signed"]);
    let doctor = house.run(&["doctor"]);
    doctor.ends(0, &["ok    anchor outside: mailbox localhost:"]);
    assert!(!doctor.out.contains("witness@example.org"), "{doctor:?}");

    // the next checkpoint waits for tomorrow, and nobody listens
    house.run(&["request", "file", "--email", "bob@example.org", "--action", "erase"]).done();
    house.run(&["audit", "checkpoint"]).done();
    tell(&house, 0, &["mailbox: the next goes out after"]);
}

#[test]
fn what_was_refused_or_not_answered_does_not_count() {
    let (house, listener) = mailing("none", "");
    let fails = |script: Script, words: &str| {
        let call = takes(&listener, script);
        let ran = house.run(&["schedule", "run", "anchor_outside"]);
        ran.ends(1, &["ledger.anchor_mail_to", words]);
        assert!(!ran.err.contains("witness@"), "{ran:?}");
        house.run(&["doctor"]).ends(0, &["warn  anchor outside: mailbox"]);
        call.join().expect("ended")
    };
    let refuses = |refuses| Script { refuses, ..Script::default() };
    fails(refuses("MAIL"), "refused ledger.anchor_mail_from: SMTP 550");
    fails(refuses("RCPT"), "refused ledger.anchor_mail_to: SMTP 550");
    fails(refuses("."), "refused the mail: SMTP 550");
    let silent = |silent_at| Script { silent_at, ..Script::default() };
    let seen = fails(silent("EHLO"), "did not answer within 1 s; nothing was sent");
    assert_eq!(seen.len(), 1, "{seen:?}");
    // one that may have arrived is not sent again at once
    fails(silent("."), "fell silent after the mail was sent");
    tell(&house, 0, &["whether the last arrived is not known"]);
    house.run(&["audit", "status"]).ends(0, &["no checkpoint has arrived yet"]);
}

#[test]
fn without_starttls_nothing_is_sent() {
    let (house, listener) = mailing("starttls", "");
    let call = takes(&listener, Script::default());
    tell(&house, 1, &["offers no STARTTLS; nothing was sent"]);
    let seen = call.join().expect("ended");
    assert!(seen.iter().all(|line| line.starts_with("EHLO ")), "{seen:?}");
}

/// A certificate for this machine, under a root that is trusted where `SSL_CERT_FILE` names it.
fn certificate(authority: &Authority) -> Arc<ServerConfig> {
    authority.openssl("req -config cnf -newkey rsa:2048 -nodes -keyout mail.key -out mail.csr -subj /CN=localhost");
    authority.openssl("x509 -req -in mail.csr -CA root.pem -CAkey root.key -CAcreateserial -out mail.pem -days 2 -extfile cnf -extensions server");
    let chain =
        vec![CertificateDer::from_pem_file(authority.path("mail.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(authority.path("mail.key")).expect("a key");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key);
    Arc::new(config.expect("a certificate and its key"))
}

#[test]
fn starttls_is_spoken_with_who_proves_to_be_the_server_alone() {
    let authority = Authority::new();
    let tls = Some(certificate(&authority));
    let (house, listener) = mailing("starttls", "");
    let run = |root: &Path| {
        let mut command = house.command(&["schedule", "run", "anchor_outside"]);
        let output = command.env("SSL_CERT_FILE", root).output().expect("runs");
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&both).into_owned())
    };
    let call = takes(&listener, Script { tls: tls.clone(), ..Script::default() });
    let (exit, said) = run(&authority.path("tsa.pem"));
    assert!(exit == Some(1) && said.contains("could not prove who it is"), "{exit:?} {said}");
    let seen = call.join().expect("ended");
    assert!(!seen.iter().any(|line| line.contains("MAIL")), "{seen:?}");

    let call = takes(&listener, Script { tls, ..Script::default() });
    let (exit, said) = run(&authority.path("root.pem"));
    assert_eq!(exit, Some(0), "{said}");
    let seen = call.join().expect("ended");
    let encrypted = seen.iter().position(|line| line == "[encrypted]").expect("TLS");
    let mail = seen.iter().position(|line| line.starts_with("MAIL")).expect("a mail");
    assert!(encrypted < mail, "{seen:?}");
    assert_eq!(read(&seen).1.trim_end(), note(&house).trim_end());
}

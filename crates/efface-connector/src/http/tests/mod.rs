//! Hosts, addresses, templates and statuses.

mod tls;
mod urls;
mod vendors;

use std::net::IpAddr;

use url::Url;

use super::*;

fn config(hosts: &[&str], allow_loopback: bool) -> HttpConfig {
    // the first of this process's tests does
    let _ = rustls::crypto::ring::default_provider().install_default();
    HttpConfig {
        hosts: hosts.iter().map(|h| (*h).to_owned()).collect(),
        allow_loopback,
        // what answers does so at once, but for a busy machine
        timeout: Duration::from_secs(20),
        body_cap_bytes: 1000,
        digest: Arc::new(|bytes| format!("{}", bytes.len())),
    }
}

fn http(hosts: &[&str], allow_loopback: bool) -> Http {
    let timeout = Duration::from_secs(1);
    Http::new(HttpConfig { timeout, ..config(hosts, allow_loopback) }).expect("client")
}

#[test]
fn addresses_that_are_not_public_are_told_apart() {
    for (text, public) in [
        ("8.8.8.8", true),
        ("10.1.2.3", false),
        ("100.64.0.1", false),
        ("172.16.0.1", false),
        ("192.168.1.1", false),
        ("0.0.0.0", false),
        ("224.0.0.1", false),
        ("198.18.0.1", false),
        ("255.255.255.255", false),
        ("2606:4700::1111", true),
        ("::1", false),
        ("fe80::1", false),
        ("fc00::1", false),
        ("::ffff:10.0.0.1", false),
        ("64:ff9b::7f00:1", false),
        ("2002:7f00:1::", false),
        ("2001:db8::1", false),
    ] {
        assert_eq!(is_public(text.parse().expect(text)), public, "{text}");
    }
}

#[test]
fn identifiers_are_encoded_in_the_url_and_absent_from_the_template() {
    let request = Request::new(Method::GET, "https://api.vendor.test/", "/people/{email}")
        .path("email", "a+b/c@x.test")
        .query("list", "é");
    assert_eq!(
        request.url().map(|u| u.to_string()).as_deref(),
        Ok("https://api.vendor.test/people/a%2Bb%2Fc%40x.test?list=%C3%A9")
    );
    assert_eq!(request.shown(), "/people/{email}?list={list}");
    assert_eq!(format!("{request:?}"), "Request(GET /people/{email})");
}

#[test]
fn nobodys_name_leads_to_another_place_of_the_vendor() {
    let delete = |user: &str| {
        Request::new(Method::DELETE, "https://api.vendor.test/v1", "/users/{user}")
            .path("user", user)
    };
    for user in ["", ".", ".."] {
        let error = delete(user).url().expect_err("no URL");
        assert!(matches!(error, ConnectorError::Permanent { .. }), "{user:?}: {error}");
    }
    for (user, path) in [
        ("...", "/v1/users/..."),
        ("../lists", "/v1/users/..%2Flists"),
        ("%2e%2e", "/v1/users/%252e%252e"),
        ("..\\x", "/v1/users/..%5Cx"),
        ("a?b#c", "/v1/users/a%3Fb%23c"),
        ("{user}", "/v1/users/%7Buser%7D"),
    ] {
        assert_eq!(delete(user).url().expect("a URL").path(), path, "{user}");
    }
}

#[test]
fn the_place_of_a_base_url_is_its_host_and_an_uncommon_port() {
    for (url, place) in [
        ("https://API.vendor.test/v1", Some("api.vendor.test")),
        ("https://api.vendor.test:443/", Some("api.vendor.test")),
        ("https://api.vendor.test:8443", Some("api.vendor.test:8443")),
        ("http://127.1:9", Some("127.0.0.1:9")),
        ("no URL", None),
    ] {
        assert_eq!(place_of(url).as_deref(), place, "{url}");
    }
}

#[test]
fn each_status_has_its_meaning() {
    use ConnectorError as E;
    for (status, want) in [
        (401, "NeedsPerson(CredentialsRefused"),
        (403, "NeedsPerson(CredentialsRefused"),
        (404, "NeedsPerson(SettingsWrong"),
        (400, "Permanent"),
        (409, "Permanent"),
        (422, "Permanent"),
        (425, "Retryable"),
        (429, "Retryable"),
        (408, "Unknown"),
        (500, "Unknown"),
        (503, "Unknown"),
        (599, "Unknown"),
        (302, "NeedsPerson(SettingsWrong"),
        (202, "Unknown"),
    ] {
        let failure = Reply::made_up(status, &[], "").failure();
        assert!(format!("{failure:?}").starts_with(want), "{status}: {failure:?}");
    }
    let limited = Reply::made_up(429, &[("X-RateLimit-Reset", "1795000030")], "").failure();
    assert!(
        matches!(limited, E::Retryable { retry_after: Some(wait), .. } if wait == Duration::from_secs(30))
    );
}

/// What is told of a call to `base` that gets no reply.
fn told(base: &str, allow_loopback: bool) -> ConnectorError {
    let host = Url::parse(base).expect("url").host_str().expect("a host").to_owned();
    let http = http(&[&host], allow_loopback);
    let request = Request::new(Method::GET, base, "/people/{email}")
        .path("email", "canary@person.test")
        .query("also", "canary");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("one");
    let now = Timestamp::from_millis(0);
    let (exchange, replied) = runtime.block_on(http.send(&request, String::new(), now));
    let error = replied.expect_err("no reply");
    assert_eq!(exchange.failure, Some(error.to_string()));
    assert!(!error.to_string().contains("canary"), "{error}");
    error
}

#[test]
fn a_missing_reply_names_host_port_and_cause() {
    use std::io::Read as _;
    let bind = || std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = |listener: &std::net::TcpListener| listener.local_addr().expect("one").port();

    let closed = port(&bind());
    let refused = told(&format!("http://127.0.0.1:{closed}"), true);
    assert!(matches!(refused, ConnectorError::Retryable { .. }), "{refused:?}");
    let want =
        format!("no connection to 127.0.0.1:{closed} for /people/{{email}}?also={{also}}: refused");
    assert!(refused.to_string().contains(&want), "{refused}");

    let unknown = told("https://nowhere.invalid", false).to_string();
    assert!(unknown.contains("nowhere.invalid:443") && unknown.contains("(DNS)"), "{unknown}");

    let plain = bind();
    let at = port(&plain);
    let no_tls = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().expect("a call");
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("said");
        let _ = stream.read(&mut [0; 64]);
    });
    let tls = told(&format!("https://127.0.0.1:{at}"), true).to_string();
    assert!(tls.contains(&format!("127.0.0.1:{at}")) && tls.contains("TLS: "), "{tls}");
    no_tls.join().expect("ended");

    let silent = bind();
    let at = port(&silent);
    let slow = told(&format!("http://127.0.0.1:{at}"), true);
    assert!(matches!(slow, ConnectorError::Unknown { .. }), "{slow:?}");
    let want =
        format!("no answer from 127.0.0.1:{at} to /people/{{email}}?also={{also}} within 1 s");
    assert!(slow.to_string().contains(&want), "{slow}");
    drop(silent);
}

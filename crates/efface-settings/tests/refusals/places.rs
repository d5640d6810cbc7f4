//! Where an account may be told to call: a hostile or mistaken `base_url` is refused at the start,
//! and its key is named.

use efface_settings::{Error, Settings};

/// Why a URL is refused, as a part of the words.
const HERE: &str = "points at this machine";
const ADDRESS: &str = "is an address instead of a name";
const LOCAL: &str = "is a name of a local network";
const DOT: &str = "ends its host in a dot";
const CLEAR: &str = "in the clear over http";
const NO_URL: &str = "is not a";
const USER: &str = "holds a user or password";
const BLANK: &str = "holds a blank or a backslash";

const TABLE: &[(&str, &str)] = &[
    ("https://127.0.0.1", HERE),
    ("https://127.1", HERE),
    ("https://2130706433", HERE),
    ("https://0x7f.1", HERE),
    ("https://017700000001", HERE),
    ("https://[::1]:8443", HERE),
    ("https://[::ffff:127.0.0.1]", HERE),
    ("https://LOCALHOST", HERE),
    ("https://a.localhost", HERE),
    ("https://１２７.0.0.1", HERE),
    ("https://%31%32%37.0.0.1", HERE),
    ("https:127.0.0.1", HERE),
    ("https://10.0.0.1", ADDRESS),
    ("https://169.254.169.254/latest", ADDRESS),
    ("https://0xA9FEA9FE", ADDRESS),
    ("https://0.0.0.0", ADDRESS),
    ("https://8.8.8.8", ADDRESS),
    ("https://[::]", ADDRESS),
    ("https://[fd00:ec2::254]", ADDRESS),
    ("https://[64:ff9b::7f00:1]", ADDRESS),
    ("https://[::ffff:10.0.0.1]", ADDRESS),
    ("https://metadata", LOCAL),
    ("https://metadata.google.internal", LOCAL),
    ("https://printer.local", LOCAL),
    ("https://nas.lan", LOCAL),
    ("https://router.home.arpa", LOCAL),
    ("https://localhost.localdomain", LOCAL),
    ("https://localhost.", DOT),
    ("https://api.example.com.", DOT),
    ("http://api.example.com", CLEAR),
    ("HTTP://api.example.com", CLEAR),
    ("http://127.0.0.1.example.com", CLEAR),
    ("ftp://api.example.com", NO_URL),
    ("file:///etc/passwd", NO_URL),
    ("gopher://127.0.0.1:70", NO_URL),
    ("data:text/plain,x", NO_URL),
    ("api.example.com", NO_URL),
    ("//api.example.com", NO_URL),
    ("https://", NO_URL),
    ("https://api.example.com:99999", NO_URL),
    ("https://[fe80::1%25eth0]", NO_URL),
    ("https://api.example.com@127.0.0.1", USER),
    ("https://user:sesame@api.example.com", USER),
    ("https://api.example.com\\@127.0.0.1", BLANK),
    ("https:\\\\127.0.0.1", BLANK),
    ("https://api.exa\tmple.com", BLANK),
    ("https://127.0.0.1\n", BLANK),
    (" https://api.example.com", BLANK),
];

/// What is said about an account at `url`.
fn said(url: &str, also: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("efface.toml");
    let text = format!("[accounts.a]\nconnector = 'acme'\nbase_url = {url:?}\n{also}");
    std::fs::write(&file, text).unwrap();
    match Settings::load(Some(&file), []) {
        Ok(_) => vec![],
        Err(Error::Invalid(problems)) => problems.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{url}: {other}"),
    }
}

#[test]
fn a_hostile_base_url_is_refused_at_the_start_and_its_key_is_named() {
    for (url, why) in TABLE {
        let said = said(url, "").join("\n");
        let named = said.contains("accounts.a.base_url ") && said.contains(why);
        assert!(named, "{url:?} should be refused for {why:?}: {said:?}");
        assert!(!said.contains("sesame"), "{said}");
    }
}

#[test]
fn allow_loopback_makes_up_for_loopback_alone() {
    for (url, why) in TABLE {
        let said = said(url, "allow_loopback = true\n");
        assert_eq!(said.is_empty(), *why == HERE, "{url:?}: {said:?}");
    }
}

#[test]
fn a_vendors_public_place_is_taken() {
    for url in [
        "https://api.example.com",
        "https://API.Example.com/v3/",
        "https://api.example.com:8443",
        "https://api.local.example.com",
        "https://xn--bcher-kva.example",
        "https://internal.example.com",
    ] {
        assert_eq!(said(url, ""), Vec::<String>::new(), "{url}");
    }
}

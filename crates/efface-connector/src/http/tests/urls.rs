//! Hostile URLs. A listener on this machine is the oracle: every URL carries its port, every name
//! leads to it, and nobody may come.

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::*;
use crate::http::address::{Found, Names};

/// Why a URL is refused, as a part of the words.
const HERE: &str = "this machine instead of the vendor";
const ADDRESS: &str = "an address instead of the vendor's host name";
const SCHEME: &str = "only https is allowed";
const USER: &str = "credentials do not belong into a URL";
const LIST: &str = "this host is not on the connector's list";
const PORT: &str = "this port is not the vendor's";
const NO_URL: &str = "make no URL";
const NAME: &str = "the name resolves to an address that is not public";

/// Addresses that no vendor is called at, written as they are.
const V4: &[&str] = &[
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.254",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "254.1.2.3",
    "255.255.255.255",
];

const V6: &[&str] = &[
    "::",
    "::127.0.0.1",
    "::10.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
];

const LOOPBACK: &[&str] = &["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"];

/// `@` stands for `:` and the listener's port.
const URLS: &[(&str, &str)] = &[
    // other ways of writing an address
    ("https://0@/", ADDRESS),
    ("https://10.1@/", ADDRESS),
    ("https://0xa.1@/", ADDRESS),
    ("https://167772161@/", ADDRESS),
    ("https://192.168.257@/", ADDRESS),
    ("https://0251.0376.0251.0376@/", ADDRESS),
    ("https://0xA9FEA9FE@/", ADDRESS),
    ("https://2852039166@/", ADDRESS),
    ("https://10.0.0.1.@/", ADDRESS),
    ("https://8.8.8.8@/", ADDRESS),
    ("https://168.63.129.16@/", ADDRESS),
    ("https://[2606:4700::1111]@/", ADDRESS),
    // this machine
    ("https://127.1@/", HERE),
    ("https://127.0.1@/", HERE),
    ("https://127.0.0.1.@/", HERE),
    ("https://2130706433@/", HERE),
    ("https://0x7f000001@/", HERE),
    ("https://0x7f.1@/", HERE),
    ("https://0X7F.0.0.0x1@/", HERE),
    ("https://017700000001@/", HERE),
    ("https://0177.0x0.0.01@/", HERE),
    ("https://[0:0:0:0:0:0:0:1]@/", HERE),
    ("https://[::FFFF:7f00:1]@/", HERE),
    ("https://[0:0:0:0:0:ffff:7f00:0001]@/", HERE),
    ("https://１２７.０.０.１@/", HERE),
    ("https://127。0。0。1@/", HERE),
    ("https://①②⑦.0.0.1@/", HERE),
    ("https://%31%32%37.0.0.1@/", HERE),
    ("https://127.0.0.%31@/", HERE),
    ("https://127.0.\t0.1@/", HERE),
    ("https://127.0.\n0.1@/", HERE),
    ("https://localhost@/", HERE),
    ("https://LOCALHOST@/", HERE),
    ("https://LocalHost@/", HERE),
    ("https://loc%61lhost@/", HERE),
    ("https://ｌｏｃａｌｈｏｓｔ@/", HERE),
    ("https://local\thost@/", HERE),
    ("https://local\r\nhost@/", HERE),
    ("https://lo\u{ad}calhost@/", HERE),
    ("https://a.localhost@/", HERE),
    ("https://x.y.LOCALHOST@/", HERE),
    ("https://allowed.com.localhost@/", HERE),
    ("http://127.0.0.1@/", HERE),
    ("http://localhost@/", HERE),
    ("https:127.0.0.1@/", HERE),
    ("https:\\\\127.0.0.1@/", HERE),
    ("https:///127.0.0.1@/", HERE),
    ("https://127.0.0.1@\\@allowed.com/", HERE),
    ("https://127.0.0.1@#@allowed.com/", HERE),
    ("https://127.0.0.1@?@allowed.com/", HERE),
    (" \u{1}https://127.0.0.1@/", HERE),
    // what looks like this machine and is some name
    ("https://localhost.@/", LIST),
    ("https://a.localhost.@/", LIST),
    ("https://localhost.localdomain@/", LIST),
    ("https://ip6-localhost@/", LIST),
    ("https://127.0.0.1.nip.io@/", LIST),
    ("https://169.254.169.254.nip.io@/", LIST),
    ("https://localtest.me@/", LIST),
    ("https://metadata@/", LIST),
    ("https://metadata.google.internal@/", LIST),
    ("https://instance-data@/", LIST),
    ("https://kubernetes.default.svc@/", LIST),
    // users
    ("https://allowed.com＠127.0.0.1@/", NO_URL),
    ("https://allowed.com%40127.0.0.1@/", NO_URL),
    ("https://user@allowed.com@/", USER),
    ("https://user:pw@allowed.com@/", USER),
    ("https://:pw@allowed.com@/", USER),
    // no URL at all
    ("https://@/", NO_URL),
    ("https://[::1@/", NO_URL),
    ("https://[fe80::1%25eth0]@/", NO_URL),
    ("https://[fe80::1%eth0]@/", NO_URL),
    ("https://127.0.0.1:65536/", NO_URL),
    ("https://127.0.0.1:-1/", NO_URL),
    ("https://127.0.0.256@/", NO_URL),
    ("https://1.2.3.4.5@/", NO_URL),
    ("https://0x100000000@/", NO_URL),
    ("https://allowed.com%00.evil.com@/", NO_URL),
    ("https://allowed.com%2f.evil.com@/", NO_URL),
    ("https://allowed com@/", NO_URL),
    ("https://allowed.com|evil.com@/", NO_URL),
    ("https://xn--a@/", NO_URL),
    ("//127.0.0.1@/", NO_URL),
    ("", NO_URL),
    // schemes
    ("http://allowed.com@/", SCHEME),
    ("HTTP://allowed.com@/", SCHEME),
    ("hTTp://127.0.0.1.allowed.com@/", SCHEME),
    ("ftp://127.0.0.1@/", SCHEME),
    ("ftp://allowed.com@/", SCHEME),
    ("ws://127.0.0.1@/", SCHEME),
    ("wss://allowed.com@/", SCHEME),
    ("gopher://127.0.0.1@/_x", SCHEME),
    ("dict://127.0.0.1@/d", SCHEME),
    ("ldap://127.0.0.1@/", SCHEME),
    ("file:///etc/passwd", SCHEME),
    ("file://127.0.0.1/etc/passwd", SCHEME),
    ("data:text/plain,https://allowed.com/", SCHEME),
    ("javascript:fetch('https://127.0.0.1@')", SCHEME),
    ("unix:/run/docker.sock", SCHEME),
    ("jar:https://127.0.0.1@/!/", SCHEME),
    ("view-source:https://127.0.0.1@/", SCHEME),
    ("localhost@/", SCHEME),
    // names that are nearly on the list
    ("https://evil-allowed.com@/", LIST),
    ("https://evilallowed.com@/", LIST),
    ("https://allowed.com.evil.com@/", LIST),
    ("https://allowed.com-evil.com@/", LIST),
    ("https://allowed.com.@/", LIST),
    ("https://allowed.co@/", LIST),
    ("https://www.allowed.com@/", LIST),
    ("https://all0wed.com@/", LIST),
    ("https://allоwed.com@/", LIST), // a Cyrillic о
    ("https://alloẃed.com@/", LIST),
    ("https://regions.com@/", LIST),
    ("https://.regions.com@/", LIST),
    ("https://evilregions.com@/", LIST),
    ("https://eu.regions.com.@/", LIST),
    ("https://eu.regions.com.evil.com@/", LIST),
    // ports
    ("https://allowed.com/", PORT),
    ("https://allowed.com:0/", PORT),
    ("https://allowed.com:22/", PORT),
    ("https://allowed.com:80/", PORT),
    ("https://allowed.com:6379/", PORT),
    ("https://allowed.com:65535/", PORT),
    ("https://plain.com@/", PORT),
    ("https://plain.com:80/", PORT),
    ("https://eu.regions.com:8443/", PORT),
    // names on the list, in every spelling: the address decides
    ("https://allowed.com@/", NAME),
    ("https://ALLOWED.com@/", NAME),
    ("HTTPS://Allowed.Com@/", NAME),
    ("https://allowed%2Ecom@/", NAME),
    ("https://al\tlowed.com@/", NAME),
    ("https://allowed。com@/", NAME),
    ("https://ａｌｌｏｗｅｄ.com@/", NAME),
    ("https://allowed.com@\\@127.0.0.1/", NAME),
    ("https://allowed.com@#@127.0.0.1/", NAME),
    ("https://allowed.com@?@127.0.0.1/", NAME),
    ("https://allowed.com@/@127.0.0.1/", NAME),
    ("https://allowed.com@/..//127.0.0.1/", NAME),
    ("https://eu.regions.com@/", NAME),
    ("https://127.0.0.1.regions.com@/", NAME),
    ("https://plain.com/", NAME),
    ("https://plain.com:443/", NAME),
];

/// Names with the answers a test gives them, one after the other; the last one stays.
#[derive(Default)]
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn say(&self, answers: &[&[&str]]) {
        let parse = |ips: &&[&str]| ips.iter().map(|ip| ip.parse().expect("an address")).collect();
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner) =
            answers.iter().map(parse).collect();
    }
}

impl Names for Scripted {
    fn look_up(&self, _name: &str) -> Found {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { Ok(found) })
    }
}

/// Listens on one port of both loopbacks, and counts who comes.
struct Door {
    port: u16,
    came: Arc<AtomicUsize>,
    has_v6: bool,
}

impl Door {
    fn open() -> Self {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = v4.local_addr().expect("its address").port();
        // a machine may be without IPv6, or the port be taken there
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port)).ok();
        let door = Self { port, came: Arc::default(), has_v6: v6.is_some() };
        for listener in [Some(v4), v6].into_iter().flatten() {
            let came = door.came.clone();
            std::thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    came.fetch_add(1, Ordering::SeqCst);
                    drop(stream);
                }
            });
        }
        door
    }

    fn came(&self) -> usize {
        self.came.load(Ordering::SeqCst)
    }

    fn client(&self, names: &Arc<Scripted>, allow_loopback: bool) -> Http {
        let hosts = ["allowed.com", "*.regions.com"].map(|host| format!("{host}:{}", self.port));
        let mut config = config(&["plain.com"], allow_loopback);
        config.hosts.extend(hosts);
        Http::over(config, names.clone(), |builder| builder).expect("client")
    }

    /// What a call to `url` ends with, as told.
    async fn told(&self, http: &Http, url: &str) -> String {
        let base = at_port(url, self.port);
        let request = Request::new(Method::GET, &base, "/people/{email}").path("email", "canary");
        let (_, replied) = http.send(&request, String::new(), Timestamp::from_millis(0)).await;
        match replied {
            Err(error) => error.to_string(),
            Ok(reply) => panic!("{url} was answered: {reply:?}"),
        }
    }
}

/// Puts the listener's port where the table has the sign for it: an `@` that ends a host.
fn at_port(url: &str, port: u16) -> String {
    let mut out = String::new();
    for (n, c) in url.char_indices() {
        let ends = |rest: &str| ["/", "\\", "#", "?", "')"].iter().any(|end| rest.starts_with(end));
        match c {
            '@' if ends(&url[n + 1..]) => out.push_str(&format!(":{port}")),
            other => out.push(other),
        }
    }
    out
}

/// Every URL of the tables with why it is refused.
fn all() -> Vec<(String, &'static str)> {
    let literal = |ip: &&str| match ip.contains(':') {
        true => format!("https://[{ip}]@/"),
        false => format!("https://{ip}@/"),
    };
    let blocked = V4.iter().chain(V6).map(|ip| (literal(&ip), ADDRESS));
    let here = LOOPBACK.iter().map(|ip| (literal(ip), HERE));
    let told = URLS.iter().map(|(url, why)| ((*url).to_owned(), *why));
    blocked.chain(here).chain(told).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_hostile_url_is_called() {
    let door = Door::open();
    let names = Arc::new(Scripted::default());
    names.say(&[&["127.0.0.1", "::1"]]);
    let http = door.client(&names, false);
    let all = all();
    assert!(all.len() >= 120, "{}", all.len());
    let mut wrong = vec![];
    for (url, why) in &all {
        let told = door.told(&http, url).await;
        if !told.contains(why) || told.contains("canary") {
            wrong.push(format!("{url:?} should be refused for {why:?}, told was {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(door.came(), 0, "somebody came");

    // and the door does count
    let open = door.client(&names, true);
    door.told(&open, "http://127.0.0.1@/").await;
    assert_eq!(door.came(), 1);
    if door.has_v6 {
        door.told(&open, "http://[::1]@/").await;
        assert_eq!(door.came(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn allow_loopback_opens_loopback_alone() {
    let door = Door::open();
    let names = Arc::new(Scripted::default());
    names.say(&[&["127.0.0.1"]]);
    let http = door.client(&names, true);
    for (url, why) in all() {
        match why {
            HERE => {
                let url = Url::parse(&at_port(&url, door.port)).expect("a URL");
                assert!(check(&url, &[], true).is_ok(), "{url}");
            }
            // a name of the list that leads to this machine: what the setting is for
            NAME => {}
            why => {
                let told = door.told(&http, &url).await;
                assert!(told.contains(why), "{url:?}: {told}");
            }
        }
    }
    assert_eq!(door.came(), 0, "somebody came");

    // this machine's own names lead nowhere else, however the resolver answers
    for elsewhere in ["8.8.8.8", "10.0.0.1", "2606:4700::1111"] {
        for answer in [&[elsewhere][..], &["127.0.0.1", elsewhere]] {
            names.say(&[answer]);
            for url in ["http://localhost@/", "http://a.localhost@/", "https://localhost@/"] {
                let told = door.told(&http, url).await;
                assert!(told.contains(NAME), "{url} at {answer:?}: {told}");
            }
        }
    }
    names.say(&[&["127.0.0.1"]]);
    door.told(&http, "http://localhost@/").await;
    door.told(&http, "https://allowed.com@/").await;
    assert_eq!(door.came(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_called_only_when_every_address_of_it_is_public() {
    let door = Door::open();
    let names = Arc::new(Scripted::default());
    let http = door.client(&names, false);
    for ip in V4.iter().chain(V6).chain(LOOPBACK) {
        for answer in [&[*ip][..], &["8.8.8.8", ip], &[ip, "2606:4700::1111"]] {
            names.say(&[answer]);
            let told = door.told(&http, "https://allowed.com@/").await;
            assert!(told.contains(NAME), "{answer:?}: {told}");
        }
    }
    names.say(&[&[]]);
    let told = door.told(&http, "https://allowed.com@/").await;
    assert!(told.contains("cannot be resolved"), "{told}");
    assert_eq!(door.came(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_address_is_looked_at_each_time() {
    // a good address first, and another when the next connection is made
    let door = Door::open();
    let names = Arc::new(Scripted::default());
    names.say(&[&["127.0.0.1"], &["169.254.169.254"]]);
    let http = door.client(&names, true);
    door.told(&http, "https://allowed.com@/").await;
    assert_eq!((door.came(), names.asked.load(Ordering::SeqCst)), (1, 1));
    let told = door.told(&http, "https://allowed.com@/").await;
    assert!(told.contains(NAME), "{told}");
    assert_eq!((door.came(), names.asked.load(Ordering::SeqCst)), (1, 2));

    // the resolver itself, where the first answer is a public one
    use reqwest::dns::{Name, Resolve as _};
    let resolver = Resolver { names: names.clone(), allow_loopback: false };
    names.say(&[&["8.8.8.8"], &["127.0.0.1"]]);
    let name = || "allowed.com".parse::<Name>().expect("a name");
    assert_eq!(resolver.resolve(name()).await.expect("public").count(), 1);
    assert!(resolver.resolve(name()).await.is_err());
}

//! Hostile URLs. A listener on this machine is the oracle: every URL carries its port, every name
//! leads to it, and nobody may come.

mod table;

use std::{
    net::{Ipv4Addr, Ipv6Addr, TcpListener},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use self::table::{ADDRESS, HERE, LOOPBACK, NAME, URLS, V4, V6};
use super::*;
use crate::http::address::{Found, Names};

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
    let blocked = V4.iter().chain(V6).map(|ip| (literal(ip), ADDRESS));
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
                assert!(check(&url, &[], true, Plain::Refused).is_ok(), "{url}");
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

#[test]
fn plain_http_is_spoken_where_it_is_allowed_and_to_listed_hosts_alone() {
    let hosts = ["tsa.test".to_owned(), "other.test:8080".to_owned()];
    let one = |url: &str, plain| check(&Url::parse(url).expect("a URL"), &hosts, false, plain);
    for url in ["http://tsa.test/x", "http://other.test:8080/x"] {
        assert!(one(url, Plain::Allowed).is_ok(), "{url}");
        assert!(one(url, Plain::Refused).is_err(), "{url}");
    }
    for url in [
        "http://tsa.test:8080/",
        "http://other.test/",
        "http://else.test/",
        "http://127.0.0.1/",
        "http://10.0.0.1/",
        "ftp://tsa.test/",
    ] {
        assert!(one(url, Plain::Allowed).is_err(), "{url}");
    }
    assert!(one("https://tsa.test/", Plain::Allowed).is_ok());
}

//! Hostile vendors over real sockets: what each answer means to an order, and that nothing of it
//! leads anywhere else.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use serde::Deserialize;

use super::*;
use crate::Secret;

/// The shape our vendor documents.
#[derive(Debug, Deserialize)]
struct Job {
    id: String,
}

/// What the engine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// The documented answer.
    Read,
    /// Not done, and to be asked again after so many seconds at the earliest.
    Retry(Option<u64>),
    /// It may have been done.
    Unknown,
    /// The vendor refuses the request.
    Refused,
    /// The account's settings.
    Settings,
    /// The account's key.
    Key,
}

fn class(replied: Result<Reply, ConnectorError>) -> Class {
    let read = replied.and_then(|r| if r.is_2xx() { r.json::<Job>() } else { Err(r.failure()) });
    match read {
        Ok(job) => {
            assert_eq!(job.id, "j1");
            Class::Read
        }
        Err(ConnectorError::Retryable { retry_after, .. }) => {
            Class::Retry(retry_after.map(|wait| wait.as_secs()))
        }
        Err(ConnectorError::Unknown { .. }) => Class::Unknown,
        Err(ConnectorError::Permanent { .. }) => Class::Refused,
        Err(ConnectorError::NeedsPerson(crate::NeedsPerson::CredentialsRefused { .. })) => {
            Class::Key
        }
        Err(ConnectorError::NeedsPerson(crate::NeedsPerson::SettingsWrong { .. })) => {
            Class::Settings
        }
        Err(other) => panic!("{other:?}"),
    }
}

/// A vendor of raw bytes.
struct Raw {
    port: u16,
    /// The head of each request.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Raw {
    fn start(answer: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (kept, answer) = (heads.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let (kept, answer) = (kept.clone(), answer.clone());
                std::thread::spawn(move || {
                    let head = head(&mut stream);
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(head);
                    answer(&mut stream);
                });
            }
        });
        Self { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads up to the end of the head; the body comes with it or is left.
fn head(stream: &mut TcpStream) -> String {
    let mut read = vec![];
    let mut some = [0; 4096];
    while !read.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut some) {
            Ok(n) if n > 0 => read.extend_from_slice(&some[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&read).into_owned()
}

/// Says `bytes` and hangs up.
fn says(bytes: impl Into<Vec<u8>>) -> Raw {
    let bytes = bytes.into();
    Raw::start(move |stream| {
        // the client may have hung up before
        let _ = stream.write_all(&bytes);
    })
}

/// How long a vendor that does answer may take on a busy machine, and one that does not.
const PATIENCE: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(1);

const SECRET: &str = "CanaryKey-7d1f9aB3";

/// One call with a key, as connectors make it; what it costs stands in the exchange.
async fn call(base: &str, cap: u64) -> (Exchange, Result<Reply, ConnectorError>) {
    call_within(PATIENCE, base, cap).await
}

async fn call_within(
    timeout: Duration,
    base: &str,
    body_cap_bytes: u64,
) -> (Exchange, Result<Reply, ConnectorError>) {
    let config = HttpConfig { timeout, body_cap_bytes, ..config(&[], true) };
    let http = Http::new(config).expect("client");
    let request = Request::new(Method::POST, base, "/people/{email}")
        .path("email", "canary@person.test")
        .bearer(&Secret::new(SECRET))
        .json(&serde_json::json!({ "erase": "canary@person.test" }))
        .expect("JSON");
    let now = Timestamp::from_millis(1_795_000_000_000);
    http.send(&request, String::new(), now).await
}

async fn class_of(raw: &Raw) -> Class {
    class_within(PATIENCE, raw).await
}

async fn class_within(timeout: Duration, raw: &Raw) -> Class {
    let base = format!("http://127.0.0.1:{}", raw.port);
    let (exchange, replied) = call_within(timeout, &base, 10_000).await;
    let told = format!("{exchange:?} {replied:?}");
    assert!(!told.contains("canary") && !told.contains(SECRET), "{told}");
    class(replied)
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn status(line: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n{headers}\r\n").into_bytes()
}

/// `{"id":"j1"}`, compressed.
const GZIPPED: &[u8] = &[
    31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 202, 76, 81, 178, 82, 202, 50, 84, 170, 5, 0, 115,
    141, 187, 231, 11, 0, 0, 0,
];

const JOB: &[u8] = br#"{"id":"j1"}"#;

/// Every answer, and what an engine may make of it.
fn answers() -> Vec<(&'static str, Vec<u8>, Class)> {
    use Class::{Key, Read, Refused, Retry, Settings, Unknown};
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let limited = |value: &str| status("429 Slow", &format!("retry-after: {value}\r\n"));
    let moved = |line: &str, to: &str| status(line, &format!("location: {to}\r\n"));
    let year = 366 * 86_400;
    let headers = |n: usize| (0..n).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    vec![
        ("the documented answer", ok("", JOB), Read),
        // limits
        ("429 in seconds", limited("7"), Retry(Some(7))),
        ("429 at a date", limited("Wed, 18 Nov 2026 11:07:41 GMT"), Retry(Some(60))),
        ("429 at a date long ago", limited("Wed, 18 Nov 1998 11:07:41 GMT"), Retry(Some(0))),
        ("429 at the end of days", limited("Thu, 31 Dec 9998 23:59:59 GMT"), Retry(Some(year))),
        ("429 in negative seconds", limited("-5"), Retry(Some(0))),
        ("429 in absurdly many seconds", limited("99999999999999999999"), Retry(Some(year))),
        ("429 in infinitely many", limited("inf"), Retry(Some(1))),
        ("429 in no number", limited("soon"), Retry(Some(1))),
        ("429 without a word", status("429 Slow", ""), Retry(Some(1))),
        // statuses
        ("400", status("400 Bad", ""), Refused),
        ("401", status("401 Who", ""), Key),
        ("403", status("403 No", ""), Key),
        ("404", status("404 Where", ""), Settings),
        ("408", status("408 Late", ""), Unknown),
        ("500", status("500 Oh", ""), Unknown),
        ("502", status("502 Oh", ""), Unknown),
        ("503", status("503 Oh", "retry-after: 3\r\n"), Unknown),
        ("504", status("504 Oh", ""), Unknown),
        ("a status nobody knows", status("799 What", ""), Unknown),
        ("a success without a body", status("204 Fine", ""), Unknown),
        ("partial content", b"HTTP/1.1 206 Some\r\ncontent-length: 11\r\n\r\n{\"id\":\"j1\"".to_vec(), Unknown),
        ("another protocol", status("101 Switch", "upgrade: x\r\nconnection: upgrade\r\n"), Unknown),
        // redirects
        ("301 to this machine", moved("301 M", "http://127.0.0.1:1/"), Settings),
        ("302 to another host", moved("302 M", "https://evil.test/"), Settings),
        ("303 to plain http", moved("303 M", "http://api.vendor.test/"), Settings),
        ("307 to metadata", moved("307 M", "http://169.254.169.254/latest"), Settings),
        ("308 to nothing", moved("308 M", ""), Settings),
        ("300 without a place", status("300 M", ""), Settings),
        // bodies
        ("no JSON", ok("", b"done!"), Unknown),
        ("nothing", ok("", b""), Unknown),
        ("another shape", ok("", br#"{"ok":true}"#), Unknown),
        ("another type", ok("", br#"{"id":1}"#), Unknown),
        ("no number", ok("", br#"{"id":NaN}"#), Unknown),
        ("two answers", ok("", br#"{"id":"j1"}{"id":"j2"}"#), Unknown),
        ("a key twice", ok("", br#"{"id":"j1","id":"j2"}"#), Unknown),
        ("half of it", ok("", br#"{"id":"j1"#), Unknown),
        ("invalid UTF-8", ok("", b"{\"id\":\"j\xff\"}"), Unknown),
        ("a login page", ok("content-type: text/html\r\n", b"<html>Sign in</html>"), Unknown),
        ("the answer as another type", ok("content-type: text/html\r\n", JOB), Read),
        ("deep nesting", ok("", deep(4_000).as_bytes()), Unknown),
        ("deep nesting where nobody looks", ok("", format!(r#"{{"x":{},"id":"j1"}}"#, deep(4_000)).as_bytes()), Read),
        ("compressed, unasked", ok("content-encoding: gzip\r\n", GZIPPED), Unknown),
        ("compressed and cut", ok("content-encoding: gzip\r\n", &GZIPPED[..20]), Unknown),
        ("said to be compressed", ok("content-encoding: br\r\n", b"\x8b\x05\x80"), Unknown),
        ("a body over the cap", ok("", &[b' '; 10_001]), Unknown),
        // frames
        ("less than announced", b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"id\":\"j1\"}".to_vec(), Unknown),
        ("two lengths", b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\ncontent-length: 5\r\n\r\n{\"id\":\"j1\"}".to_vec(), Unknown),
        ("a negative length", b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{\"id\":\"j1\"}".to_vec(), Unknown),
        ("a chunk of no size", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{\"id\":\"j1\"}\r\n0\r\n\r\n".to_vec(), Unknown),
        ("chunks without an end", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{\"id\":\"j1\"}\r\n".to_vec(), Unknown),
        ("a hundred thousand headers", ok(&headers(100_000), JOB), Unknown),
        ("a header of a megabyte", ok(&format!("x: {}\r\n", "y".repeat(1 << 20)), JOB), Unknown),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec(), Unknown),
        ("HTTP of another age", b"{\"id\":\"j1\"}".to_vec(), Unknown),
        ("nothing and goodbye", vec![], Unknown),
        ("nothing but promises", b"HTTP/1.1 103 Hints\r\n\r\n".repeat(1000), Unknown),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_of_a_hostile_vendor_has_its_class() {
    let mut wrong = vec![];
    for (name, bytes, want) in answers() {
        let raw = says(bytes);
        let got = class_of(&raw).await;
        if got != want {
            wrong.push(format!("{name}: {got:?} instead of {want:?}"));
        }
        let heads = raw.heads();
        assert_eq!(heads.len(), 1, "{name}: asked once, {heads:?}");
        let asked = heads[0].to_lowercase();
        assert!(!asked.contains("accept-encoding"), "{name}: {asked}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vendors_id_of_a_request_is_kept_unless_it_may_be_a_person() {
    for (header, kept) in [
        ("x-request-id: 7f3a-22.b_1\r\n", Some("7f3a-22.b_1")),
        ("request-id: canary@person.test\r\n", None),
        ("request-id: person.test\r\n", None),
        ("x-correlation-id: somebody@else.test\r\n", None),
        ("x-message-id: +442079460000\r\n", None),
        ("x-request-id: \r\n", None),
        ("", None),
    ] {
        let raw = says(ok(header, JOB));
        let (exchange, _) = call(&format!("http://127.0.0.1:{}", raw.port), 1000).await;
        assert_eq!(exchange.vendor_request_id.as_deref(), kept, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_nowhere_and_takes_no_key_along() {
    let trap = says(ok("", JOB));
    for line in ["301 M", "302 M", "303 M", "307 M", "308 M"] {
        for to in [
            format!("http://127.0.0.1:{}/", trap.port),
            format!("http://localhost:{}/x", trap.port),
        ] {
            let raw = says(status(
                line,
                &format!("location: {to}\r\nrefresh: 0; url={to}\r\nlink: <{to}>\r\n"),
            ));
            assert_eq!(class_of(&raw).await, Class::Settings, "{line} to {to}");
            assert_eq!(raw.heads().len(), 1);
        }
    }
    // round in a circle
    let port = Arc::new(AtomicU64::new(0));
    let own = port.clone();
    let raw = Raw::start(move |stream| {
        let to = format!("location: http://127.0.0.1:{}/\r\n", own.load(Ordering::SeqCst));
        let _ = stream.write_all(&status("302 M", &to));
    });
    port.store(u64::from(raw.port), Ordering::SeqCst);
    assert_eq!(class_of(&raw).await, Class::Settings);
    assert_eq!(raw.heads().len(), 1);
    assert!(raw.heads()[0].contains(SECRET), "the vendor itself is told the key");
    assert_eq!(trap.heads(), Vec::<String>::new(), "somebody followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endless_body_is_read_up_to_the_cap_whether_announced_or_not() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 500 Oh\r\n\r\n",
    ] {
        let sent = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(tokio::sync::Notify::new());
        let (count, end) = (sent.clone(), ended.clone());
        let raw = Raw::start(move |stream| {
            let _ = stream.write_all(head.as_bytes());
            let chunk = match head.contains("chunked") {
                true => format!("1000\r\n{}\r\n", " ".repeat(0x1000)),
                false => " ".repeat(0x1000),
            };
            while stream.write_all(chunk.as_bytes()).is_ok() {
                count.fetch_add(chunk.len(), Ordering::SeqCst);
            }
            end.notify_one();
        });
        assert_eq!(class_of(&raw).await, Class::Unknown, "{head:?}");
        let hung_up = tokio::time::timeout(Duration::from_secs(20), ended.notified());
        assert!(hung_up.await.is_ok(), "{head:?}: the client still listens");
        // what lies in the buffers of two sockets
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < 16 << 20, "{head:?}: {sent} bytes were taken");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_too_slow_is_given_up_and_known_not_to_be_done_only_without_a_connection() {
    let wait = Duration::from_millis(300);
    let silent = Raw::start(move |_| std::thread::sleep(Duration::from_secs(30)));
    let loris = |start: &'static str| {
        Raw::start(move |stream| {
            let _ = stream.write_all(start.as_bytes());
            while stream.write_all(b" ").is_ok() {
                std::thread::sleep(wait);
            }
        })
    };
    let in_head = loris("HTTP/1.1 200 OK\r\nx: ");
    let in_body = loris("HTTP/1.1 200 OK\r\n\r\n{\"id\":\"j1\"}");
    let reset = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                // what was not read resets the connection
                let _ = stream.peek(&mut [0; 1]);
            }
        });
        Raw { port, heads: Arc::default() }
    };
    for (name, raw) in [
        ("silence", &silent),
        ("a byte now and then in the head", &in_head),
        ("a byte now and then in the body", &in_body),
        ("a reset", &reset),
    ] {
        assert_eq!(class_within(SOON, raw).await, Class::Unknown, "{name}");
    }

    // a handshake that never ends, a name that is never found, a port where nobody is
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = closed.local_addr().expect("its address").port();
    drop(closed);
    for base in [format!("https://127.0.0.1:{}", silent.port), format!("http://127.0.0.1:{nobody}")]
    {
        let (_, replied) = call_within(SOON, &base, 1000).await;
        assert_eq!(class(replied), Class::Retry(None), "{base}");
    }
    struct Never;
    impl crate::http::address::Names for Never {
        fn look_up(&self, _name: &str) -> crate::http::address::Found {
            Box::pin(std::future::pending())
        }
    }
    let config = HttpConfig { timeout: SOON, ..config(&["api.vendor.test"], false) };
    let http = Http::over(config, Arc::new(Never), |b| b).expect("client");
    let request = Request::new(Method::GET, "https://api.vendor.test", "/");
    let (_, replied) = http.send(&request, String::new(), Timestamp::from_millis(0)).await;
    assert_eq!(class(replied), Class::Retry(None));
}

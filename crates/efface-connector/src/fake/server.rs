//! The loopback server around a stand-in.

use std::{
    fs::File,
    io::Write,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, Response, StatusCode, Uri},
};
use serde::{Deserialize, Serialize};

use super::{Fake, FakeReply, FakeRequest, Fault, Faults, Tuning};

/// One line of a stand-in's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    pub n: u64,
    pub method: String,
    /// Path and query as they came in.
    pub path: String,
    pub body: String,
    /// The status sent, if one was.
    pub status: Option<u16>,
    /// `erased jane@x.test` …
    pub effects: Vec<String>,
}

struct Inner {
    fake: Arc<dyn Fake>,
    tuning: Mutex<Tuning>,
    faults: Faults,
    calls: AtomicU64,
    changing: AtomicU64,
    log: Mutex<Log>,
    close: AtomicBool,
}

#[derive(Default)]
struct Log {
    lines: Vec<LogLine>,
    file: Option<File>,
    /// Keep lines in memory; off where millions of calls are made.
    keep: bool,
}

/// A running stand-in; ends when dropped.
pub struct FakeServer {
    inner: Arc<Inner>,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeServer {
    /// Starts on a free loopback port. With `log`, each line is also appended to that file before
    /// the answer leaves.
    ///
    /// # Errors
    /// When no port can be bound or the file cannot be opened.
    pub async fn start(
        fake: Arc<dyn Fake>,
        tuning: Tuning,
        log: Option<&Path>,
    ) -> std::io::Result<Self> {
        let file =
            log.map(|path| File::options().create(true).append(true).open(path)).transpose()?;
        let inner = Arc::new(Inner {
            fake,
            tuning: Mutex::new(tuning),
            faults: Faults::default(),
            calls: AtomicU64::new(0),
            changing: AtomicU64::new(0),
            log: Mutex::new(Log { lines: vec![], file, keep: true }),
            close: AtomicBool::new(false),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let app = Router::new().fallback(answer).with_state(inner.clone());
        let task = tokio::spawn(async move {
            // the server ends with the process or when the handle is dropped
            let _ = axum::serve(listener, app).await;
        });
        Ok(Self { inner, address, task })
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    #[must_use]
    pub fn fake(&self) -> &Arc<dyn Fake> {
        &self.inner.fake
    }

    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    pub fn tune(&self, change: impl FnOnce(&mut Tuning)) {
        if let Ok(mut tuning) = self.inner.tuning.lock() {
            change(&mut tuning);
        }
    }

    /// Every answer from now on ends its connection.
    pub fn close_after_each(&self) {
        self.inner.close.store(true, Ordering::Relaxed);
    }

    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::Relaxed)
    }

    /// All calls that changed something or tried to.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.inner.log.lock().map(|l| l.lines.clone()).unwrap_or_default()
    }

    /// Stops keeping lines in memory.
    pub fn forget_log(&self) {
        if let Ok(mut log) = self.inner.log.lock() {
            log.keep = false;
            log.lines.clear();
        }
    }
}

impl Inner {
    fn write(&self, line: LogLine) {
        let Ok(mut log) = self.log.lock() else { return };
        if let Some(file) = &mut log.file {
            let text = serde_json::to_string(&line).unwrap_or_default();
            // a stand-in that cannot write its log must not look as if nothing had happened
            if writeln!(file, "{text}").is_err() {
                std::process::abort();
            }
        }
        if log.keep {
            log.lines.push(line);
        }
    }

    fn carry_out(&self, request: &FakeRequest) -> FakeReply {
        let tuning = self.tuning.lock().map(|t| t.clone()).unwrap_or_default();
        self.fake.handle(request, &tuning)
    }
}

async fn answer(
    State(inner): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let close = inner.close.load(Ordering::Relaxed);
    // a vendor carries out what has reached it, whether or not the caller is still there
    let carried_out =
        tokio::spawn(async move { behave(&inner, &method, &uri, &headers, &body).await });
    let Ok(Some(mut response)) = carried_out.await else { return std::future::pending().await };
    if close {
        let value = axum::http::HeaderValue::from_static("close");
        response.headers_mut().insert(axum::http::header::CONNECTION, value);
    }
    response
}

/// `None`: the vendor falls silent.
async fn behave(
    inner: &Inner,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> Option<Response<Body>> {
    let n = inner.calls.fetch_add(1, Ordering::Relaxed) + 1;
    let is_changing = *method != Method::GET;
    let nth = if is_changing { inner.changing.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
    let request = read(method, uri, headers, body);
    let latency = inner.faults.current_latency();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let fault = inner.faults.take(nth, is_changing);
    let line = |status, effects: &FakeReply| LogLine {
        n,
        method: request.method.clone(),
        path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        body: request.body.clone(),
        status,
        effects: effects.effects.iter().map(|e| format!("{} {}", e.what, e.who)).collect(),
    };
    Some(match fault {
        Fault::Reply { status, headers, body } => {
            let reply = FakeReply { status, headers, body, effects: vec![] };
            inner.write(line(Some(status), &reply));
            respond(reply)
        }
        Fault::SilenceBefore => return None,
        Fault::SilenceAfter => {
            let reply = inner.carry_out(&request);
            inner.write(line(None, &reply));
            return None;
        }
        Fault::BreakAfter => {
            let reply = inner.carry_out(&request);
            inner.write(line(None, &reply));
            let broken = futures::stream::iter([
                Ok(Bytes::from_static(b"{")),
                Err(std::io::Error::other("broken off on purpose")),
            ]);
            // an answer without a body cannot break off in it
            let status = if reply.status == 204 { 200 } else { reply.status };
            with_body(status, Body::from_stream(broken))
        }
        Fault::GarbageAfter => {
            let reply = inner.carry_out(&request);
            inner.write(line(Some(200), &reply));
            with_body(200, Body::from("<html>welcome</html>"))
        }
        Fault::Slow(wait) => {
            tokio::time::sleep(wait).await;
            let reply = inner.carry_out(&request);
            inner.write(line(Some(reply.status), &reply));
            respond(reply)
        }
        Fault::None => {
            let reply = inner.carry_out(&request);
            inner.write(line(Some(reply.status), &reply));
            respond(reply)
        }
    })
}

fn read(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> FakeRequest {
    FakeRequest {
        method: method.to_string(),
        segments: uri.path().split('/').filter(|s| !s.is_empty()).map(decode).collect(),
        query: url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect(),
        headers: headers
            .iter()
            .filter_map(|(n, v)| v.to_str().ok().map(|v| (n.as_str().to_owned(), v.to_owned())))
            .collect(),
        body: String::from_utf8_lossy(body).into_owned(),
    }
}

/// Percent-decodes one path segment; a `+` stays a `+`.
fn decode(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B");
    url::form_urlencoded::parse(format!("s={escaped}").as_bytes())
        .next()
        .map(|(_, v)| v.into_owned())
        .unwrap_or_default()
}

fn respond(reply: FakeReply) -> Response<Body> {
    let mut response = with_body(reply.status, Body::from(reply.body));
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) =
            (axum::http::HeaderName::try_from(name), axum::http::HeaderValue::try_from(value))
        {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn with_body(status: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

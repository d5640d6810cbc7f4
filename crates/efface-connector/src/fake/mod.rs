//! The scaffold of the stateful stand-ins: a loopback server, faults on demand, and an append-only
//! log that is the ground truth of every test.

pub mod drive;
mod faults;
mod golden;
mod server;
mod stand;

use std::{future::Future, pin::Pin};

pub use faults::{Fault, Faults};
pub use golden::Golden;
pub use server::{FakeServer, LogLine};
pub use stand::{KEY, Stand, client, item};

use efface_core::IdentifierKind;
use serde_json::Value;

/// A request as the vendor sees it.
#[derive(Clone, Debug)]
pub struct FakeRequest {
    /// Upper case.
    pub method: String,
    /// Percent-decoded path segments, without empty ones.
    pub segments: Vec<String>,
    pub query: Vec<(String, String)>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl FakeRequest {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// `(method, segments)` for matching.
    #[must_use]
    pub fn route(&self) -> (&str, Vec<&str>) {
        (&self.method, self.segments.iter().map(String::as_str).collect())
    }

    /// The token of `Authorization: Bearer …`.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// User and password of `Authorization: Basic …`.
    #[must_use]
    pub fn basic(&self) -> Option<(String, String)> {
        use base64::Engine as _;
        let pair = self.header("authorization")?.strip_prefix("Basic ")?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(pair).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
    }

    /// The body as JSON; `Null` when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

/// Something the vendor did to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// `erased`, `suppressed`, `lifted`, `accepted`, `created`, `blocklisted` …
    pub what: &'static str,
    /// The identifier in the vendor's eyes.
    pub who: String,
}

/// The vendor's reply and what it did.
#[derive(Clone, Debug, Default)]
pub struct FakeReply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub effects: Vec<Effect>,
}

impl FakeReply {
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    #[must_use]
    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: body.to_string(),
            effects: vec![],
        }
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn effect(mut self, what: &'static str, who: impl Into<String>) -> Self {
        self.effects.push(Effect { what, who: who.into() });
        self
    }
}

/// How a stand-in behaves beyond its vendor's contract.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// A job ends at this poll.
    pub polls_until_done: u32,
    /// The key the stand-in accepts.
    pub key: String,
    /// Says done and keeps the person: these identifiers.
    pub lies_about: Vec<String>,
    /// The next job ends with the vendor's failure word.
    pub fail_next_job: bool,
    /// Stands in for the vendor's schema drift: jobs answer with a status word nobody knows.
    pub unknown_status_word: bool,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            polls_until_done: 2,
            key: "demo-key".into(),
            lies_about: vec![],
            fail_next_job: false,
            unknown_status_word: false,
        }
    }
}

/// A vendor's stateful stand-in. Pure but for its own state; the server around it does the network,
/// the faults and the log.
pub trait Fake: Send + Sync {
    /// Carries out one request as the vendor would, its authentication check included.
    fn handle(&self, request: &FakeRequest, tuning: &Tuning) -> FakeReply;

    /// The settings table under which the connector talks to this stand-in with `key`.
    fn settings(&self, key: &str) -> Value;

    /// Puts a person there, known by these identifiers.
    fn put(&self, identifiers: &[(IdentifierKind, String)]);

    /// Whether a person with this identifier is held.
    fn holds(&self, kind: &IdentifierKind, value: &str) -> bool;

    /// Whether a person with this identifier is suppressed.
    fn suppresses(&self, kind: &IdentifierKind, value: &str) -> bool;

    /// Everybody held, as the vendor would show them.
    fn people(&self) -> usize;

    /// The vendor's own words when it refuses the key (401) or the right (403).
    fn refusal(&self, status: u16) -> FakeReply {
        FakeReply::json(status, &serde_json::json!({ "error": "refused" }))
    }

    /// Makes the project, list or audience of the settings unknown to the vendor. `false`: the
    /// vendor's URLs name no such place.
    fn lose_place(&self) -> bool {
        false
    }

    /// An identifier in the shape the vendor takes; `None`: any will do.
    fn sample(&self, _kind: &IdentifierKind, _n: u32) -> Option<String> {
        None
    }

    /// Conformance sentences this vendor cannot keep, each with its documented reason.
    fn excuses(&self) -> &'static [Excuse] {
        &[]
    }
}

/// A conformance sentence that cannot hold at a vendor, by its id, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excuse {
    pub sentence: &'static str,
    pub reason: &'static str,
}

/// What a check reports.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One vendor-specific check, run by the registry's test binary.
pub struct Check {
    /// A sentence.
    pub name: &'static str,
    pub run: fn() -> CheckFuture,
}

/// Fails a check with words when a condition does not hold.
///
/// # Errors
/// The words.
pub fn ensure(condition: bool, words: impl Into<String>) -> Result<(), String> {
    if condition { Ok(()) } else { Err(words.into()) }
}

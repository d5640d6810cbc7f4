//! The shapes in which the stand-in answers.

use efface_connector::fake::{FakeReply, FakeRequest};
use serde_json::{Value, json};

use crate::wire::Regulation;

/// The Public API's report of an error.
pub fn trouble(status: u16, kind: &str) -> FakeReply {
    FakeReply::json(status, &json!({ "errors": [{ "type": kind, "message": kind }] }))
}

/// The Profile API's.
pub fn profile_trouble(status: u16, code: &str) -> FakeReply {
    FakeReply::json(status, &json!({ "error": { "code": code, "message": code } }))
}

/// What a profile is asked for by.
pub enum Place<'a> {
    UserId(&'a str),
    Email(&'a str),
}

impl<'a> Place<'a> {
    pub fn of(by: &'a str) -> Option<Self> {
        match by.split_once(':')? {
            ("user_id", id) => Some(Self::UserId(id)),
            ("email", email) => Some(Self::Email(email)),
            _ => None,
        }
    }
}

/// One stream: with destinations, where the regulation goes to them.
pub fn destinations(regulation: Regulation, word: &str) -> Value {
    let entry = |name: &str, status: &str| json!({ "name": name, "id": name.to_lowercase(), "status": status, "errString": "", "finishedAt": "" });
    let entries = if regulation.forwards() {
        vec![entry("Braze", word), entry("Mixpanel", "NOT_SUPPORTED")]
    } else {
        vec![]
    };
    json!([{ "id": "stream1", "destinationStatus": entries }])
}

/// One page; both spellings of the vendor are taken, and the count is required.
pub fn page(
    request: &FakeRequest,
    all: &[Value],
    body: impl FnOnce(&[Value], Value) -> Value,
) -> FakeReply {
    let asked = |name: &str| {
        let brackets = request.query(&format!("pagination[{name}]"));
        brackets.or_else(|| request.query(&format!("pagination.{name}")))
    };
    let count = asked("count").and_then(|text| text.parse::<usize>().ok());
    let Some(count) = count.filter(|count| (1..=1_000).contains(count)) else {
        return trouble(422, "validation");
    };
    let start = asked("cursor").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let entries = all.get(start..).unwrap_or_default();
    let entries = entries.get(..count).unwrap_or(entries);
    let end = start + entries.len();
    let mut pagination = json!({ "current": start.to_string(), "totalEntries": all.len() });
    if end < all.len() {
        pagination["next"] = json!(end.to_string());
    }
    FakeReply::json(200, &body(entries, pagination))
}

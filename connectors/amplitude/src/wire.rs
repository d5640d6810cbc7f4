//! Amplitude's words: requests to send, and what each answer means. Pure, and total over status and
//! bytes.

use std::time::Duration;

use efface_connector::{ConnectorError, IdentifierKind, Method, Reply, Request, Secret, Timestamp};
use serde::Serialize;
use serde_json::Value;

use crate::people::Ids;

/// How long a search beyond the hourly quota waits when the vendor does not say.
const QUOTA_WAIT: Duration = Duration::from_secs(600);

/// Builds requests of one project.
pub struct Wire {
    base: String,
    api_key: Secret,
    secret_key: Secret,
}

/// Flags are texts: real booleans are known to be refused.
#[derive(Serialize)]
struct Deletion<'a> {
    user_ids: &'a [String],
    amplitude_ids: &'a [u64],
    requester: &'a str,
    ignore_invalid_id: &'a str,
    delete_from_org: &'a str,
    include_mapped_user_ids: &'a str,
}

impl Wire {
    pub fn new(base: String, api_key: Secret, secret_key: Secret) -> Self {
        Self { base, api_key, secret_key }
    }

    /// Names the project; the secret key alone opens it.
    pub fn key_name(&self) -> Secret {
        self.api_key.clone()
    }

    fn request(&self, method: Method, template: &str) -> Request {
        Request::new(method, &self.base, template).basic(self.api_key.expose(), &self.secret_key)
    }

    pub fn delete(&self, requester: &str, ids: &Ids) -> Result<Request, ConnectorError> {
        self.request(Method::POST, "/api/2/deletions/users").json(&Deletion {
            user_ids: &ids.user_ids,
            amplitude_ids: &ids.amplitude_ids,
            requester,
            ignore_invalid_id: "true",
            delete_from_org: "false",
            // only adds the user id to each entry of the answer
            include_mapped_user_ids: "true",
        })
    }

    /// The jobs scheduled from one day to another.
    pub fn jobs(&self, from: Timestamp, to: Timestamp) -> Request {
        self.request(Method::GET, "/api/2/deletions/users")
            .query("start_day", from.utc_date())
            .query("end_day", to.utc_date())
    }

    /// Takes one person out of a job.
    pub fn take_out(&self, amplitude_id: u64, day: &str) -> Request {
        self.request(Method::DELETE, "/api/2/deletions/users/{amplitude_id}/{day}")
            .path("amplitude_id", amplitude_id.to_string())
            .path("day", day)
    }

    pub fn search(&self, user: &str) -> Request {
        self.request(Method::GET, "/api/2/usersearch").query("user", user)
    }
}

/// Midnight (UTC) of a day written `YYYY-MM-DD`.
pub fn midnight(day: &str) -> Option<Timestamp> {
    let shaped = day.len() == 10 && day.chars().all(|c| c.is_ascii_digit() || c == '-');
    if shaped { format!("{day}T00:00:00Z").parse().ok() } else { None }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Can still be changed.
    Staging,
    Submitted,
    Done,
    /// A word the vendor does not document.
    Other,
}

impl Status {
    fn read(word: Option<&str>) -> Self {
        match word.map(str::to_ascii_lowercase).as_deref() {
            Some("staging") => Self::Staging,
            Some("submitted") => Self::Submitted,
            Some("done") => Self::Done,
            _ => Self::Other,
        }
    }
}

/// One person in a job.
pub struct Entry {
    pub amplitude_id: u64,
    pub requester: Option<String>,
    pub user_id: Option<String>,
}

/// One deletion job: a day of a project.
pub struct Job {
    pub day: String,
    /// The project; told only where there may be several.
    pub app: Option<String>,
    pub status: Status,
    pub entries: Vec<Entry>,
}

/// What the vendor took on.
pub struct Taken {
    pub jobs: Vec<Job>,
    /// The ids it found nobody by, of both kinds.
    pub invalid: Vec<String>,
}

/// The answer to a deletion: an object, or an array of one for each project.
pub fn read_taken(reply: &Reply) -> Result<Taken, ConnectorError> {
    let mut taken = Taken { jobs: vec![], invalid: vec![] };
    for one in objects(reply)? {
        let invalid = one.get("invalid_ids");
        if let Some(ids) = invalid {
            let ids = ids.as_array().ok_or_else(|| unreadable(reply))?;
            taken.invalid.extend(ids.iter().filter_map(text));
        }
        match (job(&one), invalid) {
            (Some(job), _) => taken.jobs.push(job),
            (None, Some(_)) if one.get("day").is_none() => {}
            (None, _) => return Err(unreadable(reply)),
        }
    }
    if taken.jobs.iter().any(|job| job.status == Status::Other) {
        return Err(unknown_word());
    }
    Ok(taken)
}

/// The jobs of a range of days; none is an answer too.
pub fn read_jobs(reply: &Reply) -> Result<Vec<Job>, ConnectorError> {
    let all = objects(reply)?;
    all.iter().map(|one| job(one).ok_or_else(|| unreadable(reply))).collect()
}

/// Whether the vendor names the person it took out.
pub fn read_taken_out(reply: &Reply, amplitude_id: u64) -> Result<(), ConnectorError> {
    let named = |one: &Value| one.get("amplitude_id").and_then(number) == Some(amplitude_id);
    if objects(reply)?.iter().any(named) { Ok(()) } else { Err(unreadable(reply)) }
}

/// One record the search found.
pub struct Match {
    pub amplitude_id: u64,
    pub user_id: Option<String>,
}

/// What a search says of one identifier; `None`: it cannot be told from the answer. The vendor also
/// offers records whose user id merely begins so, or whose own id happens to be the number asked
/// for: those are nobody's.
pub fn read_search(
    reply: &Reply,
    kind: &IdentifierKind,
    asked: &str,
) -> Result<Option<Vec<Match>>, ConnectorError> {
    if reply.status == 429 {
        let wait = reply.retry_after().unwrap_or(QUOTA_WAIT);
        let what = "the hourly quota of user searches is spent".to_owned();
        return Err(ConnectorError::Retryable { what, retry_after: Some(wait) });
    }
    if reply.status != 200 {
        return Err(reply.failure());
    }
    let body: Value = reply.json()?;
    let how = body.get("type").and_then(Value::as_str);
    let all = body.get("matches").and_then(Value::as_array).ok_or_else(|| unreadable(reply))?;
    let all = all
        .iter()
        .map(|one| {
            let amplitude_id = one.get("amplitude_id").and_then(number)?;
            Some(Match { amplitude_id, user_id: one.get("user_id").and_then(text) })
        })
        .collect::<Option<Vec<Match>>>()
        .ok_or_else(|| unreadable(reply))?;
    let mut all = all;
    let is_user = |m: &Match| m.user_id.as_deref() == Some(asked);
    match (how, kind) {
        (Some("nomatch"), _) if all.is_empty() => {}
        (Some("match_user_or_device_id"), IdentifierKind::DeviceId) if !all.is_empty() => {}
        (Some("match_user_or_device_id"), IdentifierKind::UserId) if all.iter().any(is_user) => {
            all.retain(is_user);
        }
        (Some("match_user_prefix"), IdentifierKind::UserId) => all.retain(is_user),
        (Some("match_amplitude_id"), IdentifierKind::Vendor(_)) => {
            all.retain(|m| m.amplitude_id.to_string() == asked);
        }
        (Some("match_user_prefix"), _) => all.clear(),
        // found, but as something else than what was asked for
        (Some("match_user_or_device_id" | "match_amplitude_id"), _) => return Ok(None),
        (_, _) => return Err(unknown_word()),
    }
    Ok(Some(all))
}

fn job(one: &Value) -> Option<Job> {
    let day = one.get("day")?.as_str()?;
    let day = midnight(day)?.utc_date();
    let entries = match one.get("amplitude_ids") {
        None | Some(Value::Null) => vec![],
        Some(list) => list.as_array()?.iter().map(entry).collect::<Option<Vec<Entry>>>()?,
    };
    let app = one.get("app").and_then(text);
    let app = app.filter(|app| app.len() <= 40 && app.chars().all(|c| c.is_ascii_alphanumeric()));
    Some(Job { day, app, status: Status::read(one.get("status").and_then(Value::as_str)), entries })
}

fn entry(one: &Value) -> Option<Entry> {
    Some(Entry {
        amplitude_id: number(one.get("amplitude_id")?)?,
        requester: one.get("requester").and_then(text),
        user_id: one.get("user_id").and_then(text),
    })
}

/// A success's objects, whether it comes as one or as an array.
fn objects(reply: &Reply) -> Result<Vec<Value>, ConnectorError> {
    if reply.status != 200 {
        return Err(reply.failure());
    }
    let all = match reply.json()? {
        Value::Array(all) => all,
        one @ Value::Object(_) => vec![one],
        _ => return Err(unreadable(reply)),
    };
    let good = |one: &Value| one.is_object() && one.get("error").is_none();
    if all.iter().all(good) { Ok(all) } else { Err(unreadable(reply)) }
}

fn unreadable(reply: &Reply) -> ConnectorError {
    ConnectorError::Unknown {
        what: format!("HTTP {} with a body that is not what is documented", reply.status),
        status: Some(reply.status),
    }
}

fn unknown_word() -> ConnectorError {
    ConnectorError::unknown("a status or match word that the vendor does not document")
}

/// An id, whether it comes as a number or as a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u64> {
    text(value)?.parse().ok()
}

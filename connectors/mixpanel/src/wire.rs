//! Mixpanel's words: requests to send, and what each answer means. Pure, and total over status and
//! bytes.

use std::time::Duration;

use efface_connector::{ConnectorError, Method, Reply, Request, Secret};
use serde::Serialize;
use serde_json::Value;

use crate::settings::{Compliance, ServiceAccount, Settings};

/// How long a query beyond the hourly quota waits when the vendor does not say.
const QUOTA_WAIT: Duration = Duration::from_secs(600);
/// A job of no project, asked for to try the key.
const NO_JOB: &str = "0";

/// Builds requests of one project.
pub struct Wire {
    base: String,
    settings: Settings,
}

#[derive(Serialize)]
struct Deletion<'a> {
    distinct_ids: &'a [String],
    compliance_type: Compliance,
}

impl Wire {
    pub fn new(base: String, settings: Settings) -> Self {
        Self { base, settings }
    }

    /// Names the project; every application that sends to it carries it.
    pub fn key_name(&self) -> Secret {
        self.settings.project_token.clone()
    }

    pub fn law(&self) -> Compliance {
        self.settings.compliance_type
    }

    fn of_project(&self, method: Method, template: &str) -> Request {
        Request::new(method, &self.base, template)
            .bearer(&self.settings.oauth_token)
            .query("token", self.settings.project_token.expose())
    }

    pub fn delete(&self, distinct_ids: &[String]) -> Result<Request, ConnectorError> {
        let compliance_type = self.law();
        self.of_project(Method::POST, "/api/app/data-deletions/v3.0/")
            .json(&Deletion { distinct_ids, compliance_type })
    }

    pub fn status(&self, job: &str) -> Request {
        self.of_project(Method::GET, "/api/app/data-deletions/v3.0/{job}").path("job", job)
    }

    pub fn cancel(&self, job: &str) -> Request {
        self.of_project(Method::DELETE, "/api/app/data-deletions/v3.0/{job}").path("job", job)
    }

    pub fn no_job(&self) -> Request {
        self.status(NO_JOB)
    }

    pub fn service_account(&self) -> Option<&ServiceAccount> {
        self.settings.service_account.as_ref()
    }

    /// Profiles by distinct id.
    pub fn profiles_of(
        &self,
        account: &ServiceAccount,
        distinct_ids: &[String],
    ) -> Result<Request, ConnectorError> {
        let ids = serde_json::to_string(distinct_ids)
            .map_err(|_| ConnectorError::permanent("distinct ids cannot be encoded"))?;
        Ok(self.profiles(account, "distinct_ids", &ids))
    }

    /// Profiles by an expression.
    pub fn profiles_where(&self, account: &ServiceAccount, expression: &str) -> Request {
        self.profiles(account, "where", expression)
    }

    /// One page of all profiles: the first, or one of the walk that the first began.
    pub fn all_profiles(&self, account: &ServiceAccount, walk: Option<(&str, u64)>) -> Request {
        let page = walk.map_or(0, |(_, page)| page).to_string();
        let shown = [("output_properties", r#"["$email"]"#)];
        let of_walk = walk.map(|(session, _)| [("session_id", session), ("page", page.as_str())]);
        let form: Vec<_> = shown.into_iter().chain(of_walk.into_iter().flatten()).collect();
        self.engage(account).form(&form)
    }

    fn profiles(&self, account: &ServiceAccount, by: &str, value: &str) -> Request {
        self.engage(account).form(&[(by, value), ("output_properties", r#"["$email"]"#)])
    }

    fn engage(&self, account: &ServiceAccount) -> Request {
        Request::new(Method::POST, &self.base, "/api/query/engage")
            .basic(&account.username, &account.secret)
            .query("project_id", account.project_id.to_string())
    }
}

/// An expression that is true for any of these addresses. `None`: one of them cannot be quoted; how
/// a quote or backslash is escaped is not documented, and no address that efface takes holds one.
pub fn any_email(emails: &[String]) -> Option<String> {
    let plain = |text: &str| !text.chars().any(|c| matches!(c, '"' | '\\') || c.is_control());
    if emails.is_empty() || !emails.iter().all(|email| plain(email)) {
        return None;
    }
    let one = |email: &String| format!(r#"properties["$email"] == "{email}""#);
    Some(emails.iter().map(one).collect::<Vec<_>>().join(" or "))
}

/// How far a job is, in the vendor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// PENDING, STAGING, STARTED.
    Going,
    Success,
    Failure,
    Revoked,
    NotFound,
    /// The vendor could not find out.
    Unknown,
}

impl Status {
    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "PENDING" | "STAGING" | "STARTED" => Self::Going,
            "SUCCESS" => Self::Success,
            "FAILURE" => Self::Failure,
            "REVOKED" => Self::Revoked,
            "NOT_FOUND" => Self::NotFound,
            "UNKNOWN" => Self::Unknown,
            _ => return None,
        })
    }
}

/// The job's id, in either of the two shapes that are documented.
pub fn read_created(reply: &Reply) -> Result<String, ConnectorError> {
    let results = results(reply)?;
    let id = results
        .get("task_id")
        .or_else(|| results.get(0).and_then(|first| first.get("tracking_id")))
        .and_then(text);
    // nothing but an id may go into a receipt
    let plain = |id: &String| {
        (1..=100).contains(&id.len())
            && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    id.filter(plain).ok_or_else(|| unreadable(reply))
}

pub fn read_status(reply: &Reply) -> Result<Status, ConnectorError> {
    let results = results(reply)?;
    let one = if results.is_array() { results.get(0) } else { Some(&results) };
    let word = one.and_then(|one| one.get("status")).and_then(Value::as_str);
    let word = word.ok_or_else(|| unreadable(reply))?;
    Status::read(word)
        .ok_or_else(|| ConnectorError::unknown("a job status that the vendor does not document"))
}

/// Whether the key was taken when a job that does not exist was asked for. The documentation leaves
/// open whether that is a success with NOT_FOUND or an error; both name the key as good when the
/// vendor's own report comes with it.
pub fn read_no_job(reply: &Reply) -> Result<bool, ConnectorError> {
    if reply.is_2xx() {
        return read_status(reply).map(|_| true);
    }
    let report: Option<Value> = reply.json_lenient();
    let own = report.is_some_and(|r| r.get("status").is_some() || r.get("error").is_some());
    if matches!(reply.status, 400 | 404) && own { Ok(false) } else { Err(reply.failure()) }
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    Done,
    /// The job has started.
    TooLate,
}

pub fn read_cancelled(reply: &Reply) -> Result<Cancelled, ConnectorError> {
    match reply.status {
        204 => Ok(Cancelled::Done),
        405 => Ok(Cancelled::TooLate),
        _ => Err(reply.failure()),
    }
}

/// One profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub distinct_id: String,
    pub email: Option<String>,
}

/// Profiles on the first page, and whether that is all of them.
#[derive(Debug)]
pub struct Profiles {
    pub all: Vec<Profile>,
    pub complete: bool,
    /// Session and number of the page that follows.
    pub next: Option<(String, u64)>,
}

pub fn read_profiles(reply: &Reply) -> Result<Profiles, ConnectorError> {
    if reply.status == 429 {
        let wait = reply.retry_after().unwrap_or(QUOTA_WAIT);
        let what = "the hourly quota of profile queries is spent".to_owned();
        return Err(ConnectorError::Retryable { what, retry_after: Some(wait) });
    }
    let results = results(reply)?;
    let rows = results.as_array().ok_or_else(|| unreadable(reply))?;
    let profile = |row: &Value| {
        let email = row.get("$properties").and_then(|p| p.get("$email")).and_then(text);
        Some(Profile { distinct_id: text(row.get("$distinct_id")?)?, email })
    };
    let all: Option<Vec<Profile>> = rows.iter().map(profile).collect();
    let all = all.ok_or_else(|| unreadable(reply))?;
    let whole: Value = reply.json()?;
    let total = whole.get("total").and_then(Value::as_u64).ok_or_else(|| unreadable(reply))?;
    let number = |name: &str| whole.get(name).and_then(Value::as_u64);
    let shown = u64::try_from(all.len()).unwrap_or(u64::MAX);
    // a page that is not full is the last
    let full = number("page_size").is_some_and(|size| size > 0 && shown >= size);
    let session = whole.get("session_id").and_then(text);
    let next = session.zip(number("page")).filter(|_| full).map(|(id, page)| (id, page + 1));
    Ok(Profiles { complete: total <= shown, all, next })
}

/// The results of a success that calls itself one.
fn results(reply: &Reply) -> Result<Value, ConnectorError> {
    if !reply.is_2xx() {
        return Err(reply.failure());
    }
    let mut body: Value = reply.json()?;
    let good = body.get("status").and_then(Value::as_str) == Some("ok")
        && body.get("error").is_none_or(Value::is_null);
    match body.get_mut("results") {
        Some(results) if good => Ok(results.take()),
        _ => Err(unreadable(reply)),
    }
}

fn unreadable(reply: &Reply) -> ConnectorError {
    ConnectorError::Unknown {
        what: format!("HTTP {} with a body that is not what is documented", reply.status),
        status: Some(reply.status),
    }
}

/// An id, whether it comes as a number or as a text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

//! What Segment's answers mean. Pure, and total over status and bytes.

use std::time::Duration;

use efface_connector::{ConnectorError, Reply, Timestamp, limits};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Regulation,
    status::{Entry, Standing, Status},
};

/// The request rate is counted by the minute: whoever must wait longer has spent the quota.
const LONGER_THAN_A_RATE: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
    errors: Option<Vec<Value>>,
}

/// The data of a 200; one that also lists errors is no success.
fn data<T: DeserializeOwned>(reply: &Reply) -> Result<T, ConnectorError> {
    if reply.status != 200 {
        return Err(reply.failure());
    }
    let envelope: Envelope<T> = reply.json()?;
    if envelope.errors.is_some_and(|errors| !errors.is_empty()) {
        return Err(ConnectorError::unknown("HTTP 200 that lists errors beside its data"));
    }
    Ok(envelope.data)
}

/// Whether the body is the vendor's own report of errors, not some other server's page.
fn is_report(reply: &Reply) -> bool {
    let body: Option<Value> = reply.json_lenient();
    body.and_then(|body| Some(!body.get("errors")?.as_array()?.is_empty())).unwrap_or(false)
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Workspace {
    pub id: String,
    pub name: String,
}

pub fn read_workspace(reply: &Reply) -> Result<Workspace, ConnectorError> {
    #[derive(Deserialize)]
    struct Shown {
        workspace: Workspace,
    }
    data::<Shown>(reply).map(|shown| shown.workspace)
}

/// The id of a regulation just created.
pub fn read_created(reply: &Reply) -> Result<String, ConnectorError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        regulate_id: String,
    }
    if reply.status == 429 {
        return Err(create_failure(reply));
    }
    let id = data::<Created>(reply)?.regulate_id;
    if is_id(&id) {
        Ok(id)
    } else {
        Err(ConnectorError::unknown("a regulation was taken without an id that can be asked by"))
    }
}

/// Nothing but a plain id may rest in a receipt.
fn is_id(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !id.is_empty() && id.len() <= 100 && id.chars().all(plain)
}

/// Tells a spent quota from too many requests. Both are 429; `Retry-After` comes with the latter
/// alone, and the older headers with the former alone.
pub fn create_failure(reply: &Reply) -> ConnectorError {
    if reply.status != 429 || reply.header("retry-after").is_some() {
        return reply.failure();
    }
    let reset = |name: &str| {
        let wait = reply.header(name).and_then(|text| limits::wait(text, reply.received_at()))?;
        Some((wait, reply.received_at().plus(wait)))
    };
    if reply.header("x-regulation-ratelimit-remaining").map(str::trim) == Some("0") {
        let until = reset("x-regulation-ratelimit-reset").map(|(_, until)| until);
        return ConnectorError::QuotaSpent { until };
    }
    let resets = ["x-ratelimit-reset", "x-regulation-ratelimit-reset"];
    match resets.into_iter().find_map(reset) {
        Some((wait, until)) if wait > LONGER_THAN_A_RATE => {
            ConnectorError::QuotaSpent { until: Some(until) }
        }
        Some(_) | None => reply.failure(),
    }
}

/// Where a regulation stands; `None` when Segment does not (any more) know it.
pub fn read_regulation(reply: &Reply, id: &str) -> Result<Option<Standing>, ConnectorError> {
    #[derive(Deserialize)]
    struct Shown {
        regulation: Body,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        id: String,
        overall_status: Status,
        stream_status: Option<Vec<Stream>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stream {
        destination_status: Option<Vec<Entry>>,
    }
    if reply.status == 404 && is_report(reply) {
        return Ok(None);
    }
    let body = data::<Shown>(reply)?.regulation;
    if body.id != id {
        return Err(ConnectorError::unknown("the vendor shows another regulation than asked for"));
    }
    let streams = body.stream_status.unwrap_or_default();
    let entries = streams.into_iter().flat_map(|s| s.destination_status.unwrap_or_default());
    Ok(Some(Standing { overall: body.overall_status, entries: entries.collect() }))
}

/// One page of a list, and the cursor of the next.
pub struct Page<T> {
    pub entries: Vec<T>,
    pub next: Option<String>,
}

#[derive(Deserialize)]
struct Pagination {
    next: Option<String>,
}

impl Pagination {
    fn next(self) -> Option<String> {
        self.next.filter(|cursor| !cursor.is_empty())
    }
}

/// A regulation in the list.
pub struct Listed {
    pub id: String,
    regulation: Option<Regulation>,
    by_user_id: bool,
    created_at: Option<Timestamp>,
    subjects: Vec<String>,
}

impl Listed {
    /// Whether this is what an order asked for: same type, same people, not older than the order.
    /// The vendor's dates may leave out the fraction of a second.
    pub fn answers(
        &self,
        regulation: Regulation,
        ids: &[String],
        first_sent_at: Timestamp,
    ) -> bool {
        let since = first_sent_at.minus(Duration::from_secs(1));
        let sorted = |ids: &[String]| {
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        self.regulation == Some(regulation)
            && self.by_user_id
            && self.created_at.is_some_and(|at| at >= since)
            && sorted(&self.subjects) == sorted(ids)
    }
}

/// A page of the workspace's regulations.
pub fn read_listed(reply: &Reply) -> Result<Page<Listed>, ConnectorError> {
    #[derive(Deserialize)]
    struct Shown {
        regulations: Vec<Body>,
        pagination: Pagination,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        id: String,
        subject_type: Option<String>,
        subjects: Option<Vec<String>>,
        created_at: Option<String>,
        regulation_type: Option<String>,
    }
    let shown = data::<Shown>(reply)?;
    let listed = |body: Body| Listed {
        regulation: body.regulation_type.as_deref().and_then(Regulation::of_word),
        by_user_id: body.subject_type.as_deref() == Some("USER_ID"),
        created_at: body.created_at.and_then(|text| text.parse().ok()),
        subjects: body.subjects.unwrap_or_default(),
        id: body.id,
    };
    let usable = shown.regulations.into_iter().map(listed).filter(|listed| is_id(&listed.id));
    Ok(Page { entries: usable.collect(), next: shown.pagination.next() })
}

/// A page of the user ids suppressed in the workspace.
pub fn read_suppressed(reply: &Reply) -> Result<Page<String>, ConnectorError> {
    #[derive(Deserialize)]
    struct Shown {
        suppressed: Vec<Body>,
        pagination: Pagination,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Body {
        subject_type: String,
        subject_ids: Vec<String>,
    }
    let shown = data::<Shown>(reply)?;
    let by_user_id = shown.suppressed.into_iter().filter(|body| body.subject_type == "USER_ID");
    let entries = by_user_id.flat_map(|body| body.subject_ids).collect();
    Ok(Page { entries, next: shown.pagination.next() })
}

/// Whether a profile is there. The Profile API has its own envelope.
pub fn read_profile(reply: &Reply) -> Result<bool, ConnectorError> {
    #[derive(Deserialize)]
    struct Shown {
        #[serde(rename = "metadata")]
        _metadata: serde_json::Map<String, Value>,
    }
    let not_found = || {
        let body: Option<Value> = reply.json_lenient();
        body.is_some_and(|body| body["error"]["code"] == "not_found")
    };
    match reply.status {
        200 => reply.json::<Shown>().map(|_| true),
        404 if not_found() => Ok(false),
        _ => Err(reply.failure()),
    }
}

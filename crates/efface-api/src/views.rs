//! What callers are shown. Ids, words, counts and dates; never an identifier.

use efface_core::{
    EvidenceLevel, RequestAction, RequestId, Scope, TaskAction, TaskId, Timestamp,
    account::{Breaker, Condition, Credentials},
    desk::Reason,
    request::Request,
    task::TaskState,
    watch::{Watch, WatchState},
};
use efface_store::{AccountRow, DeskRow, Directory, RequestView, TaskView};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use crate::words::{
    AccountMode, Action, Decision, Evidence, Moment, RequestStateWord, RequesterRelation, Shown,
    SuppressScope, TaskActionWord, TaskStateWord,
};

/// A request in short.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestSummary {
    #[schema(value_type = uuid::Uuid)]
    id: RequestId,
    #[schema(value_type = RequestStateWord)]
    state: &'static str,
    /// The state with its ending, as in `closed: partly (5 of 6)`.
    description: String,
    controller: String,
    #[schema(value_type = Action)]
    action: RequestAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<SuppressScope>)]
    scope: Option<Scope>,
    #[schema(value_type = RequesterRelation)]
    requester_relation: &'static str,
    #[schema(value_type = String, format = Date)]
    received_on: Shown<Date>,
    /// When the person must have been told; provisional.
    #[schema(value_type = String, format = Date)]
    due_on: Shown<Date>,
    /// Open, untold and past its date.
    overdue: bool,
    filed_at: Moment,
    filed_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    regime: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    import: Option<efface_core::ImportId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    duplicate_of: Option<RequestId>,
    /// Until when a release can be taken back at no cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    cooling_until: Option<Moment>,
    /// When the person was told the outcome or refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    answered_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    breached_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_since: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_error_since: Option<Moment>,
}

impl RequestSummary {
    pub fn of(request: &Request, now: Timestamp) -> Self {
        use efface_core::request::RequestState as S;
        let (duplicate_of, cooling_until) = match &request.state {
            S::Duplicate { of } => (Some(*of), None),
            S::Released { cooling_until, .. } => (None, Some(Moment(*cooling_until))),
            S::Received
            | S::Identified
            | S::Running { .. }
            | S::Closed { .. }
            | S::Denied { .. }
            | S::Cancelled { .. }
            | S::Expired { .. } => (None, None),
        };
        Self {
            id: request.id,
            state: request.state.word(),
            description: request.state.describe(),
            controller: request.controller.to_string(),
            action: request.action,
            scope: request.scope,
            requester_relation: request.relation.word(),
            received_on: Shown(request.received_on),
            due_on: Shown(request.due_on),
            overdue: !request.state.is_over() && request.told.is_none() && request.due_at < now,
            filed_at: Moment(request.filed_at),
            filed_by: request.filed_by.clone(),
            regime: request.regime.clone(),
            channel: request.channel.clone(),
            import: request.import,
            duplicate_of,
            cooling_until,
            answered_at: request.told.as_ref().map(|told| Moment(told.at)),
            breached_at: request.breached_at.map(Moment),
            held_since: request.hold.as_ref().map(|hold| Moment(hold.at)),
            in_error_since: request.in_error.as_ref().map(|e| Moment(e.at)),
        }
    }
}

/// How many identifiers of one kind a request names.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindCount {
    #[schema(example = "email")]
    kind: String,
    count: u64,
    /// How many of them are proved.
    proved: u64,
}

/// A request with its tasks.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestDetail {
    #[serde(flatten)]
    summary: RequestSummary,
    /// By which kinds the person is known here; values are never shown.
    identifiers: Vec<KindCount>,
    tasks: Vec<TaskDetail>,
    /// Where the vendors are looked at again once the request is closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    watches: Vec<WatchDetail>,
}

impl RequestDetail {
    pub fn of(view: &RequestView, kinds: Vec<(String, u64, u64)>, now: Timestamp) -> Self {
        let count = |(kind, count, proved)| KindCount { kind, count, proved };
        Self {
            summary: RequestSummary::of(&view.request, now),
            identifiers: kinds.into_iter().map(count).collect(),
            tasks: view.tasks.iter().map(TaskDetail::of).collect(),
            watches: view.watches.iter().map(WatchDetail::of).collect(),
        }
    }
}

/// The watch over one task of a closed request: a look, never a call that changes anything.
#[derive(Debug, Serialize, ToSchema)]
pub struct WatchDetail {
    #[schema(value_type = uuid::Uuid)]
    task: TaskId,
    account: String,
    /// How it stands, in words.
    #[schema(example = "looked once, nobody there; again on 2027-01-20")]
    description: String,
    since: Moment,
    /// How many looks were made.
    looks: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Moment>,
    /// Since when the person is seen there again.
    #[serde(skip_serializing_if = "Option::is_none")]
    seen_again_at: Option<Moment>,
    /// A named person's explanation of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "re-imported")]
    explanation: Option<&'static str>,
}

impl WatchDetail {
    fn of(watch: &Watch) -> Self {
        let (seen_again_at, explained) = match &watch.state {
            WatchState::SeenAgain { at, explained } => (Some(*at), explained.as_ref()),
            WatchState::Watching { .. } | WatchState::Ended { .. } => (None, None),
        };
        Self {
            task: watch.task,
            account: watch.account.to_string(),
            description: watch.sentence(),
            since: Moment(watch.since),
            looks: u32::try_from(watch.looks.len()).unwrap_or(u32::MAX),
            next: watch.next().map(Moment),
            seen_again_at: seen_again_at.map(Moment),
            explanation: explained.map(|e| e.explanation.word()),
        }
    }
}

/// What is done for one person at one vendor account.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskDetail {
    #[schema(value_type = uuid::Uuid)]
    id: TaskId,
    #[schema(value_type = uuid::Uuid)]
    request: RequestId,
    account: String,
    /// The vendor.
    connector: String,
    #[schema(value_type = TaskActionWord)]
    action: TaskAction,
    #[schema(value_type = TaskStateWord)]
    state: &'static str,
    /// How it ended, where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "erased")]
    outcome: Option<&'static str>,
    #[schema(value_type = Evidence)]
    evidence: EvidenceLevel,
    /// Until when a vendor that cannot confirm promises to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    promised_by: Option<Moment>,
    /// Why it waits for a person, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    desk: Option<DeskReason>,
    since: Moment,
    deadline: Moment,
    /// Whether a call for it has left.
    sent: bool,
    failures: u32,
    /// The request was cancelled while this was out: it is taken back where the vendor offers that,
    /// or runs to its own end.
    cancel_marked: bool,
}

impl TaskDetail {
    pub fn of(view: &TaskView) -> Self {
        let task = &view.row.task;
        let (outcome, evidence) = match &task.state {
            TaskState::Settled { outcome, evidence } => {
                (Some(outcome.word(task.action)), *evidence)
            }
            _ => (None, task.evidence),
        };
        let desk = match &task.state {
            TaskState::Desk { reason } => Some(DeskReason::of(reason)),
            _ => None,
        };
        Self {
            id: task.id,
            request: task.request,
            account: task.account.to_string(),
            connector: view.connector.clone(),
            action: task.action,
            state: task.state.word(),
            outcome,
            evidence,
            promised_by: task.state.promised_by().map(Moment),
            desk,
            since: Moment(view.row.since),
            deadline: Moment(view.row.deadline),
            sent: task.sent,
            failures: task.failures,
            cancel_marked: task.cancel_marked,
        }
    }
}

/// Why something waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskReason {
    /// A short word; branch on this.
    #[schema(example = "ambiguous_match")]
    word: &'static str,
    /// What happened and what can be done about it.
    sentence: String,
    #[schema(value_type = Vec<Decision>)]
    decisions: Vec<&'static str>,
    /// For `choose`: what may be picked, by number from 1.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    candidates: Vec<String>,
}

impl DeskReason {
    fn of(reason: &Reason) -> Self {
        Self {
            word: reason.word(),
            sentence: reason.sentence(),
            decisions: reason.choices().iter().map(|c| c.word()).collect(),
            candidates: match reason {
                Reason::Choose { candidates } => candidates.clone(),
                _ => vec![],
            },
        }
    }
}

/// Something that waits for a person.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskEntry {
    #[schema(value_type = uuid::Uuid)]
    id: efface_core::DeskId,
    /// Whose matter it is: `task`, `order`, `request`, `account` or `lane`.
    subject_kind: &'static str,
    subject_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    request: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    reason: DeskReason,
    opened_at: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed: Option<DeskEnd>,
}

/// How a desk item ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeskEnd {
    at: Moment,
    by: String,
    how: String,
}

impl DeskEntry {
    pub fn of(row: DeskRow) -> Self {
        let item = row.item;
        Self {
            id: item.id,
            subject_kind: item.subject.kind(),
            subject_id: item.subject.id(),
            request: row.request,
            account: row.account.map(|a| a.to_string()),
            reason: DeskReason::of(&item.reason),
            opened_at: Moment(item.opened_at),
            closed: item.closed.map(|c| DeskEnd { at: Moment(c.at), by: c.by, how: c.how }),
        }
    }
}

/// A connected vendor account and its condition. No secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountDetail {
    id: String,
    /// The vendor.
    connector: String,
    /// The vendor's name for people.
    title: Option<&'static str>,
    controller: String,
    lane: String,
    #[schema(value_type = AccountMode)]
    mode: &'static str,
    /// The vendor's own account id that was pinned when the account went live.
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_account: Option<String>,
    /// What holds calls back; absent when nothing does.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_back: Option<HeldBack>,
    /// `closed` (calls pass), `open` (held back) or `half_open` (one call is tried).
    #[schema(example = "closed")]
    breaker: &'static str,
    /// `unproved`, `good` or `refused`.
    #[schema(example = "good")]
    credentials: &'static str,
    ceiling: CeilingDetail,
}

/// What holds an account's calls back.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldBack {
    reason: String,
    /// Absent when a person must act.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Moment>,
}

/// People who may be erased or suppressed today (UTC).
#[derive(Debug, Serialize, ToSchema)]
pub struct CeilingDetail {
    people_per_day: u32,
    used_today: u32,
    left_today: u32,
    /// Reached and not yet decided upon: the lane is parked.
    reached: bool,
}

impl AccountDetail {
    pub fn of(row: &AccountRow, directory: &Directory, now: Timestamp) -> Self {
        let condition = &row.condition;
        Self {
            id: row.id.to_string(),
            connector: row.connector.to_string(),
            title: directory.account(&row.id).map(|spec| spec.manifest.title),
            controller: row.controller.to_string(),
            lane: row.lane.to_string(),
            mode: condition.mode.word(),
            vendor_account: condition.pinned.clone(),
            held_back: held_back(condition, now),
            breaker: match condition.breaker {
                Breaker::Closed => "closed",
                Breaker::Open { .. } => "open",
                Breaker::HalfOpen { .. } => "half_open",
            },
            credentials: match condition.credentials {
                Credentials::Unproved => "unproved",
                Credentials::Good { .. } => "good",
                Credentials::Refused { .. } => "refused",
            },
            ceiling: CeilingDetail {
                people_per_day: condition.ceiling.people_per_day,
                used_today: if condition.ceiling.day == now.utc_date() {
                    condition.ceiling.used
                } else {
                    0
                },
                left_today: condition.ceiling_left(now),
                reached: condition.ceiling_reached,
            },
        }
    }
}

fn held_back(condition: &Condition, now: Timestamp) -> Option<HeldBack> {
    let (reason, until) = condition.stands_in_the_way(now).or_else(|| {
        let reached =
            "the daily ceiling of people is reached; it holds until the account is resumed";
        condition.ceiling_reached.then(|| (reached.to_owned(), None))
    })?;
    Some(HeldBack { reason, until: until.map(Moment) })
}

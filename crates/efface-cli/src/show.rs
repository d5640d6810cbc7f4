//! Requests, tasks and the rest as they are shown: the JSON's field names are promised, the tables
//! are for eyes.

use efface_core::{
    EvidenceLevel, Identifier, Outcome, Provenance, Standing, TaskAction, Timestamp,
    request::{Request, RequestState},
    task::{Cause, Recall, TaskState, WaitsOn},
    watch::{Look, Watch, WatchState},
};
use efface_store::TaskView;
use serde::Serialize;

use crate::print::{Table, maybe_when, when};

/// A request, nothing personal.
#[derive(Debug, Serialize)]
pub struct RequestJson {
    pub id: String,
    pub state: &'static str,
    /// The state with its ending, for people.
    pub description: String,
    pub controller: String,
    pub action: &'static str,
    pub scope: Option<&'static str>,
    pub relation: &'static str,
    pub received_on: String,
    pub due_on: String,
    pub due_is_provisional: bool,
    pub overdue: bool,
    pub filed_at: Timestamp,
    pub filed_by: String,
    pub regime: Option<String>,
    pub channel: Option<String>,
    pub import: Option<String>,
    pub released_by: Option<String>,
    pub cooling_until: Option<Timestamp>,
    pub answered_at: Option<Timestamp>,
    pub answered_by: Option<String>,
    pub notice: Option<String>,
    pub held_at: Option<Timestamp>,
    pub hold_reason: Option<String>,
    pub breached_at: Option<Timestamp>,
    pub in_error_at: Option<Timestamp>,
    pub in_error_reason: Option<String>,
    /// Since when nothing personal of it is kept.
    pub forgotten_at: Option<Timestamp>,
}

impl RequestJson {
    #[must_use]
    pub fn of(request: &Request, now: Timestamp) -> Self {
        let released = match &request.state {
            RequestState::Released { by, cooling_until, .. } => Some((by.clone(), *cooling_until)),
            RequestState::Received
            | RequestState::Identified
            | RequestState::Running { .. }
            | RequestState::Closed { .. }
            | RequestState::Denied { .. }
            | RequestState::Cancelled { .. }
            | RequestState::Expired { .. }
            | RequestState::Duplicate { .. } => None,
        };
        Self {
            id: request.id.to_string(),
            state: request.state.word(),
            description: request.state.describe(),
            controller: request.controller.to_string(),
            action: request.action.word(),
            scope: request.scope.map(|s| s.word()),
            relation: request.relation.word(),
            received_on: request.received_on.to_string(),
            due_on: request.due_on.to_string(),
            due_is_provisional: true,
            overdue: overdue(request, now),
            filed_at: request.filed_at,
            filed_by: request.filed_by.clone(),
            regime: request.regime.clone(),
            channel: request.channel.clone(),
            import: request.import.map(|i| i.to_string()),
            released_by: released.as_ref().map(|r| r.0.clone()),
            cooling_until: released.map(|r| r.1),
            answered_at: request.told.as_ref().map(|t| t.at),
            answered_by: request.told.as_ref().map(|t| t.by.clone()),
            notice: request.told.as_ref().map(|t| t.notice.clone()),
            held_at: request.hold.as_ref().map(|h| h.at),
            hold_reason: request.hold.as_ref().map(|h| h.reason.clone()),
            breached_at: request.breached_at,
            in_error_at: request.in_error.as_ref().map(|e| e.at),
            in_error_reason: request.in_error.as_ref().map(|e| e.reason.clone()),
            forgotten_at: request.forgotten_at,
        }
    }
}

/// Past its day, and the person not told.
#[must_use]
pub fn overdue(request: &Request, now: Timestamp) -> bool {
    request.told.is_none() && !request.state.is_over() && request.due_at < now
}

/// What stands beside the state, in words.
#[must_use]
pub fn facts(request: &Request, now: Timestamp) -> String {
    let mut facts = vec![];
    facts.extend(request.hold.is_some().then_some("held"));
    facts.extend(request.told.is_some().then_some("answered"));
    facts.extend((request.breached_at.is_some() || overdue(request, now)).then_some("overdue"));
    facts.extend(request.in_error.is_some().then_some("filed in error"));
    facts.extend(request.forgotten_at.is_some().then_some("forgotten"));
    facts.join(", ")
}

/// A task, nothing personal.
#[derive(Debug, Serialize)]
pub struct TaskJson {
    pub id: String,
    pub request: String,
    pub account: String,
    pub connector: String,
    pub lane: String,
    pub action: &'static str,
    pub scope: Option<&'static str>,
    pub state: &'static str,
    pub outcome: Option<&'static str>,
    pub evidence: &'static str,
    pub detail: String,
    pub step: String,
    pub since: Timestamp,
    pub next_at: Option<Timestamp>,
    /// Until when a vendor that cannot confirm promises to be done.
    pub promised_by: Option<Timestamp>,
    pub deadline: Timestamp,
    pub failures: u32,
    pub generation: u32,
    pub sent: bool,
    pub cancel_marked: bool,
}

impl TaskJson {
    #[must_use]
    pub fn of(view: &TaskView) -> Self {
        let task = &view.row.task;
        let outcome = task.state.outcome().map(|o| o.word(task.action));
        Self {
            id: task.id.to_string(),
            request: task.request.to_string(),
            account: task.account.to_string(),
            connector: view.connector.clone(),
            lane: view.row.lane.to_string(),
            action: task.action.word(),
            scope: task.scope.map(|s| s.word()),
            state: task.state.word(),
            outcome,
            evidence: evidence(&task.state, task.evidence).word(),
            detail: detail(task.action, &task.state),
            step: task.step.to_string(),
            since: view.row.since,
            next_at: next_at(&task.state),
            promised_by: task.state.promised_by(),
            deadline: view.row.deadline,
            failures: task.failures,
            generation: task.generation,
            sent: task.sent,
            cancel_marked: task.cancel_marked,
        }
    }
}

/// How much stands behind the state.
#[must_use]
pub fn evidence(state: &TaskState, so_far: EvidenceLevel) -> EvidenceLevel {
    match state {
        TaskState::Settled { evidence, .. } => *evidence,
        TaskState::Blocked { .. }
        | TaskState::Ready { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Waiting { .. }
        | TaskState::Confirmed { .. }
        | TaskState::Desk { .. } => so_far,
    }
}

/// What the state alone cannot say, in a few words.
#[must_use]
pub fn detail(action: TaskAction, state: &TaskState) -> String {
    let looks_only = action == TaskAction::LookUp;
    match state {
        TaskState::Blocked { cause } => match cause {
            Cause::Phase(_) if looks_only => "account in observe: it will only look".into(),
            Cause::Phase(phase) => format!("waits for its phase ({phase})"),
            Cause::Dependency(_) => "an earlier request of the same person goes first".into(),
            Cause::Hold { reason } => format!("hold: {reason}"),
            Cause::MissingIdentifier { needs } => format!("needs {}", needs.join(" or ")),
            Cause::Vendor { blocker, hint, .. } => {
                format!("the vendor says not now: {blocker} ({hint})")
            }
        },
        TaskState::Ready { .. } if looks_only => {
            "account in observe: the look-up is due in its lane".into()
        }
        TaskState::Ready { .. } => "due in its lane".into(),
        TaskState::Sending { .. } => "the call is out".into(),
        TaskState::Unknown { .. } => "the answer was lost; being looked into".into(),
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => match recall {
            Recall::NotWanted => "the vendor is at work".into(),
            Recall::Wanted { .. } => "cancelled; the vendor is asked to take it back".into(),
            Recall::InVain => "cancelled; the vendor does not take it back".into(),
            Recall::InDoubt => {
                "cancelled; the vendor was asked back, its answer is not known".into()
            }
        },
        TaskState::Waiting { on: WaitsOn::Promise { .. }, .. } => {
            "waits for the vendor's promised date".into()
        }
        TaskState::Confirmed { .. } => "the vendor says it is done; a look-up will verify".into(),
        TaskState::Desk { reason } => reason.sentence(),
        TaskState::Settled { outcome, .. } => match outcome {
            Outcome::Exempt { reason, .. } => format!("exempt: {reason}"),
            Outcome::Waived { by, reason } => format!("waived by {by}: {reason}"),
            Outcome::Instructed { forwarded, promised_by } => {
                let passes_on = if *forwarded { "; it passes the request on" } else { "" };
                let promise = promised_by.map_or_else(String::new, |at| {
                    format!("; it promised to be done by {}", when(at))
                });
                format!("the vendor cannot confirm{passes_on}{promise}")
            }
            Outcome::Erased
            | Outcome::Suppressed
            | Outcome::Lifted
            | Outcome::Anonymised
            | Outcome::NotFound
            | Outcome::NotSupported
            | Outcome::NotHeld
            | Outcome::Observed(_)
            | Outcome::Cancelled
            | Outcome::Superseded
            | Outcome::Recalled
            | Outcome::OnRecord => String::new(),
        },
    }
}

fn next_at(state: &TaskState) -> Option<Timestamp> {
    match state {
        TaskState::Ready { due } => Some(*due),
        TaskState::Blocked { cause: Cause::Vendor { recheck_at, .. } } => Some(*recheck_at),
        TaskState::Waiting { on: WaitsOn::Promise { done_by, look_at }, .. } => {
            Some(look_at.unwrap_or(*done_by))
        }
        TaskState::Confirmed { verify_at, .. } => Some(*verify_at),
        TaskState::Blocked { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Waiting { .. }
        | TaskState::Desk { .. }
        | TaskState::Settled { .. } => None,
    }
}

/// How well each ended task is evidenced, best first: `4 verified, 1 instructed`.
#[must_use]
pub fn evidence_line(tasks: &[TaskView]) -> Option<String> {
    let mut ended: Vec<(EvidenceLevel, &str, u32)> = vec![];
    for task in tasks.iter().map(|view| &view.row.task) {
        let TaskState::Settled { outcome, evidence } = &task.state else { continue };
        let word = match outcome {
            Outcome::Instructed { .. } => "instructed (the vendor cannot confirm)",
            _ => evidence.word(),
        };
        match ended.iter_mut().find(|e| e.1 == word) {
            Some(known) => known.2 += 1,
            None => ended.push((*evidence, word, 1)),
        }
    }
    ended.sort_by_key(|e| std::cmp::Reverse(e.0.rank()));
    let words: Vec<String> = ended.iter().map(|(_, word, n)| format!("{n} {word}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

/// The tasks of a request, one line each.
#[must_use]
pub fn task_table(tasks: &[TaskView]) -> Table {
    let mut table =
        Table::new(&["account", "action", "state", "evidence", "since", "detail", "task"]);
    for view in tasks {
        let json = TaskJson::of(view);
        let state = json.outcome.unwrap_or(json.state).to_owned();
        table.row([
            json.account,
            json.action.into(),
            state,
            json.evidence.into(),
            when(json.since),
            json.detail,
            json.id,
        ]);
    }
    table
}

/// The watch over one task of a closed request.
#[derive(Debug, Serialize)]
pub struct WatchJson {
    pub task: String,
    pub account: String,
    pub state: &'static str,
    /// How it stands, for people.
    pub description: String,
    pub since: Timestamp,
    pub looks: Vec<Look>,
    pub next: Option<Timestamp>,
    /// What became of it when it ended: `absent`, `not_told`, `not_asked`.
    pub found: Option<&'static str>,
    pub seen_again_at: Option<Timestamp>,
    pub explanation: Option<&'static str>,
    pub explained_by: Option<String>,
}

impl WatchJson {
    #[must_use]
    pub fn of(watch: &Watch) -> Self {
        let (found, seen_again_at, explained) = match &watch.state {
            WatchState::Watching { .. } => (None, None, None),
            WatchState::SeenAgain { at, explained } => (None, Some(*at), explained.as_ref()),
            WatchState::Ended { found, .. } => (Some(found.word()), None, None),
        };
        Self {
            task: watch.task.to_string(),
            account: watch.account.to_string(),
            state: watch.state.word(),
            description: watch.sentence(),
            since: watch.since,
            looks: watch.looks.clone(),
            next: watch.next(),
            found,
            seen_again_at,
            explanation: explained.map(|e| e.explanation.word()),
            explained_by: explained.map(|e| e.by.clone()),
        }
    }
}

/// Watches for eyes.
#[must_use]
pub fn watch_table(watches: &[Watch]) -> Table {
    let mut table = Table::new(&["watched at", "since", "next look", "how it stands"]);
    for watch in watches {
        table.row([
            watch.account.to_string(),
            when(watch.since),
            maybe_when(watch.next()),
            watch.sentence(),
        ]);
    }
    table
}

/// An identifier for a list: masked unless the person in charge asks.
#[derive(Debug, Serialize)]
pub struct IdentifierJson {
    pub kind: String,
    /// Masked, or in the clear when asked for.
    pub value: String,
    pub masked: bool,
    pub provenance: String,
    pub standing: &'static str,
    /// Whether it may drive an irreversible call.
    pub drives: bool,
}

impl IdentifierJson {
    #[must_use]
    pub fn of(identifier: &Identifier, reveal: bool) -> Self {
        let value =
            if reveal { identifier.normal.expose().to_owned() } else { identifier.masked() };
        let provenance = match &identifier.provenance {
            Provenance::Proved { how, by } => format!("proved: {how} (recorded by {by})"),
            Provenance::Stated => "stated".into(),
            Provenance::Discovered { at } => format!("discovered at {at}"),
        };
        let standing = match identifier.standing {
            Standing::Personal => "personal",
            Standing::Shared => "shared",
        };
        let kind = identifier.kind.word();
        Self { kind, value, masked: !reveal, provenance, standing, drives: identifier.drives() }
    }
}

/// Masked identifiers in one cell: `email j…@e….com, phone …67`.
#[must_use]
pub fn masked_row(identifiers: &[Identifier]) -> String {
    let all: Vec<String> =
        identifiers.iter().map(|i| format!("{} {}", i.kind, i.masked())).collect();
    all.join(", ")
}

/// One line of facts about a request, for its head.
#[must_use]
pub fn head(request: &Request, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("request", request.id.to_string()),
        ("state", request.state.describe()),
        (
            "action",
            match request.scope {
                Some(scope) => format!("{} ({scope})", request.action),
                None => request.action.to_string(),
            },
        ),
        ("controller", request.controller.to_string()),
        ("received", request.received_on.to_string()),
        ("due", format!("{} (provisional)", request.due_on)),
        ("filed", format!("{} by {}", when(request.filed_at), request.filed_by)),
    ];
    if let RequestState::Released { by, at, cooling_until } = &request.state {
        lines.push(("released", format!("{} by {by}", when(*at))));
        if *cooling_until > now {
            lines.push(("cools off", format!("until {}", when(*cooling_until))));
        }
    }
    if let Some(hold) = &request.hold {
        lines.push(("held", format!("{} by {}: {}", when(hold.at), hold.by, hold.reason)));
    }
    if let Some(told) = &request.told {
        lines.push(("answered", format!("{} by {}: {}", when(told.at), told.by, told.notice)));
    }
    if request.breached_at.is_some() || overdue(request, now) {
        lines.push((
            "overdue",
            format!(
                "since the end of {}; marked {}",
                request.due_on,
                maybe_when(request.breached_at)
            ),
        ));
    }
    if let Some(at) = request.forgotten_at {
        lines.push(("forgotten", format!("{}; nothing personal of it is kept", when(at))));
    }
    if let Some(error) = &request.in_error {
        lines.push(("in error", format!("{} by {}: {}", when(error.at), error.by, error.reason)));
    }
    if let RequestState::Denied { note, .. } = &request.state {
        lines.push(("note", note.clone()));
    }
    for (name, value) in [("regime", &request.regime), ("channel", &request.channel)] {
        lines.extend(value.clone().map(|value| (name, value)));
    }
    lines.extend(request.import.map(|import| ("import", import.to_string())));
    lines
}

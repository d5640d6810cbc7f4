//! What goes in and out of the memory.

mod afterwards;

use std::time::Duration;

use efface_core::{
    AccountId, ConnectorId, ControllerId, Identifier, LaneId, OrderId, RequestId, Scope, Timestamp,
    account::Condition,
    desk::{DeskItem, Subject},
    journal::Entry,
    order::{Order, StoredReceipt},
    plan::Phase,
    request::Request,
    subject::{Dossier, Value},
    task::{Cause, Event, Task},
    watch::Watch,
};
use efface_ledger::log::Verdict;

pub use afterwards::{
    DueWatch, InTheWay, ListHit, Listing, NewWatch, OnList, RecordEnd, RecordOf, WatchWrite,
};

/// A lane held by this process. Every unit of the lane's owner names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub lane: LaneId,
    pub owner: String,
    pub epoch: u64,
}

/// A worker that lives, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerRow {
    pub name: String,
    /// Lanes it can serve.
    pub serves: u32,
}

/// A lane and who holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneRow {
    pub lane: LaneId,
    pub owner: Option<String>,
    /// Until its lease ends, by the database's clock; nothing when it has ended.
    pub runs_out_in: Duration,
}

/// Who is there and who holds what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendance {
    /// By name.
    pub workers: Vec<WorkerRow>,
    pub lanes: Vec<LaneRow>,
}

/// Rung when a worker comes or goes, or a lane is given back: no lane has this name.
pub const WORKERS_BELL: &str = "workers";

/// A signed checkpoint of the log over the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointRow {
    /// Leaves it covers.
    pub size: u64,
    pub at: Timestamp,
    /// The signed note (C2SP tlog-checkpoint), verbatim.
    pub note: String,
    /// Since when a copy lies where this database cannot change it.
    pub anchored_at: Option<Timestamp>,
}

/// Where the log over the journal stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// Leaves that have a position.
    pub size: u64,
    /// Entries that have none yet.
    pub unplaced: u64,
    /// The newest.
    pub checkpoint: Option<CheckpointRow>,
}

/// Whether a database's log is the one a checkpoint was signed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    Yes,
    /// It is shorter: an older copy of the database.
    Behind {
        size: u64,
    },
    /// As long or longer, and other leaves in it.
    OtherHistory,
}

/// What a whole journal is worth, and how many of its leaves ended with their record: of those the hash
/// alone was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    pub verdict: Verdict,
    pub ended: u64,
}

/// The `ledger` system lane: its owner gives the journal's entries their positions.
pub const LEDGER_LANE: &str = "ledger";

/// The `requests` system lane.
pub const REQUESTS_LANE: &str = "requests";

/// What to do with a task's memo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MemoWrite {
    #[default]
    Keep,
    Set(Value),
    Clear,
}

/// A task as it should stand; refused when the row is not at `read_version`.
#[derive(Clone, Debug)]
pub struct TaskWrite {
    pub read_version: u32,
    pub task: Task,
    pub memo: MemoWrite,
    /// The state before a suppress, kept for honest lifting.
    pub prior: Option<Value>,
}

impl TaskWrite {
    #[must_use]
    pub fn new(read_version: u32, task: Task) -> Self {
        Self { read_version, task, memo: MemoWrite::Keep, prior: None }
    }
}

/// One HTTP exchange as evidence.
#[derive(Clone, Debug)]
pub struct ExchangeRow {
    pub order: Option<OrderId>,
    pub account: AccountId,
    pub at: Timestamp,
    pub status: Option<u16>,
    /// JSON of the connector crate's `Exchange`; no identifiers.
    pub body: String,
}

/// Opens a desk item; one that stands for the same subject and reason word is kept instead.
#[derive(Clone, Debug)]
pub struct DeskOpen {
    pub item: DeskItem,
    /// Personal detail (candidates' memos), sealed under the request's key.
    pub sealed: Option<(RequestId, Value)>,
}

/// Closes the open desk items of a subject.
#[derive(Clone, Debug)]
pub struct DeskClose {
    pub subject: Subject,
    /// Only those with this reason word; all when `None`.
    pub reason: Option<&'static str>,
    pub by: String,
    pub how: String,
    pub at: Timestamp,
}

/// A request as it should stand.
#[derive(Clone, Debug)]
pub struct RequestWrite {
    pub read_version: u32,
    pub request: Request,
    /// The dossier anew, when identifiers or proofs were added.
    pub dossier: Option<Dossier>,
    pub nobody_found_decided: bool,
}

/// An account's condition as it should stand.
#[derive(Clone, Debug)]
pub struct AccountWrite {
    pub read_version: u32,
    pub id: AccountId,
    pub condition: Condition,
}

/// Ask the `requests` lane to look at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    pub request: RequestId,
    pub due_at: Timestamp,
}

/// One use case's writes: all or nothing.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// The lane whose owner writes; checked in the transaction.
    pub fence: Option<Lease>,
    pub tasks: Vec<TaskWrite>,
    /// New tasks of a request that is planned anew.
    pub born: Vec<NewTask>,
    pub new_orders: Vec<Order>,
    pub orders: Vec<Order>,
    pub new_receipts: Vec<StoredReceipt>,
    pub receipts: Vec<StoredReceipt>,
    pub exchanges: Vec<ExchangeRow>,
    pub entries: Vec<EntryRow>,
    pub follow_ups: Vec<FollowUp>,
    /// Follow-ups dealt with, by the sequence number read; one asked for since stays.
    pub followed: Vec<(RequestId, u64)>,
    pub requests: Vec<RequestWrite>,
    pub new_tags: Vec<NewTag>,
    /// Tags that turned out to belong to more than one person.
    pub shared_tags: Vec<[u8; 32]>,
    pub company: Vec<Company>,
    pub accounts: Vec<AccountWrite>,
    pub desk_opens: Vec<DeskOpen>,
    pub desk_closes: Vec<DeskClose>,
    /// Errands that have come further.
    pub errands_on: Vec<ErrandOn>,
    pub errands_done: Vec<ErrandDone>,
    pub listings: Vec<Listing>,
    pub new_watches: Vec<NewWatch>,
    pub watches: Vec<WatchWrite>,
    /// Requests whose key, and everything sealed under it, is destroyed.
    pub forgets: Vec<RequestId>,
    /// Requests whose record ends.
    pub ends: Vec<RecordEnd>,
    /// Written only while a database that was set back is brought up.
    pub restore: Option<crate::RestoreWrite>,
    /// Lanes that have something to do now.
    pub wakes: Vec<LaneId>,
}

/// A journal entry and the request whose history it belongs to, where there is one.
#[derive(Clone, Debug)]
pub struct EntryRow {
    pub entry: Entry,
    pub request: Option<RequestId>,
}

impl From<Entry> for EntryRow {
    fn from(entry: Entry) -> Self {
        Self { entry, request: None }
    }
}

/// A task to be written with its request.
#[derive(Clone, Debug)]
pub struct NewTask {
    pub task: Task,
    pub lane: LaneId,
    pub deadline: Timestamp,
}

/// A blind-index row.
#[derive(Clone, Debug)]
pub struct NewTag {
    pub request: RequestId,
    pub tag: [u8; 32],
    pub kind: String,
    /// Proved.
    pub drives: bool,
    /// Belongs to more than one person.
    pub shared: bool,
}

/// What a unit that proves identifiers knew, when it was made, of other requests that prove them
/// too. It is refused as stale when there are more by now.
#[derive(Clone, Debug)]
pub struct Company {
    pub request: RequestId,
    pub tags: Vec<[u8; 32]>,
    /// `(tag, request)` pairs of others.
    pub others: usize,
}

/// A request to be filed, planned already.
#[derive(Clone, Debug)]
pub struct Filing {
    pub request: Request,
    pub dossier: Dossier,
    pub tasks: Vec<NewTask>,
    /// The controller's accounts it was planned over.
    pub accounts: std::sync::Arc<Vec<efface_core::plan::Account>>,
    /// Content hash that makes a repeated import harmless.
    pub filing_key: Option<[u8; 32]>,
    pub actor: String,
}

/// What became of a filing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filed {
    New(RequestId),
    /// The same person, action, scope and controller are under way already.
    Duplicate {
        id: RequestId,
        of: RequestId,
    },
    /// The very same row was filed before; nothing was written.
    Before(RequestId),
}

/// A task with what its lane needs to act.
#[derive(Clone, Debug)]
pub struct DueTask {
    pub task: Task,
    pub lane: LaneId,
    pub deadline: Timestamp,
    pub since: Timestamp,
    pub identifiers: Vec<Identifier>,
    pub memo: Option<Value>,
    pub prior: Option<Value>,
    /// What keeps its request back, where anything does: it enters no order.
    pub kept_back: Option<KeptBack>,
}

/// Why nothing new leaves for a request, whatever its tasks were about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptBack {
    Hold {
        reason: String,
    },
    /// Nobody has released the plan as it is now, or it cools off.
    NotReleased,
}

impl KeptBack {
    /// What a task of that phase waits for meanwhile.
    #[must_use]
    pub fn cause(&self, phase: Phase) -> Cause {
        match self {
            Self::Hold { reason } => Cause::Hold { reason: reason.clone() },
            Self::NotReleased => Cause::Phase(phase),
        }
    }

    /// What a task of that phase is told.
    #[must_use]
    pub fn event(&self, phase: Phase) -> Event {
        match self {
            Self::Hold { reason } => Event::Held { reason: reason.clone() },
            Self::NotReleased => Event::ReleaseLost { phase },
        }
    }
}

/// An order with its items still open.
#[derive(Clone, Debug)]
pub struct OpenOrder {
    pub order: Order,
    pub items: Vec<DueTask>,
}

/// A receipt that is due, with its order and the items still waiting on it.
#[derive(Clone, Debug)]
pub struct DueReceipt {
    pub receipt: StoredReceipt,
    pub order: Order,
    pub items: Vec<DueTask>,
}

/// A request that should be looked at.
#[derive(Clone, Debug)]
pub struct DueFollowUp {
    pub seq: u64,
    pub request: Request,
    pub nobody_found_decided: bool,
    pub tasks: Vec<TaskRow>,
    /// Tasks of other requests that wait for a task of this one.
    pub dependents: Vec<TaskRow>,
    /// Of a request that is closed.
    pub watches: Vec<Watch>,
}

/// A task without anything personal.
#[derive(Clone, Debug)]
pub struct TaskRow {
    pub task: Task,
    pub lane: LaneId,
    pub deadline: Timestamp,
    /// Since when it stands where it stands.
    pub since: Timestamp,
}

/// An account as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountRow {
    pub id: AccountId,
    pub connector: ConnectorId,
    pub controller: ControllerId,
    pub lane: LaneId,
    pub version: u32,
    pub condition: Condition,
}

/// Something a person asked of a lane that is no task: a probe, a rehearsal, a scan.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(tag = "errand", rename_all = "snake_case")]
pub enum ErrandKind {
    Probe,
    /// Look-ups for a given list; nothing is filed.
    Rehearse,
    /// The vendor's own list of people is held against the entries of this scope.
    Scan {
        scope: Scope,
        by: String,
    },
}

/// An errand to run.
#[derive(Clone, Debug)]
pub struct Errand {
    pub id: uuid::Uuid,
    pub lane: LaneId,
    pub account: AccountId,
    pub kind: ErrandKind,
    /// The people of a rehearsal.
    pub people: Vec<Vec<Identifier>>,
    /// How far it has come, in the worker's words; nothing before the first step.
    pub progress: Option<Value>,
}

/// How far an errand has come; sealed when stored.
#[derive(Clone, Debug)]
pub struct ErrandOn {
    pub id: uuid::Uuid,
    pub progress: Value,
}

/// An errand's answer, JSON; sealed when stored.
#[derive(Clone, Debug)]
pub struct ErrandDone {
    pub id: uuid::Uuid,
    pub answer: String,
}

/// An answer kept so that a repeated call gets it again.
#[derive(Clone, Debug)]
pub struct KeptAnswer {
    pub key: String,
    pub body_hash: [u8; 32],
    pub status: u16,
    pub answer: String,
}

/// How lanes are shared.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTerms {
    pub ttl: Duration,
}

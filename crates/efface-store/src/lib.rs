//! THE MEMORY. The database is the only memory: what is due is a query, and a follow-up is saved in
//! the transaction of the change that asks for it.
//!
//! [`Store`] is what a worker sees; [`SqlStore`] keeps it in SQLite or PostgreSQL and adds the use
//! cases of the doors (filing, releasing, deciding). No call is made while a transaction is open.

mod crash;
mod directory;
mod error;
mod hot;
mod model;
#[doc(hidden)]
pub mod plan_probe;
mod restore;
mod sql;
mod usecase;
mod view;
mod wakes;

#[cfg(all(feature = "without-fencing", not(debug_assertions)))]
compile_error!(
    "without fencing two workers write over each other: the fault harness alone builds this, to see that it notices"
);

use async_trait::async_trait;
use efface_core::{
    AccountId, Identifier, LaneId, ReceiptId, RequestId, Scope, Timestamp, request::Request,
    restore::Saved, task::Queue,
};

#[cfg(feature = "crash-points")]
pub use crash::arm_crash_points;
#[doc(hidden)]
pub use crash::crash_point;
pub use directory::{AccountSpec, ControllerRules, Directory, Policy};
pub use error::Error;
pub use model::{
    AccountRow, AccountWrite, Attendance, Audited, CheckpointRow, Company, DeskClose, DeskOpen,
    DueFollowUp, DueReceipt, DueTask, DueWatch, EntryRow, Errand, ErrandDone, ErrandKind, ErrandOn,
    ExchangeRow, Filed, Filing, FollowUp, Follows, InTheWay, KeptAnswer, KeptBack, LEDGER_LANE,
    LaneRow, Lease, LeaseTerms, ListHit, Listing, LogStatus, MemoWrite, NewTag, NewTask, NewWatch,
    OnList, OpenOrder, REQUESTS_LANE, RecordEnd, RecordOf, RequestWrite, TaskRow, TaskWrite, Unit,
    WORKERS_BELL, WatchWrite, WorkerRow,
};
pub use restore::{
    LostHistory, RESTORE_PAUSE, Restore, RestoreProgress, RestoreRow, RestoreStage, RestoreWrite,
};
pub use sql::{Connection, Database, SqlStore, journal_tail};
pub use usecase::{
    Added, Asked, EntriesAgain, LiftBegun, MOST_CHECKED, MonthKeyRow, NewRequest, NewSuppression,
    Proof, Pushed, Verdict,
};
pub use view::{
    AccountStand, ApiKeyRow, Counts, DeskRow, ErrandState, ExchangeView, ImportRow, RequestFilter,
    RequestView, StopReport, SuppressionFilter, SuppressionView, TaskView, WhyLine,
    is_request_state,
};
pub use wakes::Wakes;

/// What a worker sees of the memory.
#[async_trait]
pub trait Store: Send + Sync {
    fn directory(&self) -> &Directory;
    fn wakes(&self) -> &Wakes;

    /// Says that the worker `name` lives and how many lanes it can serve, and tells who else lives and
    /// who holds what.
    async fn attend(&self, name: &str, serves: u32, terms: LeaseTerms)
    -> Result<Attendance, Error>;
    /// Says that the worker is going: the others need not wait for its silence.
    async fn leave(&self, name: &str) -> Result<(), Error>;
    /// Takes or keeps lanes for `owner`. A lane held by another is taken only when its lease ran
    /// out by the database's clock; one held under the same name is taken at once.
    async fn take_lanes(
        &self,
        owner: &str,
        lanes: &[LaneId],
        terms: LeaseTerms,
    ) -> Result<Vec<(Lease, u64)>, Error>;
    /// Renews; the leases still held come back.
    async fn renew(&self, leases: &[Lease], terms: LeaseTerms) -> Result<Vec<Lease>, Error>;
    /// Gives lanes back so that the next owner need not wait.
    async fn give_back(&self, leases: &[Lease]) -> Result<(), Error>;

    async fn accounts(&self) -> Result<Vec<AccountRow>, Error>;
    async fn account(&self, id: &AccountId) -> Result<AccountRow, Error>;

    /// Moves what waited for a time into the ready index; no state changes.
    async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error>;
    /// Tasks of an account's queue, earliest statutory deadline first, identifiers opened.
    async fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error>;
    /// Orders that are sending or unknown.
    async fn open_orders(&self, lane: &LaneId) -> Result<Vec<OpenOrder>, Error>;
    /// Orders whose answer was lost and that are due to be looked into.
    async fn unknown_orders(&self, lane: &LaneId, now: Timestamp) -> Result<Vec<OpenOrder>, Error>;
    async fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error>;
    /// These receipts, each with its order and the items still waiting on it.
    async fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error>;
    async fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Result<Vec<DueFollowUp>, Error>;
    /// For each of these requests the entry of the suppression list that it names, or the one in force
    /// of the same person, controller, scope and kind.
    async fn on_list(&self, requests: &[Request]) -> Result<Vec<OnList>, Error>;
    /// Of whom among these people, one page of an account's own list, an entry in force speaks: one of
    /// the account's controller and of this scope. Nothing of them is kept.
    async fn list_hits(
        &self,
        account: &AccountId,
        scope: Scope,
        people: &[Vec<Identifier>],
    ) -> Result<Vec<ListHit>, Error>;
    /// Watches of an account whose next look is due, the longest due first, opened.
    async fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWatch>, Error>;
    /// What would end with a request's record.
    async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error>;
    async fn due_errands(&self, lane: &LaneId) -> Result<Vec<Errand>, Error>;
    /// When the lane has something to do next, if nothing happens before. A watch counts while its
    /// time is still to come: what is due and cannot be looked at wakes nobody over and over.
    async fn next_wake(&self, lane: &LaneId) -> Result<Option<Timestamp>, Error>;

    /// Gives the next of the journal's entries, at most so many, their positions in the log; how many
    /// got one. For the owner of the `ledger` lane.
    async fn place_leaves(&self, lease: &Lease, most: u32) -> Result<u64, Error>;
    /// The newest checkpoint.
    async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error>;
    /// Signs the tree as it stands; the last checkpoint when nothing was placed since.
    async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error>;
    /// Checkpoints of which no copy lies outside yet, oldest first.
    async fn not_anchored(&self) -> Result<Vec<CheckpointRow>, Error>;
    /// Notes that a copy of this one lies outside.
    async fn anchored(&self, checkpoint: &CheckpointRow) -> Result<(), Error>;

    /// What this checkpoint saves: read out of the leaves it adds to the one before.
    async fn saved(&self, checkpoint: &CheckpointRow) -> Result<Saved, Error>;

    /// What the database's own clock says.
    async fn database_time(&self) -> Result<Timestamp, Error>;

    /// Writes one use case's changes: all or nothing. Commits travel in groups.
    async fn commit(&self, unit: Unit) -> Result<(), Error>;
    /// Writes several, each all or nothing, and tells of each what became of it.
    async fn commit_each(&self, units: Vec<Unit>) -> Vec<Result<(), Error>> {
        let mut done = Vec::with_capacity(units.len());
        for unit in units {
            done.push(self.commit(unit).await);
        }
        done
    }
    /// The keyed digest (hex) of bytes that may hold identifiers.
    fn digest(&self, bytes: &[u8]) -> String;
}

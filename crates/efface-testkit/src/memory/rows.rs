//! What is stored, in maps whose order is their keys'.

use std::collections::BTreeMap;

use efface_core::{
    AccountId, DeskId, Identifier, LaneId, OrderId, ReceiptId, RequestId, TaskId, Timestamp,
    desk::DeskItem,
    journal::Hash,
    order::{Order, StoredReceipt},
    request::Request,
    subject::{Dossier, Value},
    task::{Queue, Task, queue},
    watch::Watch,
};
use efface_store::{
    AccountRow, CheckpointRow, EntryRow, Errand, Error, ExchangeRow, NewTag, NewTask, TaskRow,
};
use uuid::Uuid;

#[derive(Clone, Debug, Default)]
pub(super) struct HeldLane {
    pub epoch: u64,
    pub last_number: u64,
    /// By whom, and until when.
    pub held: Option<(String, Timestamp)>,
}

#[derive(Clone, Debug)]
pub(super) struct RequestRow {
    pub request: Request,
    pub dossier: Dossier,
    pub nobody_found_decided: bool,
    /// Its dossier is kept no more.
    pub is_forgotten: bool,
}

#[derive(Clone, Debug)]
pub(super) struct StoredTask {
    pub row: TaskRow,
    pub memo: Option<Value>,
    pub prior: Option<Value>,
    pub queue: Queue,
    /// `None` once it is due.
    pub wake_at: Option<Timestamp>,
}

/// Queue and time as a task's state has them.
pub(super) fn derive(task: &Task, now: Timestamp) -> (Queue, Option<Timestamp>) {
    let (queue, at) = queue(task);
    (queue, (queue != Queue::None && at > now).then_some(at))
}

impl StoredTask {
    pub(super) fn new(new: NewTask, now: Timestamp) -> Self {
        let (queue, wake_at) = derive(&new.task, now);
        let row = TaskRow { task: new.task, lane: new.lane, deadline: new.deadline, since: now };
        Self { row, memo: None, prior: None, queue, wake_at }
    }
}

#[derive(Clone, Debug)]
pub(super) struct WatchRow {
    pub watch: Watch,
    pub lane: LaneId,
    /// Nobody once it looks no more.
    pub identifiers: Vec<Identifier>,
}

#[derive(Debug, Default)]
pub(super) struct Rows {
    pub lanes: BTreeMap<LaneId, HeldLane>,
    /// What a worker can serve, and until when it lives.
    pub workers: BTreeMap<String, (u32, Timestamp)>,
    pub accounts: BTreeMap<AccountId, AccountRow>,
    pub requests: BTreeMap<RequestId, RequestRow>,
    pub tags: BTreeMap<([u8; 32], RequestId), NewTag>,
    pub tasks: BTreeMap<TaskId, StoredTask>,
    pub watches: BTreeMap<TaskId, WatchRow>,
    pub orders: BTreeMap<OrderId, Order>,
    pub receipts: BTreeMap<ReceiptId, StoredReceipt>,
    /// When, and how often it was asked for.
    pub follow_ups: BTreeMap<RequestId, (Timestamp, u64)>,
    pub desk: BTreeMap<DeskId, DeskItem>,
    pub sealed: BTreeMap<DeskId, Value>,
    /// With their answers.
    pub errands: BTreeMap<Uuid, (Errand, Option<String>)>,
    pub exchanges: Vec<ExchangeRow>,
    pub journal: Vec<EntryRow>,
    pub placed: u64,
    pub root: Hash,
    pub checkpoints: Vec<CheckpointRow>,
    pub stale_commits: u64,
}

impl Rows {
    pub(super) fn account(&self, id: &AccountId) -> Result<&AccountRow, Error> {
        self.accounts.get(id).ok_or_else(|| Error::NotFound {
            what: "account",
            id: id.to_string(),
            list: "connector",
        })
    }

    pub(super) fn request(&self, id: RequestId) -> Result<&RequestRow, Error> {
        self.requests.get(&id).ok_or_else(|| Error::NotFound {
            what: "request",
            id: id.to_string(),
            list: "request",
        })
    }

    pub(super) fn tasks_of(&self, id: RequestId) -> Vec<TaskRow> {
        let mine = self.tasks.values().filter(|t| t.row.task.request == id);
        mine.map(|t| t.row.clone()).collect()
    }
}

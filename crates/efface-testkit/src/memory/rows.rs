//! What is stored, in maps whose order is their keys'.

use std::collections::BTreeMap;

use efface_core::{
    AccountId, DeskId, Identifier, LaneId, OrderId, ReceiptId, RequestId, SuppressionId, TaskId,
    Timestamp,
    desk::{DeskItem, Subject},
    journal::{Entry, Hash},
    order::{Order, StoredReceipt},
    request::Request,
    subject::{Dossier, Value},
    task::{Queue, Task, queue},
    watch::Watch,
};
use efface_store::{
    AccountRow, CheckpointRow, EntryRow, Errand, Error, ExchangeRow, InTheWay, NewTag, NewTask,
    RecordEnd, RecordOf, TaskRow,
};
use uuid::Uuid;

use super::list::StoredEntry;

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
    pub suppressions: BTreeMap<SuppressionId, StoredEntry>,
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

    /// Removes a record and what only it leads to; its entries are emptied.
    pub(super) fn end(&mut self, end: &RecordEnd) {
        let id = end.request.id;
        let mine = self.tasks_of(id);
        self.requests.remove(&id);
        self.tasks.retain(|_, t| t.row.task.request != id);
        self.tags.retain(|(_, request), _| *request != id);
        self.watches.retain(|_, w| w.watch.request != id);
        self.follow_ups.remove(&id);
        let is_mine = |task: &TaskId| mine.iter().any(|row| row.task.id == *task);
        let tasks = &self.tasks;
        let gone = |order: &Order| {
            order.items.iter().any(is_mine) && !order.items.iter().any(|t| tasks.contains_key(t))
        };
        let orders: Vec<OrderId> = self.orders.values().filter(|o| gone(o)).map(|o| o.id).collect();
        self.orders.retain(|order, _| !orders.contains(order));
        self.receipts.retain(|_, r| !(r.done && orders.contains(&r.order)));
        self.exchanges.retain(|e| e.order.is_none_or(|order| !orders.contains(&order)));
        self.desk.retain(|_, item| match &item.subject {
            Subject::Request(request) => *request != id,
            Subject::Task(task) => !is_mine(task),
            Subject::Order(order) => !orders.contains(order),
            Subject::Account(_) | Subject::Lane(_) | Subject::Listed { .. } => true,
        });
        for row in self.journal.iter_mut().filter(|row| end.entries.contains(&row.entry.id)) {
            row.entry.body.clear();
            row.entry.items.clear();
            row.request = None;
        }
    }

    /// What would end with a request's record. A leaf's position is its place in the journal.
    pub(super) fn record_of(&self, id: RequestId) -> Result<RecordOf, Error> {
        let mine: Vec<TaskId> = self.tasks_of(id).iter().map(|row| row.task.id).collect();
        let concerns = |subject: &Subject| match subject {
            Subject::Request(request) => *request == id,
            Subject::Task(task) => mine.contains(task),
            Subject::Order(order) => self
                .orders
                .get(order)
                .is_some_and(|order| order.items.iter().any(|task| mine.contains(task))),
            Subject::Account(_) | Subject::Lane(_) | Subject::Listed { .. } => false,
        };
        let mut open = self.desk.values().filter(|item| item.closed.is_none());
        if open.any(|item| concerns(&item.subject)) {
            let in_the_way = Some(InTheWay::Desk);
            return Ok(RecordOf { in_the_way, entries: vec![] });
        }
        let mut entries = vec![];
        for (row, position) in self.journal.iter().zip(0u64..) {
            if row.request != Some(id) {
                continue;
            }
            if position >= self.placed {
                let in_the_way = Some(InTheWay::Unplaced);
                return Ok(RecordOf { in_the_way, entries: vec![] });
            }
            let entry = Entry::read(&row.entry.body, &row.entry.items)?;
            if entry.changes.iter().all(|change| mine.contains(&change.task)) {
                entries.push(entry.id);
            }
        }
        entries.sort_unstable();
        Ok(RecordOf { in_the_way: None, entries })
    }

    pub(super) fn tasks_of(&self, id: RequestId) -> Vec<TaskRow> {
        let mine = self.tasks.values().filter(|t| t.row.task.request == id);
        mine.map(|t| t.row.clone()).collect()
    }
}

//! The memory kept in memory: a [`Store`] whose every answer follows from what was asked before, for
//! simulations. It makes the same promises as the one on a database, and is held to them by the same
//! sentences (`crate::store_sentences`); what it does not do is seal anything.

mod doors;
mod list;
mod read;
mod rows;
mod unit;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use async_trait::async_trait;
use efface_core::{
    AccountId, Identifier, LaneId, ReceiptId, RequestId, Scope, Timestamp,
    account::Condition,
    desk::DeskItem,
    journal::{Entry, Leaf, leaf_hash, node_hash},
    order::Order,
    outside::{Chance, Clock},
    request::Request,
    restore::{FORMAT, Saved},
    suppression::Suppression,
    task::Queue,
    watch::Watch,
};
use efface_store::{
    AccountRow, Attendance, CheckpointRow, Directory, DueFollowUp, DueReceipt, DueTask, DueWatch,
    Errand, Error, LaneRow, Lease, LeaseTerms, ListHit, OnList, OpenOrder, RecordOf, Store,
    TaskRow, Unit, WORKERS_BELL, Wakes, WorkerRow,
};
use sha2::{Digest, Sha256};

pub use self::doors::Adopted;
use self::rows::{HeldLane, Rows};

/// Switches that take a promise out of the store, for tests that must notice it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Broken {
    /// A write under an old epoch is taken.
    pub no_fence: bool,
    /// A write that names an old version is taken.
    pub no_versions: bool,
}

/// What a store in memory is made with.
#[derive(Clone)]
pub struct Made {
    pub directory: Directory,
    /// What rows are written by.
    pub clock: Arc<dyn Clock>,
    /// What leases run by.
    pub database_clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub broken: Broken,
}

struct Shared {
    made: Made,
    rows: Mutex<Rows>,
    listeners: Mutex<Vec<Weak<Wakes>>>,
}

/// One process's view of a store in memory.
pub struct MemoryStore {
    shared: Arc<Shared>,
    wakes: Arc<Wakes>,
}

impl MemoryStore {
    /// Accounts of the directory begin in observe.
    #[must_use]
    pub fn new(made: Made) -> Self {
        let mut rows = Rows::default();
        for spec in &made.directory.accounts {
            let row = AccountRow {
                id: spec.id.clone(),
                connector: spec.connector.clone(),
                controller: spec.controller.clone(),
                lane: spec.lane.clone(),
                version: 1,
                condition: Condition::new(spec.people_per_day),
            };
            rows.accounts.insert(spec.id.clone(), row);
        }
        let shared = Shared { made, rows: Mutex::new(rows), listeners: Mutex::default() };
        Self::join(Arc::new(shared))
    }

    /// Another process on the same database.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::join(self.shared.clone())
    }

    fn join(shared: Arc<Shared>) -> Self {
        let wakes = Arc::new(Wakes::default());
        let mut listeners = shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.retain(|one| one.strong_count() > 0);
        listeners.push(Arc::downgrade(&wakes));
        drop(listeners);
        Self { shared, wakes }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.shared.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self) -> &Made {
        &self.shared.made
    }

    fn now(&self) -> Timestamp {
        self.made().clock.now()
    }

    fn ring(&self, lanes: &[LaneId]) {
        let listeners = self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let ledger = LaneId::new(efface_store::LEDGER_LANE).ok();
        for wakes in listeners.iter().filter_map(Weak::upgrade) {
            lanes.iter().chain(&ledger).for_each(|lane| wakes.ring(lane));
        }
    }

    /// Writes one unit at once; the trait's `commit` without waiting.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn write(&self, unit: Unit) -> Result<(), Error> {
        let wakes = unit.wakes.clone();
        let now = self.now();
        let made = self.made();
        unit::commit(&mut self.rows(), unit, now, made.broken)?;
        self.ring(&wakes);
        Ok(())
    }

    /// Every request, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.rows().requests.values().map(|r| r.request.clone()).collect()
    }

    /// A request's tasks, oldest first.
    #[must_use]
    pub fn tasks_of(&self, id: RequestId) -> Vec<TaskRow> {
        self.rows().tasks_of(id)
    }

    /// Every watch, by its task.
    #[must_use]
    pub fn watches(&self) -> Vec<Watch> {
        self.rows().watches.values().map(|w| w.watch.clone()).collect()
    }

    #[must_use]
    pub fn orders(&self) -> Vec<Order> {
        self.rows().orders.values().cloned().collect()
    }

    /// Whether an order with this request is written down.
    #[must_use]
    pub fn has_order(&self, body_digest: &str) -> bool {
        self.rows().orders.values().any(|o| o.body_digest == body_digest)
    }

    /// Desk items that nobody has closed.
    #[must_use]
    pub fn open_desk(&self) -> Vec<DeskItem> {
        self.rows().desk.values().filter(|i| i.closed.is_none()).cloned().collect()
    }

    /// The journal, in the order of its commits; but for entries whose record has ended.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        let rows = self.rows();
        let kept = rows.journal.iter().filter(|row| !row.entry.body.is_empty());
        kept.map(|row| row.entry.clone()).collect()
    }

    /// Entries that have a position, and all there are.
    #[must_use]
    pub fn placed(&self) -> (u64, u64) {
        let rows = self.rows();
        (rows.placed, rows.journal.len() as u64)
    }

    /// When follow-ups are due.
    #[must_use]
    pub fn follow_ups(&self) -> Vec<(RequestId, Timestamp)> {
        self.rows().follow_ups.iter().map(|(id, (at, _))| (*id, *at)).collect()
    }

    /// Entries of the suppression list, oldest first.
    #[must_use]
    pub fn suppressions(&self) -> Vec<Suppression> {
        self.rows().suppressions.values().map(|e| e.entry.clone()).collect()
    }

    /// Receipts that are not done: whose they are and when they are polled next.
    #[must_use]
    pub fn open_receipts(&self) -> Vec<(ReceiptId, Timestamp)> {
        let rows = self.rows();
        rows.receipts.values().filter(|r| !r.done).map(|r| (r.id, r.next_poll)).collect()
    }

    /// Units taken whose lane had another owner by then; none, while the store keeps its promises.
    #[must_use]
    pub fn stale_commits(&self) -> u64 {
        self.rows().stale_commits
    }

    fn lease_ends(&self, terms: LeaseTerms) -> (Timestamp, Timestamp) {
        let now = self.made().database_clock.now();
        (now, now.plus(terms.ttl))
    }
}

/// A keyed digest of a store in memory, whose key is no secret.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::new().chain_update(b"in memory\n").chain_update(bytes).finalize())
}

/// What finds an identifier again.
pub(super) fn tag(identifier: &Identifier) -> [u8; 32] {
    let text = format!("{} {}", identifier.kind.word(), identifier.normal.expose());
    let mut tag = [0; 32];
    // the digest is 32 bytes of hex by construction
    let _ = hex::decode_to_slice(digest(text.as_bytes()), &mut tag);
    tag
}

#[async_trait]
impl Store for MemoryStore {
    fn directory(&self) -> &Directory {
        &self.made().directory
    }

    fn wakes(&self) -> &Wakes {
        &self.wakes
    }

    async fn attend(
        &self,
        name: &str,
        serves: u32,
        terms: LeaseTerms,
    ) -> Result<Attendance, Error> {
        let (now, until) = self.lease_ends(terms);
        let mut rows = self.rows();
        let before = rows.workers.insert(name.to_owned(), (serves, until));
        let living = rows.workers.iter().filter(|(_, (_, until))| *until >= now);
        let workers = living
            .map(|(name, (serves, _))| WorkerRow { name: name.clone(), serves: *serves })
            .collect();
        let lanes = rows.lanes.iter().map(|(lane, row)| {
            let (owner, until) = row.held.clone().unzip();
            let runs_out_in = until.unwrap_or(now).since(now);
            LaneRow { lane: lane.clone(), owner, runs_out_in }
        });
        let house = Attendance { workers, lanes: lanes.collect() };
        drop(rows);
        if before.is_none_or(|(_, until)| until < now) {
            self.ring(&LaneId::new(WORKERS_BELL).into_iter().collect::<Vec<_>>());
        }
        Ok(house)
    }

    async fn leave(&self, name: &str) -> Result<(), Error> {
        self.rows().workers.remove(name);
        self.ring(&LaneId::new(WORKERS_BELL).into_iter().collect::<Vec<_>>());
        Ok(())
    }

    async fn take_lanes(
        &self,
        owner: &str,
        lanes: &[LaneId],
        terms: LeaseTerms,
    ) -> Result<Vec<(Lease, u64)>, Error> {
        let (now, until) = self.lease_ends(terms);
        let mut rows = self.rows();
        let mut sorted: Vec<&LaneId> = lanes.iter().collect();
        sorted.sort();
        let mut taken = vec![];
        for lane in sorted {
            let row = rows.lanes.entry(lane.clone()).or_default();
            let is_free = match &row.held {
                None => true,
                Some((by, until)) => by == owner || *until < now,
            };
            if is_free {
                row.epoch += 1;
                row.held = Some((owner.to_owned(), until));
                let lease = Lease { lane: lane.clone(), owner: owner.to_owned(), epoch: row.epoch };
                taken.push((lease, row.last_number));
            }
        }
        Ok(taken)
    }

    async fn renew(&self, leases: &[Lease], terms: LeaseTerms) -> Result<Vec<Lease>, Error> {
        let (now, ends) = self.lease_ends(terms);
        let mut rows = self.rows();
        let mut sorted: Vec<&Lease> = leases.iter().collect();
        sorted.sort_by(|a, b| a.lane.cmp(&b.lane));
        let mut kept = vec![];
        for lease in sorted {
            let Some(row) = rows.lanes.get_mut(&lease.lane) else { continue };
            if row.is_of(lease) && row.held.as_ref().is_some_and(|(_, until)| *until >= now) {
                row.held = Some((lease.owner.clone(), ends));
                kept.push(lease.clone());
            }
        }
        Ok(kept)
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), Error> {
        let mut rows = self.rows();
        for lease in leases {
            if let Some(row) = rows.lanes.get_mut(&lease.lane).filter(|row| row.is_of(lease)) {
                row.held = None;
            }
        }
        drop(rows);
        self.ring(&LaneId::new(WORKERS_BELL).into_iter().collect::<Vec<_>>());
        Ok(())
    }

    async fn accounts(&self) -> Result<Vec<AccountRow>, Error> {
        Ok(self.rows().accounts.values().cloned().collect())
    }

    async fn account(&self, id: &AccountId) -> Result<AccountRow, Error> {
        self.rows().account(id).cloned()
    }

    async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        Ok(self.rows().wake_due(lane, now))
    }

    async fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error> {
        self.rows().due_tasks(account, queue, limit)
    }

    async fn open_orders(&self, lane: &LaneId) -> Result<Vec<OpenOrder>, Error> {
        self.rows().open_orders(lane, None)
    }

    async fn unknown_orders(&self, lane: &LaneId, now: Timestamp) -> Result<Vec<OpenOrder>, Error> {
        self.rows().open_orders(lane, Some(now))
    }

    async fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error> {
        self.rows().due_receipts(lane, now, limit)
    }

    async fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error> {
        self.rows().receipts(ids)
    }

    async fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Result<Vec<DueFollowUp>, Error> {
        Ok(self.rows().due_follow_ups(now, limit))
    }

    async fn on_list(&self, requests: &[Request]) -> Result<Vec<OnList>, Error> {
        Ok(self.rows().on_list(requests, self.now()))
    }

    async fn list_hits(
        &self,
        account: &AccountId,
        scope: Scope,
        people: &[Vec<Identifier>],
    ) -> Result<Vec<ListHit>, Error> {
        let now = self.now();
        let rows = self.rows();
        let controller = &rows.account(account)?.controller;
        Ok(rows.list_hits(account, controller, scope, people, now))
    }

    async fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWatch>, Error> {
        Ok(self.rows().due_watches(account, now, limit))
    }

    async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error> {
        self.rows().record_of(request)
    }

    async fn due_errands(&self, lane: &LaneId) -> Result<Vec<Errand>, Error> {
        Ok(self.rows().due_errands(lane))
    }

    async fn next_wake(&self, lane: &LaneId) -> Result<Option<Timestamp>, Error> {
        let now = self.now();
        Ok(self.rows().next_wake(lane, now))
    }

    async fn place_leaves(&self, lease: &Lease, most: u32) -> Result<u64, Error> {
        let mut rows = self.rows();
        let waiting = rows.journal.len() as u64 - rows.placed;
        if waiting == 0 {
            return Ok(0);
        }
        if !self.made().broken.no_fence
            && !rows.lanes.get(&lease.lane).is_some_and(|r| r.is_of(lease))
        {
            return Err(Error::LaneLost { lane: lease.lane.to_string() });
        }
        let placed = waiting.min(u64::from(most));
        for _ in 0..placed {
            let at = usize::try_from(rows.placed).unwrap_or(usize::MAX);
            let Some(leaf) = rows.journal.get(at).map(|row| leaf_hash(row.entry.body.as_bytes()))
            else {
                break;
            };
            rows.root = node_hash(&rows.root, &leaf);
            rows.placed += 1;
        }
        Ok(placed)
    }

    async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        Ok(self.rows().checkpoints.last().cloned())
    }

    /// No tree: a chain of hashes, so that another history has another note.
    async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        let at = self.now();
        let mut rows = self.rows();
        let last = rows.checkpoints.last().cloned();
        if rows.placed == last.as_ref().map_or(0, |c| c.size) {
            return Ok(last);
        }
        let (size, root) = (rows.placed, hex::encode(rows.root));
        let note = format!("in memory\n{size}\n{root}\n");
        rows.checkpoints.push(CheckpointRow { size, at, note, anchored_at: None });
        Ok(rows.checkpoints.last().cloned())
    }

    async fn not_anchored(&self) -> Result<Vec<CheckpointRow>, Error> {
        let rows = self.rows();
        Ok(rows.checkpoints.iter().filter(|c| c.anchored_at.is_none()).cloned().collect())
    }

    async fn anchored(&self, checkpoint: &CheckpointRow) -> Result<(), Error> {
        let at = self.now();
        let mut rows = self.rows();
        let mut waiting = rows.checkpoints.iter_mut().filter(|c| c.anchored_at.is_none());
        if let Some(found) = waiting.find(|c| c.size == checkpoint.size) {
            found.anchored_at = Some(at);
        }
        Ok(())
    }

    async fn saved(&self, checkpoint: &CheckpointRow) -> Result<Saved, Error> {
        let rows = self.rows();
        let before = rows.checkpoints.iter().rfind(|c| c.size < checkpoint.size);
        let from = before.map_or(0, |c| c.size);
        let root = checkpoint.note.lines().nth(2).unwrap_or_default().to_owned();
        let (log, size, at) = ("in memory".to_owned(), checkpoint.size, checkpoint.at);
        let mut saved = Saved { format: FORMAT, log, size, root, at, from, ..Saved::default() };
        let place = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        for row in rows.journal.iter().take(place(size)).skip(place(from)) {
            let leaf = Leaf::read(&row.entry.body)?;
            saved.take(leaf.at, &leaf.about);
        }
        rows.save_entries(&mut saved);
        Ok(saved)
    }

    async fn database_time(&self) -> Result<Timestamp, Error> {
        Ok(self.made().database_clock.now())
    }

    async fn commit(&self, unit: Unit) -> Result<(), Error> {
        self.write(unit)
    }

    fn digest(&self, bytes: &[u8]) -> String {
        digest(bytes)
    }
}

impl HeldLane {
    fn is_of(&self, lease: &Lease) -> bool {
        self.epoch == lease.epoch && self.held.as_ref().is_some_and(|(by, _)| *by == lease.owner)
    }
}

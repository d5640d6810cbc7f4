//! Faults that are put between a worker and its store or its vendors, in one process: cheap enough
//! for every run of the tests.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use async_trait::async_trait;
use efface_connector::{
    Answer, Call, Connector, ConnectorError, Evidence, Found, Item, ItemId, Order, Prepared,
    Presence, Probe, Recalled, Receipt,
};
use efface_core::{
    AccountId, Identifier, LaneId, ReceiptId, RequestId, Scope, Timestamp, manifest::EffectClass,
    request::Request, restore::Saved, task::Queue,
};
use efface_store::{
    AccountRow, Attendance, CheckpointRow, Directory, DueFollowUp, DueReceipt, DueTask, DueWatch,
    Errand, Error, Lease, LeaseTerms, ListHit, OnList, OpenOrder, RecordOf, SqlStore, Store, Unit,
    Wakes,
};
use efface_worker::ConnectedAccount;
use tokio::sync::Notify;

/// A moment of the work at which everything ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    Order,
    Record,
    Poll,
    Errand,
    Signing,
    Anchoring,
}

impl Work {
    pub const ALL: [Self; 6] =
        [Self::Order, Self::Record, Self::Poll, Self::Errand, Self::Signing, Self::Anchoring];

    fn of(unit: &Unit) -> Option<Self> {
        if !unit.new_orders.is_empty() {
            Some(Self::Order)
        } else if !unit.errands_done.is_empty() {
            Some(Self::Errand)
        } else if !unit.orders.is_empty() {
            Some(Self::Record)
        } else if !unit.receipts.is_empty() {
            Some(Self::Poll)
        } else {
            None
        }
    }
}

/// Whether a unit commits orders that change somebody.
fn changes(unit: &Unit) -> bool {
    unit.new_orders.iter().any(|order| order.class != EffectClass::ReadOnly)
}

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Ends there, for the so-manieth time it is come to; `after` it was written, or before.
    Ends { at: Work, after: bool, times: u32 },
    /// Says that an order which changes somebody is committed, and commits none.
    NoOrders,
    /// Writes orders, and every second time says that the database did not answer.
    Unanswered,
    /// Checks no lease, and never learns that one is lost.
    NoFence,
}

/// A store with a flaw before the real one.
pub struct Flawed {
    inner: Arc<SqlStore>,
    flaw: Flaw,
    met: AtomicU32,
    /// Told when the end was come to.
    pub ended: Arc<Notify>,
}

impl Flawed {
    #[must_use]
    pub fn new(inner: Arc<SqlStore>, flaw: Flaw) -> Self {
        Self { inner, flaw, met: AtomicU32::new(0), ended: Arc::default() }
    }

    /// Does the work, unless it ends here: then it never returns.
    async fn passes<T>(
        &self,
        work: Option<Work>,
        done: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Flaw::Ends { at, after, times } = self.flaw else { return done.await };
        let here = work == Some(at) && self.met.fetch_add(1, Ordering::SeqCst) + 1 == times;
        if here && !after {
            return self.end().await;
        }
        let done = done.await;
        if here {
            return self.end().await;
        }
        done
    }

    async fn end<T>(&self) -> T {
        self.ended.notify_one();
        std::future::pending().await
    }
}

#[async_trait]
impl Store for Flawed {
    fn directory(&self) -> &Directory {
        self.inner.directory()
    }
    fn wakes(&self) -> &Wakes {
        self.inner.wakes()
    }
    async fn attend(
        &self,
        name: &str,
        serves: u32,
        terms: LeaseTerms,
    ) -> Result<Attendance, Error> {
        self.inner.attend(name, serves, terms).await
    }
    async fn leave(&self, name: &str) -> Result<(), Error> {
        self.inner.leave(name).await
    }
    async fn take_lanes(
        &self,
        owner: &str,
        lanes: &[LaneId],
        terms: LeaseTerms,
    ) -> Result<Vec<(Lease, u64)>, Error> {
        self.inner.take_lanes(owner, lanes, terms).await
    }
    async fn renew(&self, leases: &[Lease], terms: LeaseTerms) -> Result<Vec<Lease>, Error> {
        match self.flaw {
            Flaw::NoFence => Ok(leases.to_vec()),
            Flaw::Ends { .. } | Flaw::NoOrders | Flaw::Unanswered => {
                self.inner.renew(leases, terms).await
            }
        }
    }
    async fn give_back(&self, leases: &[Lease]) -> Result<(), Error> {
        self.inner.give_back(leases).await
    }
    async fn accounts(&self) -> Result<Vec<AccountRow>, Error> {
        self.inner.accounts().await
    }
    async fn account(&self, id: &AccountId) -> Result<AccountRow, Error> {
        self.inner.account(id).await
    }
    async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        self.inner.wake_due(lane, now).await
    }
    async fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error> {
        self.inner.due_tasks(account, queue, limit).await
    }
    async fn open_orders(&self, lane: &LaneId) -> Result<Vec<OpenOrder>, Error> {
        self.inner.open_orders(lane).await
    }
    async fn unknown_orders(&self, lane: &LaneId, now: Timestamp) -> Result<Vec<OpenOrder>, Error> {
        self.inner.unknown_orders(lane, now).await
    }
    async fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error> {
        self.inner.due_receipts(lane, now, limit).await
    }
    async fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error> {
        self.inner.receipts(ids).await
    }
    async fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Result<Vec<DueFollowUp>, Error> {
        self.inner.due_follow_ups(now, limit).await
    }
    async fn on_list(&self, requests: &[Request]) -> Result<Vec<OnList>, Error> {
        self.inner.on_list(requests).await
    }

    async fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWatch>, Error> {
        self.inner.due_watches(account, now, limit).await
    }

    async fn list_hits(
        &self,
        account: &AccountId,
        scope: Scope,
        people: &[Vec<Identifier>],
    ) -> Result<Vec<ListHit>, Error> {
        self.inner.list_hits(account, scope, people).await
    }

    async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error> {
        self.inner.record_of(request).await
    }
    async fn due_errands(&self, lane: &LaneId) -> Result<Vec<Errand>, Error> {
        self.inner.due_errands(lane).await
    }
    async fn next_wake(&self, lane: &LaneId) -> Result<Option<Timestamp>, Error> {
        self.inner.next_wake(lane).await
    }
    async fn place_leaves(&self, lease: &Lease, most: u32) -> Result<u64, Error> {
        self.inner.place_leaves(lease, most).await
    }
    async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        self.inner.last_checkpoint().await
    }
    async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        self.passes(Some(Work::Signing), self.inner.sign_checkpoint()).await
    }
    async fn not_anchored(&self) -> Result<Vec<CheckpointRow>, Error> {
        self.inner.not_anchored().await
    }
    async fn anchored(&self, checkpoint: &CheckpointRow) -> Result<(), Error> {
        self.passes(Some(Work::Anchoring), self.inner.anchored(checkpoint)).await
    }
    async fn saved(&self, checkpoint: &CheckpointRow) -> Result<Saved, Error> {
        self.inner.saved(checkpoint).await
    }
    async fn database_time(&self) -> Result<Timestamp, Error> {
        self.inner.database_time().await
    }
    async fn commit(&self, mut unit: Unit) -> Result<(), Error> {
        let work = Work::of(&unit);
        match self.flaw {
            Flaw::NoOrders if changes(&unit) => return Ok(()),
            Flaw::NoFence => unit.fence = None,
            Flaw::Unanswered
                if !unit.new_orders.is_empty()
                    && self.met.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) =>
            {
                self.inner.commit(unit).await?;
                return Err(Error::Unavailable("the way was cut".into()));
            }
            Flaw::Ends { .. } | Flaw::NoOrders | Flaw::Unanswered => {}
        }
        self.passes(work, self.inner.commit(unit)).await
    }
    fn digest(&self, bytes: &[u8]) -> String {
        self.inner.digest(bytes)
    }
}

/// How a connector misbehaves when it is told to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Panics,
    NeverReturns,
}

/// A connector that misbehaves the first so many times.
pub struct Unruly {
    inner: Arc<dyn Connector>,
    mood: Mood,
    left: AtomicU32,
}

impl Unruly {
    /// Puts it before the account's own connector.
    ///
    /// # Panics
    /// When there is no such account.
    pub fn at(
        accounts: &mut HashMap<AccountId, ConnectedAccount>,
        account: &str,
        mood: Mood,
        times: u32,
    ) {
        let id = AccountId::new(account).expect("name");
        let account = accounts.get_mut(&id).expect("an account");
        let inner = account.connector.clone();
        account.connector = Arc::new(Self { inner, mood, left: AtomicU32::new(times) });
    }
}

#[async_trait]
impl Connector for Unruly {
    fn prepare(&self, now: Timestamp, order: &Order) -> Result<Prepared, ConnectorError> {
        self.inner.prepare(now, order)
    }
    async fn submit(
        &self,
        call: &Call<'_>,
        order: &Order,
        prepared: &Prepared,
    ) -> Result<Answer, ConnectorError> {
        let left = |n: u32| n.checked_sub(1);
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok() {
            match self.mood {
                Mood::Panics => panic!("the connector panics on purpose"),
                Mood::NeverReturns => std::future::pending().await,
            }
        }
        self.inner.submit(call, order, prepared).await
    }
    async fn poll(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Answer, ConnectorError> {
        self.inner.poll(call, order, receipt).await
    }
    async fn look_up(
        &self,
        call: &Call<'_>,
        items: &[Item],
    ) -> Result<Vec<(ItemId, Presence, Evidence)>, ConnectorError> {
        self.inner.look_up(call, items).await
    }
    async fn probe(&self, call: &Call<'_>) -> Result<Probe, ConnectorError> {
        self.inner.probe(call).await
    }
    async fn find(&self, call: &Call<'_>, order: &Order) -> Result<Found, ConnectorError> {
        self.inner.find(call, order).await
    }
    async fn recall(
        &self,
        call: &Call<'_>,
        order: &Order,
        receipt: &Receipt,
    ) -> Result<Recalled, ConnectorError> {
        self.inner.recall(call, order, receipt).await
    }
}

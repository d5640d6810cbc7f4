//! A worker's store: the one in memory, behind numbered calls at which something may go wrong.

use std::{future::pending, sync::Arc, time::Duration};

use async_trait::async_trait;
use efface_core::{
    AccountId, Identifier, LaneId, ReceiptId, RequestId, Scope, Timestamp, request::Request,
    restore::Saved, task::Queue,
};
use efface_store::{
    AccountRow, Attendance, CheckpointRow, Directory, DueFollowUp, DueReceipt, DueTask, DueWatch,
    Errand, Error, Lease, LeaseTerms, ListHit, OnList, OpenOrder, RecordOf, Store, Unit, Wakes,
};
use efface_testkit::memory::MemoryStore;

use super::{
    executor::Yield,
    faults::{Kind, Side},
    run::{Process, World},
};

/// What one call costs.
const CALL: Duration = Duration::from_millis(1);

pub struct Faulty {
    pub store: MemoryStore,
    pub world: Arc<World>,
    pub process: Process,
}

fn silent() -> Error {
    Error::Unavailable("the simulated database does not answer".into())
}

impl Faulty {
    /// Before the call; what is to happen after it comes back.
    async fn begin(&self) -> Result<Option<Kind>, Error> {
        self.world.time.pass(CALL);
        match self.world.latency() {
            Some(wait) => self.world.time.sleep(wait).await,
            None => Yield::default().await,
        }
        let fault = self.world.fault(Side::Store);
        match fault {
            Some(Kind::ErrorBefore) => return Err(silent()),
            Some(Kind::Outage) => self.world.cut_off(),
            Some(Kind::ClockStep) => self.world.step_clock(),
            Some(Kind::KillBefore) => {
                self.world.kill(self.process);
                pending::<()>().await;
            }
            Some(Kind::FreezeBefore) => {
                self.world.freeze(self.process);
                Yield::default().await;
            }
            Some(Kind::ErrorAfter | Kind::KillAfter | Kind::FreezeAfter) | None => {}
        }
        if self.world.is_cut_off() { Err(silent()) } else { Ok(fault) }
    }

    async fn end<T>(&self, fault: Option<Kind>, done: Result<T, Error>) -> Result<T, Error> {
        match fault {
            Some(Kind::ErrorAfter) => return Err(silent()),
            Some(Kind::KillAfter) => {
                self.world.kill(self.process);
                pending::<()>().await;
            }
            Some(Kind::FreezeAfter) => {
                self.world.freeze(self.process);
                Yield::default().await;
            }
            _ => {}
        }
        done
    }
}

macro_rules! through {
    ($self:ident, $call:expr) => {{
        let fault = $self.begin().await?;
        let done = $call.await;
        $self.end(fault, done).await
    }};
}

#[async_trait]
impl Store for Faulty {
    fn directory(&self) -> &Directory {
        self.store.directory()
    }

    fn wakes(&self) -> &Wakes {
        self.store.wakes()
    }

    async fn attend(
        &self,
        name: &str,
        serves: u32,
        terms: LeaseTerms,
    ) -> Result<Attendance, Error> {
        through!(self, self.store.attend(name, serves, terms))
    }

    async fn leave(&self, name: &str) -> Result<(), Error> {
        through!(self, self.store.leave(name))
    }

    async fn take_lanes(
        &self,
        owner: &str,
        lanes: &[LaneId],
        terms: LeaseTerms,
    ) -> Result<Vec<(Lease, u64)>, Error> {
        through!(self, self.store.take_lanes(owner, lanes, terms))
    }

    async fn renew(&self, leases: &[Lease], terms: LeaseTerms) -> Result<Vec<Lease>, Error> {
        through!(self, self.store.renew(leases, terms))
    }

    async fn give_back(&self, leases: &[Lease]) -> Result<(), Error> {
        through!(self, self.store.give_back(leases))
    }

    async fn accounts(&self) -> Result<Vec<AccountRow>, Error> {
        through!(self, self.store.accounts())
    }

    async fn account(&self, id: &AccountId) -> Result<AccountRow, Error> {
        through!(self, self.store.account(id))
    }

    async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        through!(self, self.store.wake_due(lane, now))
    }

    async fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error> {
        through!(self, self.store.due_tasks(account, queue, limit))
    }

    async fn open_orders(&self, lane: &LaneId) -> Result<Vec<OpenOrder>, Error> {
        through!(self, self.store.open_orders(lane))
    }

    async fn unknown_orders(&self, lane: &LaneId, now: Timestamp) -> Result<Vec<OpenOrder>, Error> {
        through!(self, self.store.unknown_orders(lane, now))
    }

    async fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error> {
        through!(self, self.store.due_receipts(lane, now, limit))
    }

    async fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error> {
        through!(self, self.store.receipts(ids))
    }

    async fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Result<Vec<DueFollowUp>, Error> {
        through!(self, self.store.due_follow_ups(now, limit))
    }

    async fn on_list(&self, requests: &[Request]) -> Result<Vec<OnList>, Error> {
        through!(self, self.store.on_list(requests))
    }

    async fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueWatch>, Error> {
        through!(self, self.store.due_watches(account, now, limit))
    }

    async fn list_hits(
        &self,
        account: &AccountId,
        scope: Scope,
        people: &[Vec<Identifier>],
    ) -> Result<Vec<ListHit>, Error> {
        through!(self, self.store.list_hits(account, scope, people))
    }

    async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error> {
        through!(self, self.store.record_of(request))
    }

    async fn due_errands(&self, lane: &LaneId) -> Result<Vec<Errand>, Error> {
        through!(self, self.store.due_errands(lane))
    }

    async fn next_wake(&self, lane: &LaneId) -> Result<Option<Timestamp>, Error> {
        through!(self, self.store.next_wake(lane))
    }

    async fn place_leaves(&self, lease: &Lease, most: u32) -> Result<u64, Error> {
        through!(self, self.store.place_leaves(lease, most))
    }

    async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        through!(self, self.store.last_checkpoint())
    }

    async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        through!(self, self.store.sign_checkpoint())
    }

    async fn not_anchored(&self) -> Result<Vec<CheckpointRow>, Error> {
        through!(self, self.store.not_anchored())
    }

    async fn anchored(&self, checkpoint: &CheckpointRow) -> Result<(), Error> {
        through!(self, self.store.anchored(checkpoint))
    }

    async fn saved(&self, checkpoint: &CheckpointRow) -> Result<Saved, Error> {
        through!(self, self.store.saved(checkpoint))
    }

    async fn database_time(&self) -> Result<Timestamp, Error> {
        through!(self, self.store.database_time())
    }

    async fn commit(&self, unit: Unit) -> Result<(), Error> {
        if self.world.settings.skip_first_commit && !unit.new_orders.is_empty() {
            // the control: a call leaves that nobody wrote down
            return Ok(());
        }
        through!(self, self.store.commit(unit))
    }

    fn digest(&self, bytes: &[u8]) -> String {
        self.store.digest(bytes)
    }
}

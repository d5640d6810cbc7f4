//! What lanes read.

use efface_core::{
    AccountId, LaneId, ReceiptId, RequestId, TaskAction, TaskId, Timestamp,
    order::{Order, OrderState, StoredReceipt},
    request::RequestState,
    subject::Value,
    task::{Cause, Queue, TaskState},
    watch::Watch,
};
use efface_store::{
    DueFollowUp, DueReceipt, DueTask, DueWatch, Errand, Error, KeptBack, OpenOrder, REQUESTS_LANE,
    TaskRow,
};

use super::rows::{Rows, StoredTask, WatchRow};

/// The most unknown orders, and errands, read at once.
const ORDERS: usize = 500;
const ERRANDS: usize = 20;

impl Rows {
    fn open(&self, stored: &StoredTask) -> Result<DueTask, Error> {
        let id = stored.row.task.request;
        let request = self.request(id)?;
        if request.is_forgotten {
            return Err(Error::Forgotten(id));
        }
        let kept_back = match (&request.request.hold, &request.request.state) {
            (Some(hold), _) => Some(KeptBack::Hold { reason: hold.reason.clone() }),
            (
                None,
                RequestState::Received | RequestState::Identified | RequestState::Released { .. },
            ) => Some(KeptBack::NotReleased),
            (None, _) => None,
        };
        let TaskRow { task, lane, deadline, since } = stored.row.clone();
        Ok(DueTask {
            identifiers: request.dossier.identifiers.clone(),
            memo: stored.memo.clone(),
            prior: stored.prior.clone(),
            task,
            lane,
            deadline,
            since,
            kept_back,
        })
    }

    pub(super) fn wake_due(&mut self, lane: &LaneId, now: Timestamp) -> usize {
        let waits =
            |t: &&mut StoredTask| t.row.lane == *lane && t.wake_at.is_some_and(|at| at <= now);
        let due = self.tasks.values_mut().filter(waits);
        due.map(|task| task.wake_at = None).count()
    }

    pub(super) fn due_tasks(
        &self,
        account: &AccountId,
        queue: Queue,
        limit: u32,
    ) -> Result<Vec<DueTask>, Error> {
        let is_due = |t: &&StoredTask| {
            t.queue == queue
                && queue != Queue::None
                && t.wake_at.is_none()
                && t.row.task.account == *account
        };
        let mut found: Vec<&StoredTask> = self.tasks.values().filter(is_due).collect();
        found.sort_by_key(|t| (t.row.deadline, t.row.task.id));
        found.truncate(limit as usize);
        let mut due = found.into_iter().map(|t| self.open(t)).collect::<Result<Vec<_>, _>>()?;
        for lift in &mut due {
            if lift.task.action == TaskAction::Lift && lift.prior.is_none() {
                let id = lift.task.request;
                let kept = self.prior_on_list(id, account);
                lift.prior = kept.or_else(|| self.prior_of_suppress(id, account));
            }
        }
        Ok(due)
    }

    /// What the first suppress of the same person at the same account kept.
    fn prior_of_suppress(&self, request: RequestId, account: &AccountId) -> Option<Value> {
        let mine: Vec<[u8; 32]> = self
            .tags
            .values()
            .filter(|t| t.request == request && t.drives)
            .map(|t| t.tag)
            .collect();
        let is_same = |id: &RequestId| {
            mine.iter()
                .any(|tag| self.tags.get(&(*tag, *id)).is_some_and(|t| t.drives && !t.shared))
        };
        let kept = self.tasks.values().filter(|t| t.row.task.account == *account);
        let mut kept = kept.filter(|t| t.prior.is_some() && is_same(&t.row.task.request));
        kept.next().and_then(|t| t.prior.clone())
    }

    fn items(
        &self,
        ids: &[TaskId],
        still: impl Fn(&TaskState) -> bool,
    ) -> Result<Vec<DueTask>, Error> {
        let stored = ids.iter().filter_map(|id| self.tasks.get(id));
        stored.filter(|t| still(&t.row.task.state)).map(|t| self.open(t)).collect()
    }

    /// Sending or unknown; unknown and due, where a time is given.
    pub(super) fn open_orders(
        &self,
        lane: &LaneId,
        due: Option<Timestamp>,
    ) -> Result<Vec<OpenOrder>, Error> {
        let is_open = |o: &&Order| {
            o.lane == *lane
                && match (o.state, due) {
                    (OrderState::Sending | OrderState::Unknown { .. }, None) => true,
                    (OrderState::Unknown { look_at, .. }, Some(now)) => look_at <= now,
                    _ => false,
                }
        };
        let mut found: Vec<&Order> = self.orders.values().filter(is_open).collect();
        if due.is_some() {
            found.sort_by_key(|o| match o.state {
                OrderState::Unknown { look_at, .. } => Some(look_at),
                OrderState::Sending | OrderState::Answered | OrderState::Desk => None,
            });
            found.truncate(ORDERS);
            found.sort_by_key(|o| o.id);
        }
        let open = |order: &Order| {
            let mine = |state: &TaskState| matches!(state, TaskState::Sending { order: o } | TaskState::Unknown { order: o, .. } if *o == order.id);
            Ok(OpenOrder { items: self.items(&order.items, mine)?, order: order.clone() })
        };
        found.into_iter().map(open).collect()
    }

    fn with_items(&self, receipt: &StoredReceipt) -> Result<DueReceipt, Error> {
        let order = self.orders.get(&receipt.order).ok_or_else(|| Error::NotFound {
            what: "order",
            id: receipt.order.to_string(),
            list: "desk",
        })?;
        let items = self.items(&order.items, |state| state.waits_on() == Some(receipt.id))?;
        Ok(DueReceipt { receipt: receipt.clone(), order: order.clone(), items })
    }

    pub(super) fn due_receipts(
        &self,
        lane: &LaneId,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<DueReceipt>, Error> {
        let is_due = |r: &&StoredReceipt| r.lane == *lane && !r.done && r.next_poll <= now;
        let mut found: Vec<&StoredReceipt> = self.receipts.values().filter(is_due).collect();
        found.sort_by_key(|r| r.next_poll);
        found.truncate(limit as usize);
        found.into_iter().map(|r| self.with_items(r)).collect()
    }

    pub(super) fn receipts(&self, ids: &[ReceiptId]) -> Result<Vec<DueReceipt>, Error> {
        let found = ids.iter().filter_map(|id| self.receipts.get(id));
        found.map(|r| self.with_items(r)).collect()
    }

    pub(super) fn due_follow_ups(&self, now: Timestamp, limit: u32) -> Vec<DueFollowUp> {
        let mut found: Vec<_> = self.follow_ups.iter().filter(|(_, (at, _))| *at <= now).collect();
        found.sort_by_key(|(id, (at, _))| (*at, **id));
        found.truncate(limit as usize);
        let due = found.into_iter().filter_map(|(id, (_, seq))| {
            let row = self.requests.get(id)?;
            let tasks = self.tasks_of(*id);
            let ended = |upon: &TaskId| {
                tasks.iter().any(|t| t.task.id == *upon && t.task.state.is_settled())
            };
            let waits = |t: &&StoredTask| matches!(&t.row.task.state, TaskState::Blocked { cause: Cause::Dependency(upon) } if ended(upon));
            let dependents = self.tasks.values().filter(waits).map(|t| t.row.clone()).collect();
            Some(DueFollowUp {
                seq: *seq,
                request: row.request.clone(),
                nobody_found_decided: row.nobody_found_decided,
                tasks,
                dependents,
                watches: self.watches_of(*id),
            })
        });
        due.collect()
    }

    /// Of a closed request; no other has one.
    pub(super) fn watches_of(&self, id: RequestId) -> Vec<Watch> {
        let mine = self.watches.values().filter(|w| w.watch.request == id);
        mine.map(|w| w.watch.clone()).collect()
    }

    pub(super) fn due_watches(
        &self,
        account: &AccountId,
        now: Timestamp,
        limit: u32,
    ) -> Vec<DueWatch> {
        let is_due = |w: &&WatchRow| {
            w.watch.account == *account && w.watch.next().is_some_and(|at| at <= now)
        };
        let mut found: Vec<&WatchRow> = self.watches.values().filter(is_due).collect();
        found.sort_by_key(|w| w.watch.next());
        found.truncate(limit as usize);
        let open =
            |w: &WatchRow| DueWatch { watch: w.watch.clone(), identifiers: w.identifiers.clone() };
        found.into_iter().map(open).collect()
    }

    pub(super) fn due_errands(&self, lane: &LaneId) -> Vec<Errand> {
        let open = self.errands.values().filter(|(e, answer)| e.lane == *lane && answer.is_none());
        open.take(ERRANDS).map(|(e, _)| e.clone()).collect()
    }

    pub(super) fn next_wake(&self, lane: &LaneId, now: Timestamp) -> Option<Timestamp> {
        let watches = self.watches.values().filter(|w| w.lane == *lane);
        let watches = watches.filter_map(|w| w.watch.next()).filter(|at| *at > now);
        let tasks = self.tasks.values().filter(|t| t.row.lane == *lane).filter_map(|t| t.wake_at);
        let polls = self.receipts.values().filter(|r| r.lane == *lane && !r.done);
        let looks =
            self.orders.values().filter(|o| o.lane == *lane).filter_map(|o| match o.state {
                OrderState::Unknown { look_at, .. } => Some(look_at),
                OrderState::Sending | OrderState::Answered | OrderState::Desk => None,
            });
        let follows = self.follow_ups.values().map(|(at, _)| *at);
        let follows = follows.filter(|_| lane.as_str() == REQUESTS_LANE);
        tasks.chain(polls.map(|r| r.next_poll)).chain(looks).chain(follows).chain(watches).min()
    }
}

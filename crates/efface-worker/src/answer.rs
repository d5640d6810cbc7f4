//! The second commit: what came back is written, against rows that may have moved meanwhile.

use std::{sync::atomic::Ordering, time::Duration};

use efface_connector::{Answer, ConnectorError, Exchange};
use efface_core::{
    EntryId,
    journal::{About, Entry},
    order::{Order, OrderState},
    task::Event,
};
use efface_store::{DueTask, EntryRow, Error as StoreError, OpenOrder, Unit, crash_point};

use crate::{
    call::Ended,
    fleet::ConnectedAccount,
    lane::Lane,
    record::{AccountNews, Record},
};

/// How often an answer is held against rows that moved under it.
const ATTEMPTS: u32 = 16;

/// How a unit with an answer fared.
enum Written {
    Done,
    /// Somebody changed one of its tasks, as a cancellation does.
    Moved,
    LaneLost,
    Refused,
}

/// An answer in the words of the store, and what the lane learns from it.
struct Told {
    order: Order,
    unit: Unit,
    news: Option<AccountNews>,
    halve: Vec<efface_core::TaskId>,
    infrastructure_failed: bool,
}

impl Lane {
    /// Writes what came back. A commit that fails for a passing reason is tried until the lease is
    /// gone: the rows are Sending, so nothing is lost and nothing is repeated. Where a task was
    /// marked while the call was out, the rules are asked again about the task as it stands now.
    pub(crate) async fn record(
        &self,
        order: &mut Order,
        mut items: Vec<DueTask>,
        account: &ConnectedAccount,
        ended: Ended<Answer>,
        exchanges: Vec<Exchange>,
    ) {
        let sent = order.clone();
        let mut attempts = 0;
        let told = loop {
            attempts += 1;
            let told = self.tell(&sent, &items, account, ended.clone(), exchanges.clone()).await;
            match self.commit_record(&told.unit).await {
                Written::Done => break told,
                Written::Moved if attempts < ATTEMPTS => match self.still_open(&sent).await {
                    Some(fresh) if fresh.order == sent => items = fresh.items,
                    // the order itself went on without this answer
                    Some(_) | None => {
                        self.keep_late(told.unit.clone()).await;
                        break told;
                    }
                },
                Written::LaneLost => {
                    // the next owner looks into the order
                    self.keep_late(told.unit.clone()).await;
                    break told;
                }
                Written::Moved | Written::Refused => {
                    self.keep_late(told.unit.clone()).await;
                    self.lose(&sent).await;
                    break told;
                }
            }
        };
        if !told.halve.is_empty() {
            let half = items.len().div_ceil(2);
            self.soft().company.extend(told.halve.iter().map(|id| (*id, half)));
        } else if !items.is_empty() {
            let mut soft = self.soft();
            if !soft.company.is_empty() {
                items.iter().for_each(|i| {
                    soft.company.remove(&i.task.id);
                });
            }
        }
        order.clone_from(&told.order);
        self.account_heard(&order.account, told.news, told.infrastructure_failed).await;
    }

    async fn tell(
        &self,
        sent: &Order,
        items: &[DueTask],
        account: &ConnectedAccount,
        ended: Ended<Answer>,
        exchanges: Vec<Exchange>,
    ) -> Told {
        let mut order = sent.clone();
        let status = exchanges.last().and_then(|e| e.status);
        let condition = self.condition(&order.account).await;
        let mut record = Record::new(
            &self.hands,
            self.store.directory(),
            condition.as_deref().map(|c| &c.condition),
            &account.manifest,
            &self.lease,
        );
        record.look_after = self.look_after(&order);
        record.exchanges(Some(&order), &order.account, exchanges);
        match ended {
            Ended::Answered(answer) => record.answer(&mut order, items, answer),
            Ended::Failed(error) => record.order_failed(&mut order, items, &error),
            Ended::Panicked => {
                order.recoveries += 1;
                order.recovered_at.push(self.hands.clock.now());
                let error = ConnectorError::unknown("the connector panicked");
                record.order_failed(&mut order, items, &error);
            }
        }
        let infrastructure_failed = record.infrastructure_failed;
        let about = match order.state {
            OrderState::Unknown { .. } => {
                About::OrderUnknown { order: order.id, why: "the answer was lost".into() }
            }
            OrderState::Sending | OrderState::Answered | OrderState::Desk => About::OrderAnswered {
                order: order.id,
                status,
                evidence: std::mem::take(&mut record.evidence),
            },
        };
        let (mut unit, news, halve) = record.finish(Some(about));
        unit.orders.push(order.clone());
        Told { order, unit, news, halve, infrastructure_failed }
    }

    async fn commit_record(&self, unit: &Unit) -> Written {
        loop {
            crash_point("record-before-commit");
            match self.store.commit(unit.clone()).await {
                Ok(()) => {
                    crash_point("record-after-commit");
                    return Written::Done;
                }
                Err(error) if error.is_passing() && !self.lost.load(Ordering::Relaxed) => {
                    tracing::warn!(lane = %self.name, %error, "an answer waits for the database");
                    self.hands.runtime.sleep(Duration::from_millis(200)).await;
                }
                Err(StoreError::Stale { .. }) => return Written::Moved,
                Err(StoreError::LaneLost { .. }) => return Written::LaneLost,
                Err(error) => {
                    tracing::error!(lane = %self.name, %error, "an answer could not be written; its order will be looked into");
                    return if error.is_passing() { Written::LaneLost } else { Written::Refused };
                }
            }
        }
    }

    /// An order that still waits for its answer, as it and its items stand now.
    async fn still_open(&self, order: &Order) -> Option<OpenOrder> {
        while !self.lost.load(Ordering::Relaxed) {
            match self.store.open_orders(&self.name).await {
                Ok(open) => {
                    let found = open.into_iter().find(|o| o.order.id == order.id)?;
                    return (!found.items.is_empty()).then_some(found);
                }
                Err(error) => {
                    tracing::warn!(lane = %self.name, order = %order.id, %error, "an answer waits for the database");
                    self.hands.runtime.sleep(Duration::from_millis(200)).await;
                }
            }
        }
        None
    }

    /// An answer that cannot be written is a lost one: its order is looked into.
    pub(crate) async fn lose(&self, order: &Order) {
        while let Some(OpenOrder { mut order, items }) = self.still_open(order).await {
            if order.state != OrderState::Sending {
                return;
            }
            let since = self.hands.clock.now();
            let look_at = since.plus(self.look_after(&order));
            order.state = OrderState::Unknown { since, look_at };
            let why = "the answer could not be written";
            match self.move_all(&mut order, &items, &Event::OutcomeUnknown, why, None).await {
                Ok(()) | Err(StoreError::LaneLost { .. }) => return,
                Err(error) => {
                    tracing::warn!(lane = %self.name, order = %order.id, %error, "an order waits to be marked");
                    self.hands.runtime.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    /// The answer came too late to count: kept as evidence, changes nothing by itself.
    async fn keep_late(&self, unit: Unit) {
        let now = self.hands.clock.now();
        let order = unit.orders.first().map(|o| o.id);
        let mut late = Unit { exchanges: unit.exchanges, ..Unit::default() };
        if let Some(order) = order {
            let status = late.exchanges.last().and_then(|e| e.status);
            let about = About::LateAnswer {
                order,
                status,
                note: "arrived after its lane had moved on".into(),
            };
            late.entries.push(EntryRow::from(Entry::new(
                EntryId::new(now, &*self.hands.chance),
                now,
                "worker",
                about,
                &[],
            )));
        }
        if let Err(error) = self.store.commit(late).await {
            tracing::warn!(lane = %self.name, %error, "a late answer could not be kept");
        }
    }
}

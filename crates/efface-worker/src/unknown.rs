//! Orders whose answer was lost: frozen, looked into, then resolved by class. Never regrouped
//! before a definite answer.

use std::{sync::Arc, time::Duration};

use efface_connector::{Answer, Call, ConnectorError, Found};
use efface_core::{
    OrderId,
    desk::{Reason, Subject},
    journal::About,
    manifest::EffectClass,
    order::{self, Order, OrderState, Poison, Resolution},
    task::{Event, TaskState},
};
use efface_store::{DueTask, Error as StoreError, OpenOrder, TaskWrite};

use crate::{
    call::{Ended, wire_order},
    fleet::ConnectedAccount,
    lane::{Accounts, Lane},
    record::Record,
};

impl Lane {
    /// How long after a lost answer the vendor is asked: one longest call after the call's own time
    /// limit, and longer with each repeat.
    pub(crate) fn look_after(&self, order: &Order) -> Duration {
        let first = self.options.call_timeout;
        let again = self
            .store
            .directory()
            .policy
            .retry
            .base
            .saturating_mul(4u32.saturating_pow(order.repeats.min(8)));
        if order.repeats == 0 {
            first
        } else {
            first.max(again.min(Duration::from_secs(24 * 3600)))
        }
    }

    /// At the start of a life: what was Sending when the last owner was lost is Unknown. Nothing
    /// is sent before that is written; what cannot be written at all holds nobody else up.
    pub(crate) async fn recover(self: &Arc<Self>) {
        while !self.over() {
            match self.mark_lost_orders().await {
                Ok(true) | Err(StoreError::LaneLost { .. }) => return,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(lane = %self.name, %error, "the lane cannot read its orders yet");
                }
            }
            self.hands.runtime.sleep(Duration::from_secs(1)).await;
        }
    }

    /// Whether all are marked that can be.
    async fn mark_lost_orders(&self) -> Result<bool, StoreError> {
        let mut all = true;
        for OpenOrder { mut order, items } in self.store.open_orders(&self.name).await? {
            if order.state != OrderState::Sending {
                continue;
            }
            let now = self.hands.clock.now();
            order.recoveries += 1;
            order.recovered_at.push(now);
            // its call may be out still: whoever had the lane may live
            let look_at = now.plus(self.look_after(&order));
            order.state = OrderState::Unknown { since: now, look_at };
            let why = "owner lost while the call was out";
            match self.move_all(&mut order, &items, &Event::OutcomeUnknown, why, None).await {
                Ok(()) => {}
                Err(error @ StoreError::LaneLost { .. }) => return Err(error),
                Err(error) => {
                    // a task that moved meanwhile is read anew
                    all &= !(error.is_passing() || matches!(error, StoreError::Stale { .. }));
                    tracing::warn!(lane = %self.name, order = %order.id, %error, "a lost order could not be marked");
                }
            }
        }
        Ok(all)
    }

    /// Applies one event to all items of an order and writes the order.
    pub(crate) async fn move_all(
        &self,
        order: &mut Order,
        items: &[DueTask],
        event: &Event,
        why: &str,
        desk: Option<Reason>,
    ) -> Result<(), StoreError> {
        let Some(account) = self.members.get(&order.account) else { return Ok(()) };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        for due in items {
            record.happen(due, event, None);
        }
        if let Some(reason) = desk {
            // one entry for the order instead of one for each item
            record.unit.desk_opens.clear();
            record.open_desk(Subject::Order(order.id), reason, None);
        }
        let (mut unit, _, _) =
            record.finish(Some(About::OrderUnknown { order: order.id, why: why.to_owned() }));
        unit.orders.push(order.clone());
        self.store.commit(unit).await
    }

    /// Looks into the unknown orders that are due.
    pub(crate) async fn resolve_unknown(
        self: &Arc<Self>,
        accounts: &Accounts,
    ) -> Result<bool, StoreError> {
        let now = self.hands.clock.now();
        let mut busy = false;
        // read first: what ends between the two is seen by the query, what has not ended by this
        let out = self.soft().resolving.clone();
        for OpenOrder { mut order, items } in self.store.unknown_orders(&self.name, now).await? {
            let OrderState::Unknown { look_at, .. } = order.state else { continue };
            if look_at > now || out.contains(&order.id.0) || self.free_calls() == 0 {
                continue;
            }
            let can = accounts
                .get(&order.account)
                .is_some_and(|row| row.condition.stands_in_the_way(now).is_none());
            if !can {
                self.look_later(&mut order, vec![]).await?;
                continue;
            }
            let Some(account) = self.members.get(&order.account).cloned() else { continue };
            if !self.soft().resolving.insert(order.id.0) {
                continue;
            }
            busy = true;
            let lane = self.clone();
            self.launch(move |out| async move {
                let id = order.id.0;
                lane.resolve_one(order, items, account).await;
                lane.soft().resolving.remove(&id);
                drop(out);
            });
        }
        Ok(busy)
    }

    async fn resolve_one(
        self: &Arc<Self>,
        mut order: Order,
        items: Vec<DueTask>,
        account: Arc<ConnectedAccount>,
    ) {
        let done = self.try_resolve(&mut order, items, &account).await;
        if let Err(error) = done {
            tracing::warn!(lane = %self.name, order = %order.id, %error, "an unknown order could not be resolved yet");
        }
    }

    async fn try_resolve(
        self: &Arc<Self>,
        order: &mut Order,
        items: Vec<DueTask>,
        account: &Arc<ConnectedAccount>,
    ) -> Result<(), StoreError> {
        let now = self.hands.clock.now();
        let unknown: Vec<DueTask> = items
            .into_iter()
            .filter(|i| matches!(i.task.state, TaskState::Unknown { .. }))
            .collect();
        if unknown.is_empty() {
            order.state = OrderState::Answered;
            return self
                .move_all(order, &[], &Event::OutcomeUnknown, "nothing of it is open", None)
                .await;
        }
        match order::poison(order, now) {
            Poison::Healthy => {}
            Poison::Halve => return self.halve(order, &unknown).await,
            Poison::Desk => return self.to_desk(order, &unknown, Reason::Poison).await,
        }
        let keyed_by = self
            .store
            .directory()
            .account(&order.account)
            .map(|a| a.keyed_by.clone())
            .unwrap_or_default();
        let wire = wire_order(order, &unknown, &keyed_by);
        if account.manifest.finds {
            let turns = self.turns();
            let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
            let work = account.connector.find(&call, &wire);
            let ended = turns.guarded("find", self.options.call_timeout * 2, work).await;
            let exchanges = call.take_exchanges();
            match ended {
                Ended::Answered(Found::Arrived(answer)) if tells(&answer, &unknown) => {
                    self.record(order, unknown, account, Ended::Answered(answer), exchanges).await;
                    return Ok(());
                }
                Ended::Answered(Found::NeverArrived) => {
                    self.never_arrived(order, &unknown, account, exchanges).await;
                    return Ok(());
                }
                // it arrived, and nothing is told of those who are left: asked for ever, it would
                // never come before a person
                Ended::Answered(Found::Arrived(_) | Found::CannotTell) => {}
                Ended::Failed(_) | Ended::Panicked => {
                    return self.look_later(order, exchanges).await;
                }
            }
        }
        let changing = order.class != EffectClass::ReadOnly;
        let condition = self.condition(&order.account).await;
        let stands = condition.and_then(|row| row.condition.stands_in_the_way_of_a_change(now));
        if changing && stands.is_some() {
            return self.look_later(order, vec![]).await;
        }
        // who is kept back meanwhile is sent no change again
        let whole = unknown.len() == order.items.len()
            && !(changing && unknown.iter().any(|i| i.kept_back.is_some()));
        match order::resolve(order.class, order.first_sent_at, order.repeats, now) {
            Resolution::SendAgain if whole => {
                self.send_again(order, unknown, account, &keyed_by).await
            }
            // some were answered: the rest of an idempotent order is free to travel again
            Resolution::SendAgain
                if matches!(
                    order.class,
                    EffectClass::ReadOnly | EffectClass::NaturallyIdempotent
                ) =>
            {
                order.state = OrderState::Answered;
                let event = Event::Answered {
                    answer: efface_core::task::Answered::RetryLater { retry_after: None },
                };
                self.move_all(
                    order,
                    &unknown,
                    &event,
                    "left out of the answer, or kept back; harmless to repeat",
                    None,
                )
                .await
            }
            Resolution::SendAgain | Resolution::Desk => {
                self.to_desk(order, &unknown, Reason::UnknownOutcome).await
            }
        }
    }

    /// A commit that was not answered may have been carried out.
    pub(crate) fn doubt(&self, orders: Vec<OrderId>) {
        let now = self.hands.runtime.monotonic();
        self.soft().in_doubt.extend(orders.into_iter().map(|id| (id, now)));
    }

    /// Orders that stand as sent by a commit nobody answered: they were not. A database that was silent
    /// may carry out what it was told a moment later, so they are looked for as long as a lease lasts.
    pub(crate) async fn settle_doubts(&self) -> Result<(), StoreError> {
        if self.soft().in_doubt.is_empty() {
            return Ok(());
        }
        for OpenOrder { mut order, items } in self.store.open_orders(&self.name).await? {
            if order.state != OrderState::Sending || !self.soft().in_doubt.contains_key(&order.id) {
                continue;
            }
            let Some(account) = self.members.get(&order.account).cloned() else { continue };
            if order.repeats == 0 {
                self.never_arrived(&mut order, &items, &account, vec![]).await;
            } else {
                // what became of the times before is as unknown as it was
                self.lose(&order).await;
            }
            self.soft().in_doubt.remove(&order.id);
        }
        let now = self.hands.runtime.monotonic();
        let lease = self.options.lease;
        self.soft().in_doubt.retain(|_, since| now.saturating_sub(*since) < lease);
        Ok(())
    }

    async fn halve(&self, order: &mut Order, items: &[DueTask]) -> Result<(), StoreError> {
        let half = items.len().div_ceil(2);
        self.soft().company.extend(items.iter().map(|i| (i.task.id, half)));
        order.state = OrderState::Answered;
        let event = Event::Answered { answer: efface_core::task::Answered::NotDone };
        self.move_all(order, items, &event, "lost three times; told apart in halves", None).await
    }

    async fn to_desk(
        &self,
        order: &mut Order,
        items: &[DueTask],
        reason: Reason,
    ) -> Result<(), StoreError> {
        order.state = OrderState::Desk;
        let event = Event::ToDesk { reason: reason.clone() };
        self.move_all(order, items, &event, "a repeat could do harm", Some(reason)).await
    }

    /// It is known of every person that nothing was done.
    pub(crate) async fn never_arrived(
        &self,
        order: &mut Order,
        items: &[DueTask],
        account: &ConnectedAccount,
        exchanges: Vec<efface_connector::Exchange>,
    ) {
        let answer = Answer {
            items: items
                .iter()
                .map(|i| (i.task.id, efface_connector::ItemAnswer::NotSent))
                .collect(),
            accepted: vec![],
        };
        self.record(order, items.to_vec(), account, Ended::Answered(answer), exchanges).await;
    }

    async fn look_later(
        &self,
        order: &mut Order,
        exchanges: Vec<efface_connector::Exchange>,
    ) -> Result<(), StoreError> {
        let Some(account) = self.members.get(&order.account) else { return Ok(()) };
        let now = self.hands.clock.now();
        order.state = OrderState::Unknown {
            since: now,
            look_at: now.plus(self.look_after(order).max(Duration::from_secs(5))),
        };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        record.exchanges(Some(order), &order.account, exchanges);
        let (mut unit, _, _) = record.finish(None);
        unit.orders.push(order.clone());
        self.store.commit(unit).await
    }

    /// The same order again: whole, same body, same key.
    async fn send_again(
        self: &Arc<Self>,
        order: &mut Order,
        items: Vec<DueTask>,
        account: &Arc<ConnectedAccount>,
        keyed_by: &[efface_core::IdentifierKind],
    ) -> Result<(), StoreError> {
        let mut in_order = vec![];
        for id in &order.items {
            if let Some(found) = items.iter().find(|i| i.task.id == *id) {
                in_order.push(found.clone());
            }
        }
        let wire = wire_order(order, &in_order, keyed_by);
        let prepared = account.connector.prepare(order.first_sent_at, &wire);
        let same = prepared.as_ref().is_ok_and(|p| {
            p.request.as_ref().map(|r| account.http.digest(r)).unwrap_or_default()
                == order.body_digest
                && p.items.len() == in_order.len()
        });
        let Ok(prepared) = prepared else {
            return self.to_desk(order, &in_order, Reason::UnknownOutcome).await;
        };
        if !same {
            // identifiers were added meanwhile: what would leave now is not what left then
            return self.to_desk(order, &in_order, Reason::UnknownOutcome).await;
        }
        order.repeats += 1;
        order.state = OrderState::Sending;
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        for due in &mut in_order {
            let Some(TaskWrite { task, .. }) = record.happen(due, &Event::SentAgain, None) else {
                return Ok(());
            };
            due.task = task.clone();
        }
        let (mut unit, _, _) =
            record.finish(Some(About::OrderSent { order: Box::new(order.clone()) }));
        unit.orders.push(order.clone());
        if let Err(error) = self.store.commit(unit).await {
            self.doubt(vec![order.id]);
            return Err(error);
        }
        let turns = if account.manifest.finds { self.unpaid_turns() } else { self.turns() };
        let call = Call::new(&account.http, self.hands.clock.now()).in_turn(&turns);
        let ended = if self.is_surely_ours() {
            let submit = account.connector.submit(&call, &wire, &prepared);
            turns.guarded("submit", self.options.call_timeout * 2, submit).await
        } else {
            // what became of the first time is as unknown as before
            Ended::Failed(ConnectorError::unknown("not sent again: the lease was about to end"))
        };
        let exchanges = call.take_exchanges();
        self.record(order, in_order, account, ended, exchanges).await;
        Ok(())
    }
}

/// Whether an answer tells of any of these people: each counts who is named once.
fn tells(answer: &Answer, items: &[DueTask]) -> bool {
    let told = || {
        let accepted = answer.accepted.iter().flat_map(|a| a.items.iter().map(|(id, _)| *id));
        answer.items.iter().map(|(id, _)| *id).chain(accepted)
    };
    items.iter().any(|i| told().filter(|id| *id == i.task.id).count() == 1)
}

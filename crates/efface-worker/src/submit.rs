//! Orders: taken from what is due, committed before a byte leaves, recorded when the answer is in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use efface_connector::Call;
use efface_core::{
    AccountId, EntryId, OrderId, Scope, TaskAction,
    account::Condition,
    desk::{Reason, Subject},
    journal::{About, Entry, TaskChange},
    manifest::{EffectClass, StepId},
    order::Order,
    task::{Cause, Event, Queue, TaskState},
};
use efface_store::{
    AccountRow, AccountWrite, DueTask, EntryRow, Error as StoreError, Unit, crash_point,
};

use crate::{
    fleet::ConnectedAccount,
    form::Formed,
    lane::{Lane, Out},
    record::Record,
};

/// Tasks that may travel in one order.
type Company = (AccountId, TaskAction, Option<Scope>, StepId);

/// The most tasks read, and put into orders, at once; a larger batch of one vendor counts more.
const WINDOW: u32 = 2_000;

impl Lane {
    /// Sends up to `free` orders; how many were sent.
    pub(crate) async fn submit(self: &Arc<Self>, free: u32) -> Result<u32, StoreError> {
        if free == 0 {
            return Ok(0);
        }
        let largest = self.members.values().map(|m| largest_batch(m)).max().unwrap_or(1);
        let window = free.saturating_mul(largest).clamp(1, WINDOW.max(largest));
        self.soft().lingers = None;
        let now = self.hands.clock.now();
        let may = |c: &Condition| c.stands_in_the_way_of_a_change(now).is_none();
        let due = self.due(Queue::Submit, window, may).await?;
        let (kept, due): (Vec<DueTask>, Vec<DueTask>) =
            due.into_iter().partition(|t| t.kept_back.is_some());
        self.keep_back(kept).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut groups: BTreeMap<usize, Vec<DueTask>> = BTreeMap::new();
        let mut index: HashMap<Company, usize> = HashMap::new();
        for task in due {
            let key = (
                task.task.account.clone(),
                task.task.action,
                task.task.scope,
                task.task.step.clone(),
            );
            // earliest deadline first: a group stands where its first task stands
            let next = index.len();
            let n = *index.entry(key).or_insert(next);
            groups.entry(n).or_default().push(task);
        }
        let mut sent = 0;
        for (_, tasks) in groups {
            if sent >= free {
                break;
            }
            let Some(first) = tasks.first() else { continue };
            let Some(row) = self.known_account(&first.task.account) else { continue };
            sent += self.submit_group(&row, tasks, free - sent).await?;
        }
        Ok(sent)
    }

    async fn submit_group(
        self: &Arc<Self>,
        row: &AccountRow,
        tasks: Vec<DueTask>,
        free: u32,
    ) -> Result<u32, StoreError> {
        let Some(account) = self.members.get(&row.id).cloned() else { return Ok(0) };
        if !self.prove_key(row, &account).await? {
            return Ok(0);
        }
        let free =
            if matches!(row.condition.breaker, efface_core::account::Breaker::HalfOpen { .. }) {
                free.min(1)
            } else {
                free
            };
        let (formed, parked) = self.form(row, &account, tasks, free).await?;
        if formed.is_empty() {
            if parked {
                self.park(row).await?;
            }
            return Ok(0);
        }
        let ids: Vec<OrderId> = formed.iter().map(|f| f.order.id).collect();
        let formed = match self.commit_orders(row, formed).await {
            Ok(formed) => formed,
            Err(error) => {
                self.doubt(ids);
                // somebody else moved first: the next round reads anew
                return match error {
                    StoreError::Stale { .. } => {
                        self.forget_accounts();
                        Ok(1)
                    }
                    other => Err(other),
                };
            }
        };
        let count = u32::try_from(formed.len()).unwrap_or(u32::MAX);
        for one in formed {
            let lane = self.clone();
            self.launch(move |out| lane.carry_out(one, out));
        }
        // in the pass that spent the ceiling, so that no new day comes between
        if parked && let Some(row) = self.known_account(&row.id) {
            self.park(&row).await?;
        }
        Ok(count)
    }

    /// What cannot be put into words goes to the desk (alone) or is told apart (in company).
    pub(crate) async fn cannot_prepare(
        &self,
        account: &ConnectedAccount,
        order: &mut Order,
        items: &[DueTask],
        error: &efface_connector::ConnectorError,
    ) -> Result<(), StoreError> {
        if items.len() > 1 {
            let half = items.len().div_ceil(2);
            let mut soft = self.soft();
            soft.company.extend(items.iter().map(|i| (i.task.id, half)));
            return Ok(());
        }
        let directory = self.store.directory();
        let mut record = Record::new(&self.hands, directory, None, &account.manifest, &self.lease);
        for due in items {
            let reason =
                Reason::NeedsPerson { reason: format!("the call cannot be made: {error}") };
            record.happen(due, &Event::ToDesk { reason }, None);
        }
        let about = About::TasksMoved { cause: format!("order {} cannot be prepared", order.id) };
        let (unit, _, _) = record.finish(Some(about));
        self.store.commit(unit).await
    }

    /// Whose request is held, or has no release, enters no order, whichever way they came to be due.
    async fn keep_back(&self, tasks: Vec<DueTask>) -> Result<(), StoreError> {
        let member = tasks.first().and_then(|t| self.members.get(&t.task.account)).cloned();
        let Some(account) = member else { return Ok(()) };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        for due in &tasks {
            let Some(kept) = &due.kept_back else { continue };
            let phase = self.store.directory().phase_of_task(&due.task);
            record.happen(due, &kept.event(phase), None);
        }
        let cause = "held, or not released".into();
        let (unit, _, _) = record.finish(Some(About::TasksMoved { cause }));
        self.report(self.store.commit(unit).await, "what keeps people back");
        Ok(())
    }

    pub(crate) async fn unknown_step(
        &self,
        tasks: Vec<DueTask>,
    ) -> Result<Vec<Formed>, StoreError> {
        let Some(account) = tasks.first().and_then(|t| self.members.get(&t.task.account)).cloned()
        else {
            return Ok(vec![]);
        };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        for due in &tasks {
            let reason = Reason::NeedsPerson {
                reason: format!(
                    "this version of the connector knows no step {:?}",
                    due.task.step.as_str()
                ),
            };
            record.happen(due, &Event::ToDesk { reason }, None);
        }
        let (unit, _, _) = record.finish(Some(About::TasksMoved { cause: "unknown step".into() }));
        self.store.commit(unit).await?;
        Ok(vec![])
    }

    /// The first commit: orders, items Sending, ceiling used. The account's version guards it, so
    /// that a stop or pause takes effect before the next order.
    async fn commit_orders(
        &self,
        row: &AccountRow,
        mut formed: Vec<Formed>,
    ) -> Result<Vec<Formed>, StoreError> {
        let now = self.hands.clock.now();
        let people: u32 = formed.iter().map(|f| f.people).sum();
        let mut condition = row.condition.clone();
        condition.ceiling.take(people, now);
        let mut unit = Unit { fence: Some(self.lease.clone()), ..Unit::default() };
        unit.accounts.push(AccountWrite {
            read_version: row.version,
            id: row.id.clone(),
            condition: condition.clone(),
        });
        for one in &mut formed {
            let mut changes = vec![];
            let changing = one.order.class != EffectClass::ReadOnly;
            for due in &mut one.items {
                let event = Event::Ordered { order: one.order.id, changing };
                let Some(write) = self.order_task(due, &event, &mut changes) else {
                    return Err(StoreError::Stale { tasks: vec![due.task.id] });
                };
                due.task = write.task.clone();
                unit.tasks.push(write);
            }
            let id = EntryId::new(now, &*self.hands.chance);
            let about = About::OrderSent { order: Box::new(one.order.clone()) };
            unit.entries.push(EntryRow::from(Entry::new(id, now, "worker", about, &changes)));
            unit.new_orders.push(one.order.clone());
        }
        crash_point("order-before-commit");
        if !cfg!(feature = "without-order-commit") {
            self.store.commit(unit).await?;
        }
        crash_point("order-after-commit");
        self.remember_counted(&formed);
        self.account_written(row, condition);
        Ok(formed)
    }

    fn order_task(
        &self,
        due: &DueTask,
        event: &Event,
        changes: &mut Vec<TaskChange>,
    ) -> Option<efface_store::TaskWrite> {
        let now = self.hands.clock.now();
        let rules = self.store.directory().rules(&due.task, None);
        let mut task = due.task.clone();
        if let TaskState::Blocked { cause: Cause::Vendor { .. } } = task.state {
            task = efface_core::task::apply(&task, &Event::CauseGone, &rules, now, 0).ok()?.task;
        }
        task = efface_core::task::apply(&task, event, &rules, now, 0).ok()?.task;
        changes.push(TaskChange::of(&task, event.word()));
        Some(efface_store::TaskWrite::new(due.task.version, task))
    }

    /// The ceiling is reached: the lane parks for this account and a person decides.
    async fn park(&self, row: &AccountRow) -> Result<(), StoreError> {
        if row.condition.ceiling_reached {
            return Ok(());
        }
        let mut condition = row.condition.clone();
        condition.ceiling_reached = true;
        let people = condition.ceiling.people_per_day.saturating_add(condition.ceiling.raised_by);
        self.write_condition(
            row,
            condition,
            "daily ceiling reached",
            Some(Reason::CeilingReached { people }),
        )
        .await
    }

    /// The call itself, then the second commit.
    pub(crate) async fn carry_out(self: Arc<Self>, formed: Formed, out: Out) {
        let Formed { mut order, items, wire, prepared, account, .. } = formed;
        if !self.is_surely_ours() {
            // still ours, and it is written that nothing left; or the next owner looks into it
            self.never_arrived(&mut order, &items, &account, vec![]).await;
            return;
        }
        let digest = order.body_digest.clone();
        let turns = self.turns();
        let call = Call::new(&account.http, self.hands.clock.now())
            .digested(&prepared, &digest)
            .in_turn(&turns);
        let work = account.connector.submit(&call, &wire, &prepared);
        let ended = turns.guarded("submit", self.options.call_timeout * 2, work).await;
        crash_point("answer-read");
        let exchanges = call.take_exchanges();
        // the vendor's place is free; the answer still has to be written
        let writing = self.writing();
        drop(out);
        self.record(&mut order, items, &account, ended, exchanges).await;
        drop(writing);
    }

    /// Desk items of an account are opened through here.
    pub(crate) async fn write_condition(
        &self,
        row: &AccountRow,
        condition: efface_core::account::Condition,
        change: &str,
        desk: Option<Reason>,
    ) -> Result<(), StoreError> {
        let Some(member) = self.members.get(&row.id) else { return Ok(()) };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &member.manifest, &self.lease);
        record.unit.accounts.push(AccountWrite {
            read_version: row.version,
            id: row.id.clone(),
            condition,
        });
        if let Some(reason) = desk {
            tracing::warn!(account = %row.id, reason = reason.word(), "an account waits for a person");
            record.open_desk(Subject::Account(row.id.clone()), reason, None);
        }
        let about = About::AccountChanged {
            account: row.id.to_string(),
            change: change.to_owned(),
            by: "worker".into(),
        };
        let (unit, _, _) = record.finish(Some(about));
        let written = self.store.commit(unit).await;
        self.forget_accounts();
        match written {
            // a person changed it meanwhile: their word stands, the next round reads anew
            Err(StoreError::Stale { .. }) => Ok(()),
            other => other,
        }
    }
}

fn largest_batch(account: &ConnectedAccount) -> u32 {
    let step = account
        .manifest
        .actions
        .iter()
        .flat_map(|a| a.steps.iter().map(|s| s.batch_items))
        .max()
        .unwrap_or(1);
    step.min(account.batch_items.unwrap_or(u32::MAX)).max(1)
}

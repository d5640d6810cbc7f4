//! Orders: formed from what is due, committed before a byte leaves, recorded when the answer is in.

use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, atomic::Ordering},
};

use efface_connector::{Call, Order as WireOrder, Prepared};
use efface_core::{
    AccountId, EntryId, Identifier, OrderId, RequestId, Scope, TaskAction,
    desk::{Reason, Subject},
    journal::{About, Entry, TaskChange},
    manifest::{EffectClass, Step, StepId},
    order::{Order, OrderState},
    task::{Cause, Event, Queue, TaskState},
};
use efface_store::{AccountRow, AccountWrite, DueTask, EntryRow, Error as StoreError, Unit};

use crate::{
    call::{guarded, wire_order},
    fleet::ConnectedAccount,
    lane::{Lane, Out},
    record::Record,
};

/// Tasks that may travel in one order.
type Company = (AccountId, TaskAction, Option<Scope>, StepId);

/// An order that is about to be committed.
pub(crate) struct Formed {
    pub order: Order,
    pub items: Vec<DueTask>,
    pub wire: WireOrder,
    pub prepared: Prepared,
    pub account: Arc<ConnectedAccount>,
    /// People counted against the account's ceiling.
    pub people: u32,
}

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
        let due = self.store.due_tasks(&self.name, Queue::Submit, window).await?;
        let (held, due): (Vec<DueTask>, Vec<DueTask>) =
            due.into_iter().partition(|t| t.held.is_some());
        self.keep_held(held).await?;
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
        let now = self.hands.clock.now();
        if row.condition.stands_in_the_way(now).is_some() {
            return Ok(0);
        }
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
        let formed = match self.commit_orders(row, formed).await {
            Ok(formed) => formed,
            // somebody else moved first: the next round reads anew
            Err(StoreError::Stale { .. }) => {
                self.forget_accounts();
                return Ok(1);
            }
            Err(error) => return Err(error),
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

    /// Forms orders of one company, in the order of deadlines; and whether people are left whom the
    /// ceiling keeps back.
    async fn form(
        &self,
        row: &AccountRow,
        account: &Arc<ConnectedAccount>,
        tasks: Vec<DueTask>,
        free: u32,
    ) -> Result<(Vec<Formed>, bool), StoreError> {
        let Some(first) = tasks.first() else { return Ok((vec![], false)) };
        let Some(step) = account
            .manifest
            .action(first.task.action)
            .and_then(|card| card.step(&first.task.step))
            .cloned()
        else {
            return Ok((self.unknown_step(tasks).await?, false));
        };
        let keyed_by =
            self.store.directory().account(&row.id).map(|a| a.keyed_by.clone()).unwrap_or_default();
        let mut left = row.condition.ceiling_left(self.hands.clock.now());
        let mut formed = vec![];
        let mut waiting = VecDeque::from(tasks);
        let mut parked = false;
        while !waiting.is_empty() && formed.len() < free as usize {
            let company = self.pick(account, &step, &mut waiting, &mut left, &mut parked);
            // at the ceiling nobody else can come
            if company.is_empty() || (!parked && self.lingers(account, &step, &company)) {
                break;
            }
            if let Some((one, rest)) = self.form_one(account, &step, company, &keyed_by).await? {
                rest.into_iter().rev().for_each(|due| waiting.push_front(due));
                formed.push(one);
            }
        }
        if left == 0 && !parked {
            let soft = self.soft();
            parked = waiting.iter().any(|due| counts_for_ceiling(&step, due, &soft.counted));
        }
        Ok((formed, parked))
    }

    /// The next company: no identifier twice, no more people than the ceiling leaves, no larger than
    /// the step, the settings and earlier refusals allow.
    fn pick(
        &self,
        account: &ConnectedAccount,
        step: &Step,
        waiting: &mut VecDeque<DueTask>,
        left: &mut u32,
        parked: &mut bool,
    ) -> Vec<DueTask> {
        let soft = self.soft();
        let mut most =
            step.batch_items.min(account.batch_items.unwrap_or(u32::MAX)).max(1) as usize;
        let mut seen = HashSet::new();
        let (mut company, mut later) = (vec![], vec![]);
        while company.len() < most {
            let Some(due) = waiting.pop_front() else { break };
            let alone_within = soft.company.get(&due.task.id).copied().unwrap_or(usize::MAX);
            if company.len() >= alone_within {
                later.push(due);
                continue;
            }
            let counts = counts_for_ceiling(step, &due, &soft.counted);
            if counts && *left == 0 {
                *parked = true;
                continue;
            }
            // two that only look alike by their hash merely travel apart
            let marks: Vec<u64> = due.identifiers.iter().map(mark).collect();
            if marks.iter().any(|mark| seen.contains(mark)) {
                later.push(due);
                continue;
            }
            seen.extend(marks);
            *left -= u32::from(counts);
            most = most.min(alone_within);
            company.push(due);
        }
        later.into_iter().rev().for_each(|due| waiting.push_front(due));
        company
    }

    async fn form_one(
        &self,
        account: &Arc<ConnectedAccount>,
        step: &Step,
        company: Vec<DueTask>,
        keyed_by: &[efface_core::IdentifierKind],
    ) -> Result<Option<(Formed, Vec<DueTask>)>, StoreError> {
        let now = self.hands.clock.now();
        let Some(first) = company.first() else { return Ok(None) };
        let id = OrderId::new(now, &*self.hands.chance);
        let mut order = Order {
            id,
            lane: self.name.clone(),
            number: 0,
            account: first.task.account.clone(),
            action: first.task.action,
            step: step.id.clone(),
            class: step.class,
            items: company.iter().map(|c| c.task.id).collect(),
            key: id.to_string(),
            body_digest: String::new(),
            first_sent_at: now,
            repeats: 0,
            recoveries: 0,
            recovered_at: vec![],
            state: OrderState::Sending,
        };
        let mut wire = wire_order(&order, &company, keyed_by);
        let prepared = match account.connector.prepare(now, &wire) {
            Ok(prepared) => prepared,
            Err(error) => {
                self.cannot_prepare(account, &mut order, &company, &error).await?;
                return Ok(None);
            }
        };
        let fits: HashSet<_> = prepared.items.iter().copied().collect();
        let (items, rest): (Vec<DueTask>, Vec<DueTask>) =
            company.into_iter().partition(|c| fits.contains(&c.task.id));
        if items.is_empty() {
            let error = efface_connector::ConnectorError::permanent("does_not_fit_into_one_call");
            self.cannot_prepare(account, &mut order, &rest, &error).await?;
            return Ok(None);
        }
        wire.items.retain(|i| fits.contains(&i.id));
        order.items = items.iter().map(|i| i.task.id).collect();
        order.number = self.next_number.fetch_add(1, Ordering::Relaxed);
        order.body_digest =
            prepared.request.as_ref().map(|r| account.http.digest(r)).unwrap_or_default();
        let counted = |due: &&DueTask| counts_for_ceiling(step, due, &self.soft().counted);
        let people = items.iter().filter(counted).count();
        let formed = Formed {
            order,
            items,
            wire,
            prepared,
            account: account.clone(),
            people: u32::try_from(people).unwrap_or(u32::MAX),
        };
        Ok(Some((formed, rest)))
    }

    /// What cannot be put into words goes to the desk (alone) or is told apart (in company).
    async fn cannot_prepare(
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

    /// Whoever is held enters no order, whichever way they came to be due.
    async fn keep_held(&self, tasks: Vec<DueTask>) -> Result<(), StoreError> {
        let member = tasks.first().and_then(|t| self.members.get(&t.task.account)).cloned();
        let Some(account) = member else { return Ok(()) };
        let mut record =
            Record::new(&self.hands, self.store.directory(), None, &account.manifest, &self.lease);
        for due in &tasks {
            let Some(reason) = due.held.clone() else { continue };
            record.happen(due, &Event::Held { reason }, None);
        }
        let (unit, _, _) = record.finish(Some(About::TasksMoved { cause: "held".into() }));
        self.report(self.store.commit(unit).await, "a hold");
        Ok(())
    }

    async fn unknown_step(&self, tasks: Vec<DueTask>) -> Result<Vec<Formed>, StoreError> {
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
        self.store.commit(unit).await?;
        self.remember_counted(&condition.ceiling.day, &formed);
        self.account_written(row, condition);
        Ok(formed)
    }

    /// Keeps for the day who may come to the same account by another task of their request.
    fn remember_counted(&self, day: &str, formed: &[Formed]) {
        let mut soft = self.soft();
        if soft.counted_on != day {
            soft.counted.clear();
            day.clone_into(&mut soft.counted_on);
        }
        let changing = formed.iter().filter(|f| f.order.class != EffectClass::ReadOnly);
        for due in changing.flat_map(|f| &f.items).filter(|d| is_one_of_two(d)) {
            soft.counted.insert((due.task.account.clone(), due.task.request));
        }
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
        let digest = order.body_digest.clone();
        let call = Call::new(&account.http, self.hands.clock.now()).digested(&prepared, &digest);
        let ended = guarded(
            &self.hands,
            self.options.call_timeout * 2,
            account.connector.submit(&call, &wire, &prepared),
        )
        .await;
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

/// A short mark of an identifier.
fn mark(identifier: &Identifier) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.kind.hash(&mut hasher);
    identifier.normal.expose().hash(&mut hasher);
    hasher.finish()
}

/// Whether this step does something to a person who was not counted yet.
fn counts_for_ceiling(
    step: &Step,
    due: &DueTask,
    counted: &HashSet<(AccountId, RequestId)>,
) -> bool {
    let task = &due.task;
    step.class != EffectClass::ReadOnly
        && task.action.counts_for_ceiling()
        && !task.sent
        && !(is_one_of_two(due) && counted.contains(&(task.account.clone(), task.request)))
}

/// Whether its request may have another task at the account: only one with a scope both erases and
/// suppresses.
fn is_one_of_two(due: &DueTask) -> bool {
    due.task.scope.is_some() && due.task.action.counts_for_ceiling()
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

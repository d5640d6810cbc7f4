//! Forming orders: who travels together, how many, and which call carries them.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, atomic::Ordering},
};

use efface_connector::{Order as WireOrder, Prepared};
use efface_core::{
    AccountId, Identifier, OrderId, RequestId,
    manifest::{EffectClass, Step},
    order::{Order, OrderState},
};
use efface_store::{AccountRow, DueTask, Error as StoreError};

use crate::{call::wire_order, fleet::ConnectedAccount, lane::Lane};

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

impl Lane {
    /// Forms orders of one company, in the order of deadlines; and whether people are left whom the
    /// ceiling keeps back.
    pub(crate) async fn form(
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
pub(crate) fn is_one_of_two(due: &DueTask) -> bool {
    due.task.scope.is_some() && due.task.action.counts_for_ceiling()
}

//! Forming orders: who travels together, how many, and which call carries them.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, atomic::Ordering},
};

use efface_connector::{Order as WireOrder, Prepared};
use efface_core::{
    Identifier, OrderId,
    manifest::{EffectClass, Step},
    order::{Order, OrderState},
};
use efface_store::{AccountRow, DueTask, Error as StoreError};

use crate::{call::wire_order, fleet::ConnectedAccount, lane::Lane};

/// So many marks of people are remembered at an account in a day. Whoever is beyond them and comes by
/// a second request counts twice, never not at all.
const MOST_MARKS: usize = 50_000;

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
        self.count_anew_each_day();
        let most = row.condition.ceiling_left(self.hands.clock.now());
        let mut formed: Vec<Formed> = vec![];
        let mut ceiling = Ceiling { left: most, parked: false, marks: HashSet::new() };
        let mut waiting = VecDeque::from(tasks);
        while !waiting.is_empty() && formed.len() < free as usize {
            // whoever was picked and did not leave is free to be picked again
            ceiling.left = most - formed.iter().map(|one| one.people).sum::<u32>().min(most);
            let company = self.pick(account, &step, &mut waiting, &mut ceiling);
            // at the ceiling nobody else can come
            if company.is_empty() || (!ceiling.parked && self.lingers(account, &step, &company)) {
                break;
            }
            let made = self.form_one(account, &step, company, &keyed_by).await?;
            if let Some((mut one, rest)) = made {
                rest.into_iter().rev().for_each(|due| waiting.push_front(due));
                one.people = self.count(&step, &one.items, &mut ceiling);
                formed.push(one);
            }
        }
        let people = formed.iter().map(|one| one.people).sum::<u32>();
        if people >= most && !ceiling.parked {
            let soft = self.soft();
            let counts = |due| ceiling.counts(&step, due, soft.counted.get(&row.id));
            ceiling.parked = waiting.iter().any(counts);
        }
        Ok((formed, ceiling.parked))
    }

    /// The next company: no identifier twice, no more people than the ceiling leaves, no larger than
    /// the step, the settings and earlier refusals allow.
    fn pick(
        &self,
        account: &ConnectedAccount,
        step: &Step,
        waiting: &mut VecDeque<DueTask>,
        ceiling: &mut Ceiling,
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
            let counts = ceiling.counts(step, &due, soft.counted.get(&due.task.account));
            if counts && ceiling.left == 0 {
                ceiling.parked = true;
                continue;
            }
            // two that only look alike by their hash merely travel apart
            let marks: Vec<u64> = due.identifiers.iter().map(mark).collect();
            if marks.iter().any(|mark| seen.contains(mark)) {
                later.push(due);
                continue;
            }
            seen.extend(marks);
            ceiling.left -= u32::from(counts);
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
        let formed = Formed { order, items, wire, prepared, account: account.clone(), people: 0 };
        Ok(Some((formed, rest)))
    }

    /// Counts the people of an order who were not counted before, and keeps their marks.
    fn count(&self, step: &Step, items: &[DueTask], ceiling: &mut Ceiling) -> u32 {
        let soft = self.soft();
        let mut people = 0;
        for due in items.iter().filter(|due| is_counted(step, due)) {
            people += u32::from(ceiling.counts(step, due, soft.counted.get(&due.task.account)));
            ceiling.marks.extend(marks_of_person(due));
        }
        people
    }

    /// Keeps for the day who was counted.
    pub(crate) fn remember_counted(&self, formed: &[Formed]) {
        let mut soft = self.soft();
        let changing = formed.iter().filter(|f| f.order.class != EffectClass::ReadOnly);
        for due in changing.flat_map(|f| &f.items).filter(|d| d.task.action.counts_for_ceiling()) {
            let account = due.task.account.clone();
            let today = soft.counted.entry(account).or_default();
            if today.len() < MOST_MARKS {
                today.extend(marks_of_person(due));
            }
        }
    }

    /// Whoever was counted yesterday counts again today.
    fn count_anew_each_day(&self) {
        let today = self.hands.clock.now().utc_date();
        let mut soft = self.soft();
        if soft.counted_on != today {
            soft.counted.clear();
            soft.counted_on = today;
        }
    }
}

/// What the account's daily ceiling leaves to the orders of one pass.
struct Ceiling {
    left: u32,
    /// Somebody is left whom it keeps back.
    parked: bool,
    /// Who is in an order of this pass.
    marks: HashSet<u64>,
}

impl Ceiling {
    /// Whether this step does something to a person who was not counted yet, in this pass or today:
    /// an identifier that nobody was counted by may be somebody else's.
    fn counts(&self, step: &Step, due: &DueTask, today: Option<&HashSet<u64>>) -> bool {
        let known =
            |mark: &u64| self.marks.contains(mark) || today.is_some_and(|t| t.contains(mark));
        is_counted(step, due) && !due.task.sent && !marks_of_person(due).iter().all(known)
    }
}

/// Whether this step is one that the ceiling counts people by.
fn is_counted(step: &Step, due: &DueTask) -> bool {
    step.class != EffectClass::ReadOnly && due.task.action.counts_for_ceiling()
}

/// What a person is known by from one request to another: the identifiers that drive what is done
/// to them, else the request alone.
fn marks_of_person(due: &DueTask) -> Vec<u64> {
    let drives = due.identifiers.iter().filter(|i| i.drives());
    let mut marks: Vec<u64> = drives.map(mark).collect();
    if marks.is_empty() {
        let mut hasher = DefaultHasher::new();
        due.task.request.hash(&mut hasher);
        marks.push(hasher.finish());
    }
    marks
}

/// A short mark of an identifier.
fn mark(identifier: &Identifier) -> u64 {
    let mut hasher = DefaultHasher::new();
    identifier.kind.hash(&mut hasher);
    identifier.normal.expose().hash(&mut hasher);
    hasher.finish()
}

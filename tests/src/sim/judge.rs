//! The judge of a simulated month: what must not be, whatever went wrong.

use std::collections::{BTreeMap, BTreeSet};

use efface_core::{
    AccountId, EvidenceLevel, OrderId, Outcome, RequestId, TaskId,
    journal::{Entry, ReadEntry},
    manifest::EffectClass,
    order::{Order, OrderState},
    task::{Cause, Task, TaskState},
};
use efface_store::{RequestView, TaskView};

use super::{
    faults::Tally,
    run::{World, account_id},
    vendor::Arrived,
};
use crate::oracle::{Evidence, judge_history};

/// Whether nothing is left to be done.
pub fn is_at_rest(world: &World) -> bool {
    world.store.requests().iter().all(|r| r.state.is_over())
        && world
            .store
            .requests()
            .iter()
            .all(|r| world.store.tasks_of(r.id).iter().all(|t| t.task.state.is_settled()))
        && world.store.orders().iter().all(|o| matches!(o.state, OrderState::Answered))
}

/// In the midst of it: every open task is due some time, out, or before a person.
pub fn meanwhile(world: &World) -> Vec<String> {
    let mut faults = vec![];
    let orders: BTreeMap<OrderId, Order> =
        world.store.orders().into_iter().map(|o| (o.id, o)).collect();
    let receipts: BTreeSet<_> = world.store.open_receipts().into_iter().map(|(id, _)| id).collect();
    let follows: BTreeSet<RequestId> =
        world.store.follow_ups().into_iter().map(|(id, _)| id).collect();
    let desk: BTreeSet<String> = world.store.open_desk().iter().map(|i| i.subject.id()).collect();
    for request in world.store.requests() {
        for row in world.store.tasks_of(request.id) {
            let task = row.task;
            let on_desk = |order: Option<OrderId>| {
                desk.contains(&task.id.to_string())
                    || order.is_some_and(|o| desk.contains(&o.to_string()))
                    || orders
                        .values()
                        .any(|o| o.items.contains(&task.id) && desk.contains(&o.id.to_string()))
            };
            let goes_on = match &task.state {
                TaskState::Settled { .. }
                | TaskState::Ready { .. }
                | TaskState::Confirmed { .. } => true,
                TaskState::Sending { order } => {
                    orders.get(order).is_some_and(|o| o.state == OrderState::Sending)
                }
                TaskState::Unknown { order, .. } => orders.get(order).is_some_and(|o| {
                    matches!(o.state, OrderState::Unknown { .. } | OrderState::Sending)
                }),
                TaskState::Waiting { .. } => {
                    task.state.waits_on().is_none_or(|r| receipts.contains(&r))
                }
                TaskState::Desk { .. } => on_desk(None),
                TaskState::Blocked { cause } => match cause {
                    Cause::Phase(_) | Cause::Dependency(_) => {
                        request.hold.is_some()
                            || follows.contains(&request.id)
                            || waits_for_another(world, &task)
                            || !matches!(
                                request.state,
                                efface_core::request::RequestState::Running { .. }
                            )
                    }
                    Cause::Hold { .. } => request.hold.is_some(),
                    Cause::MissingIdentifier { .. } | Cause::Vendor { .. } => true,
                },
            };
            if !goes_on {
                let state = &task.state;
                faults
                    .push(format!("task {} at {} stands still: {state:?}", task.id, task.account));
            }
        }
    }
    faults
}

/// Whether the task's request has another open task, whose end is told to the request, or it waits for
/// one of another request that is open.
fn waits_for_another(world: &World, task: &Task) -> bool {
    let open = |t: &Task| t.id != task.id && !t.state.is_settled();
    let own = world.store.tasks_of(task.request).iter().any(|t| open(&t.task));
    let upon = match &task.state {
        TaskState::Blocked { cause: Cause::Dependency(upon) } => Some(*upon),
        _ => None,
    };
    let all = world.store.requests().into_iter().flat_map(|r| world.store.tasks_of(r.id));
    own || upon.is_some_and(|id| {
        all.into_iter().any(|t| {
            t.task.id == id
                && (!t.task.state.is_settled()
                    || world.store.follow_ups().iter().any(|(r, _)| *r == t.task.request))
        })
    })
}

/// At the end of all days.
pub fn afterwards(world: &World, tally: &mut Tally) -> Vec<String> {
    let mut faults = vec![];
    let stored = world.store.requests();
    let filed = world.filed.lock().expect("a list").clone();
    for id in &filed {
        if !stored.iter().any(|r| r.id == *id) {
            faults.push(format!("request {id} was acknowledged and is not there"));
        }
    }
    let stale = world.store.stale_commits();
    if stale > 0 {
        faults.push(format!("{stale} units were taken from owners who had lost their lane"));
    }
    let tasks: Vec<Task> =
        stored.iter().flat_map(|r| world.store.tasks_of(r.id)).map(|t| t.task).collect();
    for request in &stored {
        *tally.requests.entry(request.state.word().to_owned()).or_default() += 1;
        if !request.state.is_over() {
            faults.push(format!(
                "request {} did not come to an end: {:?}",
                request.id, request.state
            ));
        }
    }
    for task in &tasks {
        *tally.tasks.entry(word(task)).or_default() += 1;
        if !task.state.is_settled() {
            faults.push(format!(
                "task {} at {} did not come to an end: {:?}",
                task.id, task.account, task.state
            ));
        }
    }
    let orders = world.store.orders();
    tally.orders.0 += orders.len() as u64;
    tally.orders.1 += orders.iter().filter(|o| o.repeats > 0).count() as u64;
    tally.orders.2 += orders.iter().filter(|o| o.recoveries > 0).count() as u64;
    let (placed, written) = world.store.placed();
    if placed != written {
        faults.push(format!("{} leaves have no position", written - placed));
    }
    for vendor in world.vendors() {
        let account = account_id(vendor.script);
        vendors_side(&account, &vendor.log(), &orders, &tasks, &mut faults);
    }
    ceilings(world, &orders, &tasks, &mut faults);
    history(world, &orders, filed.len(), &mut faults);
    faults
}

fn word(task: &Task) -> String {
    match &task.state {
        TaskState::Settled { outcome, evidence } => {
            format!("{} ({})", outcome.word(task.action), evidence.word())
        }
        other => other.word().to_owned(),
    }
}

/// What arrived, held against what was written down.
fn vendors_side(
    account: &AccountId,
    log: &[Arrived],
    orders: &[Order],
    tasks: &[Task],
    faults: &mut Vec<String>,
) {
    let mut calls: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for call in log {
        let row = calls.entry(&call.digest).or_default();
        *row = (row.0 + 1, row.1 + usize::from(!call.acted.is_empty()));
    }
    let mine = orders.iter().filter(|o| o.account == *account && o.class != EffectClass::ReadOnly);
    for order in mine.clone() {
        let (times, acts) = calls.remove(order.body_digest.as_str()).unwrap_or_default();
        let (most, most_acts) = match order.class {
            EffectClass::AtMostOnce => (1, 1),
            EffectClass::Wasteful => (2, 2),
            EffectClass::KeyIdempotent { .. } => (usize::MAX, 1),
            EffectClass::ReadOnly | EffectClass::NaturallyIdempotent => (usize::MAX, usize::MAX),
        };
        if times > most.min(1 + order.repeats as usize) || acts > most_acts {
            faults.push(format!("order {} at {account} ({:?}, repeated {} times) arrived {times} times and was carried out {acts} times", order.id, order.class, order.repeats));
        }
    }
    for digest in calls.keys() {
        faults.push(format!("{account} saw a call {digest} that no order knows"));
    }
    for task in tasks.iter().filter(|t| t.account == *account) {
        let TaskState::Settled { outcome, evidence } = &task.state else { continue };
        let says_done = matches!(outcome, Outcome::Erased | Outcome::Suppressed);
        if !says_done || *evidence == EvidenceLevel::Attested {
            continue;
        }
        let carried = mine
            .clone()
            .filter(|o| o.items.contains(&task.id))
            .any(|o| log.iter().any(|c| c.digest == o.body_digest && c.acted.contains(&task.id)));
        if !carried {
            faults.push(format!(
                "task {} at {account} is {} and nothing was done to that person",
                task.id,
                word(task)
            ));
        }
    }
}

/// No more people begun in one day than the account's ceiling lets, and as often again as a person
/// resumed it that day.
fn ceilings(world: &World, orders: &[Order], tasks: &[Task], faults: &mut Vec<String>) {
    let request_of: BTreeMap<TaskId, RequestId> = tasks.iter().map(|t| (t.id, t.request)).collect();
    let mut begun: BTreeSet<TaskId> = BTreeSet::new();
    let mut by_day: BTreeMap<(AccountId, String), BTreeSet<RequestId>> = BTreeMap::new();
    let mut sorted: Vec<&Order> = orders.iter().collect();
    sorted.sort_by_key(|o| o.id);
    for order in sorted.into_iter().filter(|o| o.class != EffectClass::ReadOnly) {
        let key = (order.account.clone(), order.first_sent_at.utc_date());
        for item in order.items.iter().filter(|i| begun.insert(**i)) {
            by_day.entry(key.clone()).or_default().extend(request_of.get(item));
        }
    }
    let resumed = world.resumed.lock().expect("a list");
    for ((account, day), people) in by_day {
        let specs = &efface_store::Store::directory(&world.store).accounts;
        let ceiling = specs.iter().find(|a| a.id == account).map_or(0, |a| a.people_per_day);
        // a clock that steps back counts a day twice
        let times = 2 + resumed.get(&(account.clone(), day.clone())).copied().unwrap_or(0);
        if people.len() > ceiling as usize * times as usize {
            faults.push(format!(
                "{account} began {} people on {day}; its ceiling is {ceiling}",
                people.len()
            ));
        }
    }
}

/// The journal: it replays to the stored rows, and each change stands in one leaf.
fn history(world: &World, orders: &[Order], filed: usize, faults: &mut Vec<String>) {
    let read = |entry: &Entry| Entry::read(&entry.body, &entry.items).expect("an entry");
    let journal: Vec<ReadEntry> = world.store.journal().iter().map(read).collect();
    let mut versions: BTreeMap<TaskId, Vec<(u32, bool)>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for entry in &journal {
        if !ids.insert(entry.id) {
            faults.push(format!("leaf {} stands twice", entry.id));
        }
        for change in &entry.changes {
            versions
                .entry(change.task)
                .or_default()
                .push((change.version, change.state.is_settled()));
        }
    }
    for (task, told) in versions {
        let follows = told.windows(2).all(|w| w[0].0 < w[1].0);
        if !follows {
            faults.push(format!("task {task}: its leaves have the versions {told:?}"));
        }
        if told.iter().rev().skip(1).any(|(_, settled)| *settled) {
            faults.push(format!("task {task} went on after it was settled"));
        }
    }
    let requests = world.store.requests().into_iter().map(|request| {
        let view = |row| TaskView { row, connector: String::new() };
        let tasks = world.store.tasks_of(request.id).into_iter().map(view).collect();
        (RequestView { request, tasks, watches: vec![] }, vec![])
    });
    let evidence = Evidence {
        logs: BTreeMap::new(),
        digest: Box::new(efface_testkit::memory::digest),
        orders: orders.to_vec(),
        exchanges: vec![],
        lost_orders: vec![],
        journal,
        requests: requests.collect(),
        filed,
        stored: world.store.requests().len(),
        all_are_held: false,
    };
    faults.extend(judge_history(&evidence).faults);
}

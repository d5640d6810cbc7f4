//! What follows from the store's own words alone, whatever any vendor saw.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use efface_core::{
    OrderId, TaskId,
    journal::{About, ReadEntry, Replay, TaskChange},
    manifest::EffectClass,
    order::Order,
    task::{Task, TaskState},
};

use super::{Evidence, Verdict};

impl Verdict {
    pub(super) fn orders_stay_as_they_were(&mut self, evidence: &Evidence<'_>) {
        let mut numbers = BTreeSet::new();
        for order in &evidence.orders {
            if !numbers.insert((&order.lane, order.number)) {
                self.fault(format!(
                    "number {} of lane {} was given twice",
                    order.number, order.lane
                ));
            }
        }
        let stored: HashMap<OrderId, &Order> = evidence.orders.iter().map(|o| (o.id, o)).collect();
        let mut unknown = HashSet::new();
        for entry in &evidence.journal {
            match &entry.about {
                About::OrderSent { order } => {
                    let as_sent =
                        |o: &Order| (o.items.clone(), o.key.clone(), o.body_digest.clone());
                    match stored.get(&order.id) {
                        Some(found) if as_sent(found) == as_sent(order) => {}
                        Some(_) => {
                            self.fault(format!("order {} changed its items, key or body", order.id))
                        }
                        None => self.fault(format!("order {} is in the journal alone", order.id)),
                    }
                }
                About::OrderUnknown { order, .. } => {
                    unknown.insert(*order);
                }
                _ => {}
            }
        }
        self.tally.unknown_orders = unknown.len();
    }

    /// A task whose order is out or unknown enters no other order before a definite answer.
    pub(super) fn nothing_is_regrouped(&mut self, evidence: &Evidence<'_>) {
        let mut changes: HashMap<TaskId, BTreeMap<u32, &TaskState>> = HashMap::new();
        for change in evidence.journal.iter().flat_map(|e| &e.changes) {
            changes.entry(change.task).or_default().insert(change.version, &change.state);
        }
        for (task, states) in &changes {
            let states: Vec<&TaskState> = states.values().copied().collect();
            for pair in states.windows(2) {
                let [before, TaskState::Sending { order: next }] = pair else { continue };
                let allowed = match before {
                    TaskState::Ready { .. } | TaskState::Blocked { .. } => true,
                    TaskState::Unknown { order, .. } | TaskState::Sending { order } => {
                        order == next
                    }
                    TaskState::Waiting { .. }
                    | TaskState::Confirmed { .. }
                    | TaskState::Desk { .. }
                    | TaskState::Settled { .. } => false,
                };
                if !allowed {
                    self.fault(format!("task {task} went from {before:?} into order {next}"));
                }
            }
        }
    }

    /// Once its request was amended a task enters no order that changes anything, and goes into none
    /// again, before a new release has opened its phase.
    pub(super) fn no_order_without_a_release_of_the_latest_plan(
        &mut self,
        evidence: &Evidence<'_>,
    ) {
        let changing: HashSet<OrderId> = evidence
            .orders
            .iter()
            .filter(|o| o.class != EffectClass::ReadOnly)
            .map(|o| o.id)
            .collect();
        let mut walks: HashMap<TaskId, BTreeMap<u32, &TaskChange>> = HashMap::new();
        for change in evidence.journal.iter().flat_map(|e| &e.changes) {
            walks.entry(change.task).or_default().insert(change.version, change);
        }
        for (task, walk) in &walks {
            let mut released = true;
            for change in walk.values() {
                let out = matches!(change.event.as_str(), "ordered" | "sent again");
                match (change.event.as_str(), change.state.order()) {
                    ("release lost", _) => released = false,
                    ("cause gone", _) => released = true,
                    (_, Some(order)) if out && !released && changing.contains(&order) => {
                        self.fault(format!("task {task} went into order {order} after its request was amended and not released again"));
                    }
                    _ => {}
                }
            }
        }
    }

    /// Entries come by their ids, which follow their writers' clocks. Where one of those was wrong, what
    /// happened to each task is taken by its versions.
    fn replayed(&mut self, evidence: &Evidence<'_>) -> Replay {
        let mut replay = Replay::default();
        if evidence.journal.iter().all(|entry| replay.take(entry.clone()).is_ok()) {
            return replay;
        }
        replay = Replay::default();
        let mut all: Vec<ReadEntry> = vec![];
        for entry in &evidence.journal {
            let one = |changes| ReadEntry { changes, ..entry.clone() };
            all.push(one(vec![]));
            all.extend(entry.changes.iter().map(|change| one(vec![change.clone()])));
        }
        all.sort_by_key(|entry| entry.changes.first().map_or(0, |change| change.version));
        for entry in all {
            if let Err(error) = replay.take(entry) {
                self.fault(format!("the journal does not replay: {error}"));
            }
        }
        replay
    }

    pub(super) fn the_journal_tells_the_same(&mut self, evidence: &Evidence<'_>) {
        let replay = self.replayed(evidence);
        for (view, _) in &evidence.requests {
            let id = view.request.id;
            if replay.requests.get(&id) != Some(&view.request) {
                self.fault(format!(
                    "the journal tells another request {id}: {:?}, stored {:?}",
                    replay.requests.get(&id),
                    view.request
                ));
            }
            for task in view.tasks.iter().map(|t| &t.row.task) {
                let told: Option<&Task> = replay.tasks.get(&task.id);
                if told != Some(task) {
                    self.fault(format!(
                        "the journal tells another task: {told:?}, stored {task:?}"
                    ));
                }
            }
        }
    }
}

//! One unit: proved whole before the first row is touched, so that it is written whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use efface_core::{RequestId, TaskId, Timestamp, desk::Closed};
use efface_store::{Error, Lease, MemoWrite, Unit};

use super::{
    Broken,
    rows::{Rows, StoredTask, WatchRow, derive},
};

pub(super) fn commit(
    rows: &mut Rows,
    unit: Unit,
    now: Timestamp,
    broken: Broken,
) -> Result<(), Error> {
    if unit.restore.is_some() {
        return Err(Error::Unsupported("a store in memory is never set back".into()));
    }
    check(rows, &unit, broken)?;
    if unit.fence.as_ref().is_some_and(|lease| !holds(rows, lease)) {
        rows.stale_commits += 1;
    }
    write(rows, unit, now);
    Ok(())
}

fn holds(rows: &Rows, lease: &Lease) -> bool {
    rows.lanes.get(&lease.lane).is_some_and(|row| row.is_of(lease))
}

fn gone(what: &'static str, id: impl ToString) -> Error {
    Error::NotFound { what, id: id.to_string(), list: "desk" }
}

fn check(rows: &Rows, unit: &Unit, broken: Broken) -> Result<(), Error> {
    if let Some(lease) = unit.fence.as_ref().filter(|l| !broken.no_fence && !holds(rows, l)) {
        return Err(Error::LaneLost { lane: lease.lane.to_string() });
    }
    check_versions(rows, unit, broken)?;
    for order in &unit.orders {
        let is_new = unit.new_orders.iter().any(|new| new.id == order.id);
        if !is_new && !rows.orders.contains_key(&order.id) {
            return Err(gone("order", order.id));
        }
    }
    for receipt in &unit.receipts {
        let is_new = unit.new_receipts.iter().any(|new| new.id == receipt.id);
        if !is_new && !rows.receipts.contains_key(&receipt.id) {
            return Err(gone("receipt", receipt.id));
        }
    }
    for on in &unit.errands_on {
        if rows.errands.get(&on.id).is_none_or(|(_, answer)| answer.is_some()) {
            return Err(gone("errand", on.id));
        }
    }
    for done in &unit.errands_done {
        if !rows.errands.contains_key(&done.id) {
            return Err(gone("errand", done.id));
        }
    }
    let twice = unit.new_orders.iter().any(|o| rows.orders.contains_key(&o.id))
        || unit.new_receipts.iter().any(|r| rows.receipts.contains_key(&r.id))
        || unit.born.iter().any(|t| rows.tasks.contains_key(&t.task.id))
        || unit.new_watches.iter().any(|w| rows.watches.contains_key(&w.watch.task));
    if twice {
        return Err(Error::Database("a new row has the id of another".into()));
    }
    for listing in &unit.listings {
        rows.check_listing(listing)?;
    }
    check_company(rows, unit)
}

fn check_versions(rows: &Rows, unit: &Unit, broken: Broken) -> Result<(), Error> {
    let asked: Vec<TaskId> = unit.tasks.iter().map(|w| w.task.id).collect();
    let fits = |id: &TaskId, version: u32| {
        rows.tasks.get(id).is_some_and(|t| broken.no_versions || t.row.task.version == version)
    };
    let missed = unit.tasks.iter().filter(|w| !fits(&w.task.id, w.read_version));
    let missed: Vec<TaskId> = missed.map(|w| w.task.id).collect();
    if !missed.is_empty() {
        return Err(Error::Stale { tasks: missed });
    }
    // each was hit, and one of them was asked for twice
    if asked.iter().collect::<BTreeSet<_>>().len() < asked.len() {
        return Err(Error::Stale { tasks: asked });
    }
    let stale = Error::Stale { tasks: vec![] };
    for write in &unit.requests {
        let known = rows.requests.get(&write.request.id);
        if known.is_none_or(|r| !broken.no_versions && r.request.version != write.read_version) {
            return Err(stale);
        }
    }
    for end in &unit.ends {
        let known = rows.requests.get(&end.request.id);
        if known.is_none_or(|r| !broken.no_versions && r.request.version != end.request.version) {
            return Err(stale);
        }
    }
    for write in &unit.watches {
        let known = rows.watches.get(&write.watch.task);
        if known.is_none_or(|w| !broken.no_versions && w.watch.version != write.read_version) {
            return Err(Error::Stale { tasks: vec![write.watch.task] });
        }
    }
    for write in &unit.accounts {
        let known = rows.accounts.get(&write.id);
        if known.is_none_or(|a| !broken.no_versions && a.version != write.read_version) {
            return Err(stale);
        }
    }
    Ok(())
}

/// Refuses a unit that met more company than it knew of, its own tags counted in.
fn check_company(rows: &Rows, unit: &Unit) -> Result<(), Error> {
    for one in &unit.company {
        let stored = rows.tags.values().chain(&unit.new_tags);
        let others: BTreeSet<([u8; 32], RequestId)> = stored
            .filter(|t| t.drives && t.request != one.request && one.tags.contains(&t.tag))
            .map(|t| (t.tag, t.request))
            .collect();
        if others.len() != one.others {
            return Err(Error::Stale { tasks: vec![] });
        }
    }
    Ok(())
}

fn write(rows: &mut Rows, unit: Unit, now: Timestamp) {
    for order in &unit.new_orders {
        if let Some(lane) = rows.lanes.get_mut(&order.lane) {
            lane.last_number = lane.last_number.max(order.number);
        }
    }
    for write in unit.tasks {
        let Some(stored) = rows.tasks.get_mut(&write.task.id) else { continue };
        (stored.queue, stored.wake_at) = derive(&write.task, now);
        stored.row.task = write.task;
        stored.row.since = now;
        match write.memo {
            MemoWrite::Keep => {}
            MemoWrite::Set(value) => stored.memo = Some(value),
            MemoWrite::Clear => stored.memo = None,
        }
        if write.prior.is_some() {
            stored.prior = write.prior;
        }
    }
    for write in unit.requests {
        let Some(stored) = rows.requests.get_mut(&write.request.id) else { continue };
        stored.request = write.request;
        stored.nobody_found_decided = write.nobody_found_decided;
        if let Some(dossier) = write.dossier {
            stored.dossier = dossier;
        }
    }
    for write in unit.accounts {
        let Some(stored) = rows.accounts.get_mut(&write.id) else { continue };
        stored.version = write.read_version + 1;
        stored.condition = write.condition;
    }
    for new in unit.new_watches {
        let kept = rows.requests.get(&new.watch.request).map(|r| &r.dossier.identifiers);
        let mut identifiers = kept.cloned().unwrap_or_default();
        identifiers.retain(|i| i.drives() && (new.kinds.is_empty() || new.kinds.contains(&i.kind)));
        let row = WatchRow { lane: new.lane, identifiers, watch: new.watch };
        rows.watches.insert(row.watch.task, row);
    }
    for write in unit.watches {
        let Some(stored) = rows.watches.get_mut(&write.watch.task) else { continue };
        if write.watch.next().is_none() {
            stored.identifiers.clear();
        }
        stored.watch = write.watch;
    }
    for new in unit.born {
        rows.tasks.insert(new.task.id, StoredTask::new(new, now));
    }
    for order in unit.new_orders.into_iter().chain(unit.orders) {
        rows.orders.insert(order.id, order);
    }
    for receipt in unit.new_receipts.into_iter().chain(unit.receipts) {
        rows.receipts.insert(receipt.id, receipt);
    }
    rows.exchanges.extend(unit.exchanges);
    rows.journal.extend(unit.entries);
    for tag in unit.new_tags {
        let known = rows.tags.entry((tag.tag, tag.request)).or_insert_with(|| tag.clone());
        known.drives |= tag.drives;
        known.shared |= tag.shared;
    }
    for tag in rows.tags.values_mut().filter(|t| unit.shared_tags.contains(&t.tag)) {
        tag.shared = true;
    }
    for (request, seq) in unit.followed {
        if rows.follow_ups.get(&request).is_some_and(|(_, asked)| *asked == seq) {
            rows.follow_ups.remove(&request);
        }
    }
    let mut asked: BTreeMap<RequestId, Timestamp> = BTreeMap::new();
    for follow in unit.follow_ups {
        let at = asked.entry(follow.request).or_insert(follow.due_at);
        *at = (*at).min(follow.due_at);
    }
    for (request, at) in asked {
        let known = rows.follow_ups.entry(request).or_insert((at, 0));
        *known = (known.0.min(at), known.1 + 1);
    }
    for close in unit.desk_closes {
        let fits = |reason: &str| close.reason.is_none_or(|wanted| wanted == reason);
        let items = rows.desk.values_mut().filter(|i| i.closed.is_none());
        for item in items.filter(|i| i.subject == close.subject && fits(i.reason.word())) {
            item.closed =
                Some(Closed { at: close.at, by: close.by.clone(), how: close.how.clone() });
        }
    }
    for open in unit.desk_opens {
        let stands = rows.desk.values().any(|i| {
            i.closed.is_none()
                && i.subject == open.item.subject
                && i.reason.word() == open.item.reason.word()
        });
        if !stands {
            if let Some((_, value)) = open.sealed {
                rows.sealed.insert(open.item.id, value);
            }
            rows.desk.insert(open.item.id, open.item);
        }
    }
    for listing in unit.listings {
        rows.list(listing);
    }
    for id in unit.forgets {
        if let Some(stored) = rows.requests.get_mut(&id) {
            stored.dossier.identifiers.clear();
            stored.is_forgotten = true;
        }
        for task in rows.tasks.values_mut().filter(|t| t.row.task.request == id) {
            (task.memo, task.prior) = (None, None);
        }
    }
    for end in unit.ends {
        rows.end(&end);
    }
    for on in unit.errands_on {
        if let Some((errand, _)) = rows.errands.get_mut(&on.id) {
            errand.progress = Some(on.progress);
        }
    }
    for done in unit.errands_done {
        if let Some((errand, answer)) = rows.errands.get_mut(&done.id) {
            *answer = Some(done.answer);
            errand.progress = None;
        }
    }
}

//! Which lanes a worker takes and which it gives up, so that those who live share them evenly. The
//! rules alone: what is true stands in the database, and a lane has one owner whatever is decided here.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use efface_core::LaneId;
use efface_store::Attendance;

/// What a worker remembers of the lanes between two looks.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Free lanes beyond its share, and since when they were seen free.
    free_since: BTreeMap<LaneId, Duration>,
    /// Taken beyond its share because nobody else did: given up no more.
    kept: BTreeSet<LaneId>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    pub take: Vec<LaneId>,
    pub give: Vec<LaneId>,
    /// When to look again at the latest.
    pub look_in: Duration,
}

/// How a worker sees the lanes.
pub(crate) struct View<'a> {
    pub me: &'a str,
    /// What it can serve.
    pub wanted: &'a [LaneId],
    /// What it serves, and is not about to give up.
    pub mine: &'a [LaneId],
    /// What it is about to give up, and still ends.
    pub ending: &'a [LaneId],
    pub house: &'a Attendance,
    pub lease: Duration,
    /// The monotonic clock.
    pub now: Duration,
}

/// A lease is renewed, and the house looked at, so often while it lasts.
pub(crate) const LOOKS_PER_LEASE: u32 = 3;
/// A look that waits for a lease to end comes a little after it.
const AFTER: Duration = Duration::from_millis(20);

impl Memory {
    /// Every worker takes its share of what is free, and gives up what it has beyond it as soon as
    /// another has less. What nobody takes is taken by whoever sees it lie for half a lease.
    pub(crate) fn decide(&mut self, view: &View<'_>) -> Decision {
        let holds = |name: &str| {
            let theirs = |l: &&efface_store::LaneRow| {
                l.owner.as_deref() == Some(name) && !l.runs_out_in.is_zero()
            };
            view.house.lanes.iter().filter(theirs).count()
        };
        let share = quota(view.wanted.len(), view.house, view.me);
        let free: Vec<&LaneId> =
            in_my_order(view).into_iter().filter(|lane| is_free(view, lane)).collect();
        let room = share.saturating_sub(view.mine.len());
        let mut take: Vec<LaneId> = free.iter().take(room).copied().cloned().collect();
        let patience = view.lease / 2;
        // what another was faster to take, or came to want, is no more kept than the rest
        self.kept.retain(|lane| view.mine.contains(lane));
        self.free_since.retain(|lane, _| free.contains(&lane));
        for lane in free.iter().skip(room) {
            let since = *self.free_since.entry((*lane).clone()).or_insert(view.now);
            if view.now.saturating_sub(since) >= patience {
                self.kept.insert((*lane).clone());
                take.push((*lane).clone());
            }
        }
        let lacking: usize = view
            .house
            .workers
            .iter()
            .filter(|w| w.name != view.me)
            .map(|w| quota(view.wanted.len(), view.house, &w.name).saturating_sub(holds(&w.name)))
            .sum();
        let beyond = view.mine.len().saturating_sub(share).min(lacking);
        let last_first = in_my_order(view).into_iter().rev();
        let give = last_first
            .filter(|lane| view.mine.contains(lane) && !self.kept.contains(*lane))
            .take(beyond)
            .cloned()
            .collect();
        Decision { take, give, look_in: look_in(view) }
    }
}

/// The lanes, begun at another one by each worker: at a common start they do not fight for the same.
fn in_my_order<'a>(view: &View<'a>) -> Vec<&'a LaneId> {
    let rank = view.house.workers.iter().position(|w| w.name == view.me).unwrap_or(0);
    let start = view.wanted.len() * rank / view.house.workers.len().max(1);
    let (before, after) = view.wanted.split_at(start.min(view.wanted.len()));
    after.iter().chain(before).collect()
}

/// How many of `lanes` a worker should have: as many as everybody, the first ones one more where it
/// does not come out even, and never more than it can serve.
fn quota(lanes: usize, house: &Attendance, name: &str) -> usize {
    let Some(rank) = house.workers.iter().position(|w| w.name == name) else { return 0 };
    let all = house.workers.len().max(1);
    let even = lanes / all + usize::from(rank < lanes % all);
    even.min(house.workers.get(rank).map_or(0, |w| w.serves as usize))
}

/// Whether a lane could be taken: nobody's, out of its lease, or left by an earlier life of this name.
fn is_free(view: &View<'_>, lane: &LaneId) -> bool {
    if view.mine.contains(lane) || view.ending.contains(lane) {
        return false;
    }
    let row = view.house.lanes.iter().find(|l| l.lane == *lane);
    row.is_none_or(|row| match &row.owner {
        None => true,
        Some(owner) => owner == view.me || row.runs_out_in.is_zero(),
    })
}

/// A lease in three, and when another's lease ends: it is renewed long before, or its owner is gone.
fn look_in(view: &View<'_>) -> Duration {
    let others = view.house.lanes.iter().filter(|l| {
        view.wanted.contains(&l.lane)
            && l.owner.as_deref().is_some_and(|owner| owner != view.me)
            && !l.runs_out_in.is_zero()
    });
    let ends = others.map(|l| l.runs_out_in.saturating_add(AFTER)).min();
    (view.lease / LOOKS_PER_LEASE).min(ends.unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests;

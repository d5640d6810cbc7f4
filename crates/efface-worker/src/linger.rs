//! How long an order that is not full waits for company.

use std::time::Duration;

use efface_core::{Timestamp, manifest::Step, task::queue};
use efface_store::DueTask;

use crate::{fleet::ConnectedAccount, lane::Lane};

/// When a company of `people` leaves that could be `batch`: `None` now, else at that time if nobody
/// else comes. It is counted from the one who has waited longest.
pub(crate) fn leaves_at(
    people: usize,
    batch: usize,
    oldest_due: Timestamp,
    linger: Duration,
    now: Timestamp,
) -> Option<Timestamp> {
    let until = oldest_due.plus(linger);
    (people < batch && now < until).then_some(until)
}

impl Lane {
    /// Whether this company still waits for others; the lane looks again in time. What an earlier
    /// refusal has made smaller is as large as it gets.
    pub(crate) fn lingers(
        &self,
        account: &ConnectedAccount,
        step: &Step,
        company: &[DueTask],
    ) -> bool {
        if account.linger.is_zero() {
            return false;
        }
        let most = step.batch_items.min(account.batch_items.unwrap_or(u32::MAX)) as usize;
        let now = self.hands.clock.now();
        let mut soft = self.soft();
        let told_apart = company.iter().filter_map(|c| soft.company.get(&c.task.id)).min();
        let batch = told_apart.map_or(most, |within| most.min(*within));
        let oldest = company.iter().map(|c| queue(&c.task).1).min().unwrap_or(now);
        let at = leaves_at(company.len(), batch, oldest, account.linger, now);
        if let Some(at) = at {
            soft.lingers = Some(soft.lingers.map_or(at, |known| known.min(at)));
        }
        at.is_some()
    }

    /// How long the lane may rest before a company leaves.
    pub(crate) fn linger_wait(&self, now: Timestamp) -> Duration {
        self.soft().lingers.map_or(Duration::MAX, |at| at.since(now).max(Duration::from_millis(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_company_leaves_when_it_is_full_or_has_waited() {
        let at = |millis: i64| Timestamp::from_millis(1_000_000 + millis);
        let millis = Duration::from_millis;
        for (people, batch, linger, waited, want) in [
            // no wish to wait
            (1, 100, 0, 0, None),
            // full
            (100, 100, 500, 0, None),
            (1, 1, 500, 0, None),
            (101, 100, 500, 0, None),
            // not full: from the oldest on
            (1, 100, 500, 0, Some(500)),
            (99, 100, 500, 499, Some(500)),
            (99, 100, 500, 500, None),
            (1, 100, 500, 9_000, None),
        ] {
            let got = leaves_at(people, batch, at(0), millis(linger), at(waited));
            assert_eq!(
                got,
                want.map(at),
                "{people} of {batch}, lingering {linger} ms, after {waited} ms"
            );
        }
    }
}

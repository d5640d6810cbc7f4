//! When to try again: full jitter for failures, decay for polls. Pure: chance is a number handed in.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Retry schedule. Delays grow fourfold from `base` to `cap`; the delay drawn is uniform below
/// ("full jitter"), and a vendor's `Retry-After` (RFC 9110 §10.2.3) is a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    pub base: Duration,
    pub cap: Duration,
    /// After this many failures a desk entry stands beside the task, which is then tried once a day.
    pub tries_before_desk: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            base: Duration::from_secs(5),
            cap: Duration::from_secs(24 * 3600),
            tries_before_desk: 10,
        }
    }
}

/// The longest `Retry-After` obeyed; beyond it a vendor's answer is taken as a mistake.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(31 * 24 * 3600);

impl RetryPolicy {
    /// When to try again after `failures` failures (1 = the first), `random` uniform over u64.
    #[must_use]
    pub fn next(
        &self,
        now: Timestamp,
        failures: u32,
        retry_after: Option<Duration>,
        random: u64,
    ) -> Timestamp {
        let window = if failures > self.tries_before_desk {
            self.cap
        } else {
            let factor = 4u32.saturating_pow(failures.saturating_sub(1).min(12));
            self.base.saturating_mul(factor).min(self.cap)
        };
        let floor = retry_after.unwrap_or(Duration::ZERO).min(LONGEST_RETRY_AFTER);
        // spread above the floor too, so that a thousand tasks told "in 60 s" do not return as one
        now.plus(floor).plus(fraction(window, random))
    }

    /// Whether a desk entry should stand beside the task now.
    #[must_use]
    pub const fn spent(&self, failures: u32) -> bool {
        failures == self.tries_before_desk
    }
}

fn fraction(window: Duration, random: u64) -> Duration {
    let millis = u128::from(u64::try_from(window.as_millis()).unwrap_or(u64::MAX));
    let share = (millis * u128::from(random)) >> 64;
    Duration::from_millis(u64::try_from(share).unwrap_or(u64::MAX))
}

/// The next poll: the vendor's own wish, growing by half with each poll that changed nothing, up to
/// six hours (or the vendor's wish where that is longer), a tenth of it spread by chance.
#[must_use]
pub fn next_poll(now: Timestamp, wish: Duration, polls: u32, random: u64) -> Timestamp {
    const CAP: Duration = Duration::from_secs(6 * 3600);
    let mut wait = wish;
    for _ in 0..polls.min(40) {
        if wait >= CAP {
            break;
        }
        wait = (wait + wait / 2).min(CAP);
    }
    let wait = wait.max(wish);
    now.plus(wait).plus(fraction(wait / 10, random))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    #[test]
    fn windows_grow_to_the_cap() {
        let policy = RetryPolicy::default();
        for (failures, seconds) in
            [(1, 5), (2, 20), (3, 80), (5, 1280), (9, 86_400), (11, 86_400), (4_000, 86_400)]
        {
            let latest = policy.next(NOW, failures, None, u64::MAX).since(NOW);
            assert!(latest <= Duration::from_secs(seconds), "{failures}: {latest:?}");
            assert!(
                latest + Duration::from_millis(2) >= Duration::from_secs(seconds),
                "{failures}: {latest:?}"
            );
        }
    }

    #[test]
    fn polls_decay_and_never_outrun_the_vendors_wish() {
        let wish = Duration::from_secs(60);
        assert_eq!(next_poll(NOW, wish, 0, 0).since(NOW), wish);
        assert_eq!(next_poll(NOW, wish, 1, 0).since(NOW), Duration::from_secs(90));
        assert_eq!(next_poll(NOW, wish, 500, 0).since(NOW), Duration::from_secs(6 * 3600));
        let day = Duration::from_secs(86_400);
        assert_eq!(next_poll(NOW, day, 9, 0).since(NOW), day);
    }

    proptest! {
        #[test]
        fn never_earlier_than_retry_after(failures in 1u32..40, seconds in 0u64..10_000, random: u64) {
            let floor = Duration::from_secs(seconds);
            let at = RetryPolicy::default().next(NOW, failures, Some(floor), random);
            prop_assert!(at >= NOW.plus(floor));
        }
    }
}

//! A vendor's pace, by the monotonic clock: in no second do more calls leave than the rate allows,
//! whatever happened before.

use std::{collections::VecDeque, time::Duration};

/// A second is looked at in so many parts: what holds in each part holds in the whole, and a lane that
/// changes hands waits for one part alone.
const PARTS: std::ops::RangeInclusive<u32> = 10..=60;

/// At most `most` calls in any stretch of `window`.
#[derive(Clone, Debug)]
pub struct Pace {
    most: u32,
    window: Duration,
    /// When the last calls left.
    recent: VecDeque<Duration>,
    /// Nothing leaves before.
    from: Duration,
}

impl Pace {
    /// Begins as if the owner before had just used it up: a lane that changes hands must not burst.
    #[must_use]
    pub fn new(per_second: f64, now: Duration) -> Self {
        let per_second = per_second.clamp(0.001, 1e9);
        // a thousand million at most
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded above and below just before"
        )]
        let whole = per_second as u32;
        // as many parts as leave the least over
        let parts = PARTS.rev().max_by_key(|parts| whole / parts * parts).unwrap_or(1);
        let (most, window) = match whole / parts {
            0 => (1, Duration::from_secs_f64(1.0 / per_second)),
            most => (most, Duration::from_secs(1) / parts),
        };
        Self { most, window, recent: VecDeque::new(), from: now + window }
    }

    /// Calls that may leave now.
    pub fn available(&mut self, now: Duration) -> u32 {
        while self.recent.front().is_some_and(|at| *at + self.window <= now) {
            self.recent.pop_front();
        }
        let out = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if now < self.from { 0 } else { self.most.saturating_sub(out) }
    }

    pub fn take(&mut self, calls: u32, now: Duration) {
        self.recent.extend((0..calls).map(|_| now));
    }

    /// How long until one call may leave.
    #[must_use]
    pub fn wait(&self, now: Duration) -> Duration {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let frees = self.recent.len().checked_sub(most).and_then(|n| self.recent.get(n));
        let frees = frees.map_or(Duration::ZERO, |at| *at + self.window);
        frees.max(self.from).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// When calls leave, if whatever may leave does, looked at every `step`.
    fn greedy(pace: &mut Pace, from: u64, to: u64, step: usize) -> Vec<u64> {
        let mut left = vec![];
        for now in (from..to).step_by(step) {
            let free = pace.available(ms(now));
            assert_eq!(free == 0, !pace.wait(ms(now)).is_zero(), "at {now}");
            pace.take(free, ms(now));
            left.extend((0..free).map(|_| now));
        }
        left
    }

    fn most_in_a_second(left: &[u64]) -> usize {
        let within = |at: &u64| left.iter().filter(|b| **b >= *at && **b < *at + 1_000).count();
        left.iter().map(within).max().unwrap_or(0)
    }

    #[test]
    fn in_no_second_do_more_leave_than_the_rate_allows_and_the_rate_is_used() {
        for rate in [1.0, 2.5, 10.0, 15.0, 64.0, 300.0] {
            let mut pace = Pace::new(rate, ms(0));
            let mut left = greedy(&mut pace, 0, 10_000, 1);
            assert!(left.len() as f64 >= 9.0 * rate, "{rate}: {} calls", left.len());
            // a rest earns nothing
            left.extend(greedy(&mut pace, 3_600_000, 3_603_000, 1));
            assert!(most_in_a_second(&left) as f64 <= rate.ceil(), "{rate}");
        }
    }

    #[test]
    fn a_lane_that_changes_hands_keeps_the_pace() {
        for rate in [2.0, 10.0, 50.0] {
            let mut left = vec![];
            // a new owner every 700 milliseconds, each at the moment the other is done
            for owner in 0..20 {
                let from = owner * 700;
                left.extend(greedy(&mut Pace::new(rate, ms(from)), from, from + 700, 1));
            }
            assert!(most_in_a_second(&left) as f64 <= rate, "{rate}");
            assert!(!left.is_empty(), "{rate}");
        }
    }

    #[test]
    fn what_was_taken_beyond_is_waited_for() {
        let mut pace = Pace::new(10.0, ms(0));
        assert_eq!(pace.available(ms(50)), 0);
        assert_eq!(pace.available(ms(100)), 1);
        pace.take(3, ms(100));
        assert_eq!(pace.available(ms(199)), 0);
        assert_eq!(pace.wait(ms(150)), ms(50));
    }
}

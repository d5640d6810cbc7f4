//! A vendor's pace: a token bucket per lane, filled by the monotonic clock.

use std::time::Duration;

/// Calls per second with a burst of at most one second's worth.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    per_second: f64,
    tokens: f64,
    filled_at: Duration,
}

impl Bucket {
    /// Starts with one token: a lane that changes hands must not burst.
    #[must_use]
    pub fn new(per_second: f64, now: Duration) -> Self {
        Self { per_second: per_second.max(0.001), tokens: 1.0, filled_at: now }
    }

    /// Whole calls that may leave now.
    pub fn available(&mut self, now: Duration) -> u32 {
        let passed = now.saturating_sub(self.filled_at).as_secs_f64();
        self.filled_at = now;
        let most = self.per_second.max(1.0);
        self.tokens = (self.tokens + passed * self.per_second).min(most);
        // a token count is small and not negative
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the burst and floored at zero"
        )]
        let whole = self.tokens.max(0.0) as u32;
        whole
    }

    pub fn take(&mut self, calls: u32) {
        self.tokens -= f64::from(calls);
    }

    /// How long until one call may leave.
    #[must_use]
    pub fn wait(&self) -> Duration {
        if self.tokens >= 1.0 {
            Duration::ZERO
        } else {
            Duration::from_secs_f64((1.0 - self.tokens) / self.per_second)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_more_than_the_rate_over_any_second() {
        let mut bucket = Bucket::new(10.0, Duration::ZERO);
        let mut calls = 0;
        for millis in (0..10_000).step_by(7) {
            let now = Duration::from_millis(millis);
            let free = bucket.available(now);
            bucket.take(free);
            calls += free;
        }
        assert!((99..=101).contains(&calls), "{calls}");
    }

    #[test]
    fn a_long_rest_gives_one_second_of_burst_at_most() {
        let mut bucket = Bucket::new(5.0, Duration::ZERO);
        assert_eq!(bucket.available(Duration::from_secs(3600)), 5);
        bucket.take(5);
        assert!(bucket.wait() > Duration::from_millis(190));
    }
}

//! Until when a lane is surely ours, by our own monotonic clock: who was stopped and goes on, or whose
//! database is silent, makes no call that the next owner may be making too.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The last part of a lease is left alone: a call that is about to be made takes a moment to leave.
const MARGIN: u32 = 6;

/// A lease as its owner knows it.
#[derive(Debug)]
pub(crate) struct Held {
    lease: Duration,
    /// Milliseconds of the monotonic clock.
    until: AtomicU64,
}

impl Held {
    /// `asked_at`: before the database was asked, so that the lease ends here no later than there.
    pub(crate) fn new(lease: Duration, asked_at: Duration) -> Self {
        let held = Self { lease, until: AtomicU64::new(0) };
        held.renewed(asked_at);
        held
    }

    pub(crate) fn renewed(&self, asked_at: Duration) {
        let until = asked_at + self.lease - self.lease / MARGIN;
        self.until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// It is given back: from now on nothing leaves.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(crate) fn surely(&self, now: Duration) -> bool {
        now.as_millis() < u128::from(self.until.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_sixth_of_a_lease_is_left_alone() {
        let s = Duration::from_secs;
        let held = Held::new(s(30), s(100));
        assert!(held.surely(s(124)));
        assert!(!held.surely(s(125)));
        held.renewed(s(110));
        assert!(held.surely(s(134)));
        assert!(!held.surely(s(500)));
        held.end();
        assert!(!held.surely(s(110)));
    }
}

//! Time and chance for whole systems: the real ones, and a clock that is moved by hand.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use efface_core::{
    Timestamp,
    outside::{Chance, Clock},
};

/// The wall clock.
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the world's wiring reads the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
    }
}

/// The wall clock, ahead by as much as a test has moved it.
#[derive(Default)]
pub struct MovedClock {
    ahead_millis: AtomicI64,
}

impl MovedClock {
    /// It is `at` now, and goes on from there.
    pub fn set(&self, at: Timestamp) {
        self.ahead_millis.store(at.millis() - WallClock.now().millis(), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_millis.load(Ordering::SeqCst);
        Timestamp::from_millis(WallClock.now().millis() + ahead)
    }
}

/// The operating system's randomness.
pub struct OsChance;

impl Chance for OsChance {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}

/// Time since some fixed moment of this process.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the world's wiring reads the clock")]
pub fn stopwatch() -> Duration {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed()
}

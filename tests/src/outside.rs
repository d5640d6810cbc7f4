//! Time and chance for whole systems: the real ones, and a clock that is moved by hand.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use efface_core::{
    Timestamp,
    outside::{Chance, Clock},
};
use efface_worker::{Runtime, Task, TokioRuntime};

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

/// A runtime whose tasks can be ended all at once and in the middle, as a lost machine ends them.
#[derive(Default)]
pub struct MortalRuntime {
    living: TokioRuntime,
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
}

impl MortalRuntime {
    /// Ends everything, and returns when it has.
    pub async fn kill(&self) {
        let all = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        all.iter().for_each(tokio::task::JoinHandle::abort);
        for one in all {
            // ended in the middle, or done before
            let _ = one.await;
        }
    }
}

impl Runtime for MortalRuntime {
    fn sleep(&self, duration: Duration) -> Task {
        self.living.sleep(duration)
    }

    fn spawn(&self, task: Task) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|one| !one.is_finished());
        tasks.push(tokio::spawn(task));
    }

    fn monotonic(&self) -> Duration {
        self.living.monotonic()
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

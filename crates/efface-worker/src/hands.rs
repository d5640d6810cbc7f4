//! What the worker is handed: time, chance, sleep and spawn. A simulation hands its own.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use efface_core::outside::{Chance, Clock};

/// A boxed future without a value.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sleeping, spawning, and a clock that never steps.
pub trait Runtime: Send + Sync {
    fn sleep(&self, duration: Duration) -> Task;
    fn spawn(&self, task: Task);
    /// Time since some fixed moment, never stepping back.
    fn monotonic(&self) -> Duration;
}

/// The real one.
pub struct TokioRuntime {
    started: tokio::time::Instant,
}

impl TokioRuntime {
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the real runtime is where the monotonic clock is read"
    )]
    pub fn new() -> Self {
        Self { started: tokio::time::Instant::now() }
    }
}

impl Default for TokioRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl Runtime for TokioRuntime {
    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(tokio::time::sleep(duration))
    }

    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Everything from outside.
#[derive(Clone)]
pub struct Hands {
    pub clock: Arc<dyn Clock>,
    pub chance: Arc<dyn Chance>,
    pub runtime: Arc<dyn Runtime>,
}

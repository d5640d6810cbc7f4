//! The two things of the outside world the rules may be handed: the time and chance.

use crate::Timestamp;

/// The wall clock. The real one lives in the command line's wiring; tests move theirs by hand.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

/// A source of unpredictable bytes. The real one is the operating system's; simulations seed theirs.
pub trait Chance: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    /// A uniformly spread number in `0..=u64::MAX`.
    fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl<T: Clock + ?Sized> Clock for std::sync::Arc<T> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }
}

impl<T: Chance + ?Sized> Chance for std::sync::Arc<T> {
    fn fill(&self, bytes: &mut [u8]) {
        (**self).fill(bytes);
    }
}

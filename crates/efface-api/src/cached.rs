//! A value read anew when it is older than asked; many askers share one reading.

use std::{
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use efface_core::Timestamp;

/// A value with the time it was read.
pub struct Cached<T> {
    value: RwLock<Option<(Timestamp, Arc<T>)>>,
    /// Whoever holds this reads; the others wait and take what was read.
    turn: tokio::sync::Mutex<()>,
}

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self { value: RwLock::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<T> Cached<T> {
    /// The value, read anew when it is older than `at_most` or the clock went back.
    pub async fn get<E>(
        &self,
        now: Timestamp,
        at_most: Duration,
        read: impl Future<Output = Result<T, E>>,
    ) -> Result<Arc<T>, E> {
        if let Some(value) = self.fresh(now, at_most) {
            return Ok(value);
        }
        let _turn = self.turn.lock().await;
        if let Some(value) = self.fresh(now, at_most) {
            return Ok(value);
        }
        let value = Arc::new(read.await?);
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = Some((now, value.clone()));
        Ok(value)
    }

    fn fresh(&self, now: Timestamp, at_most: Duration) -> Option<Arc<T>> {
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        // whoever waited for its turn may bring a time before the reading
        value
            .as_ref()
            .filter(|(read_at, _)| {
                now.since(*read_at) < at_most && read_at.since(now) < Duration::from_secs(1)
            })
            .map(|(_, value)| value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    #[tokio::test]
    async fn a_value_is_read_anew_when_it_is_old_or_the_clock_went_back() {
        let cached = Cached::<u32>::default();
        let limit = Duration::from_secs(2);
        for (at, offered, want) in
            [(10_000, 1, 1), (11_999, 2, 1), (12_000, 3, 3), (11_500, 4, 3), (5_000, 5, 5)]
        {
            let read = async { Ok::<_, Infallible>(offered) };
            let got = cached.get(Timestamp::from_millis(at), limit, read).await;
            assert_eq!(got.map(|v| *v), Ok(want), "at {at}");
        }
    }
}

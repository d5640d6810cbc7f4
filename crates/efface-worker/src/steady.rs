//! Whether the wall clock can be believed by what cannot be undone: since the worker started it must
//! have gone as the monotonic clock went, and as the database's.

use std::time::Duration;

use efface_core::Timestamp;
use efface_store::Store;

use crate::hands::Hands;

/// Clocks may come apart by so much.
const MOST_APART: Duration = Duration::from_secs(3600);

/// Three clocks, read together.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    pub wall: Timestamp,
    pub database: Timestamp,
    pub monotonic: Duration,
}

impl Clocks {
    /// `None` when the database does not tell the time. Readings are told apart by one runtime's
    /// monotonic clock: both must be read with the same hands.
    pub async fn read(store: &dyn Store, hands: &Hands) -> Option<Self> {
        let database = store.database_time().await.ok()?;
        Some(Self { wall: hands.clock.now(), database, monotonic: hands.runtime.monotonic() })
    }

    /// Whether the wall clock stepped between the two readings.
    #[must_use]
    pub fn stepped(&self, now: &Self) -> bool {
        let wall = now.wall.millis() - self.wall.millis();
        let monotonic = i64::try_from(now.monotonic.saturating_sub(self.monotonic).as_millis());
        let database = now.database.millis() - self.database.millis();
        let apart = |other: i64| Duration::from_millis(wall.abs_diff(other)) > MOST_APART;
        monotonic.map_or(true, apart) || apart(database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wall_clock_that_goes_its_own_way_is_not_believed() {
        const HOUR: i64 = 3_600_000;
        let at = |wall: i64, database: i64, monotonic: u64| Clocks {
            wall: Timestamp::from_millis(1_000 * HOUR + wall),
            database: Timestamp::from_millis(999 * HOUR + database),
            monotonic: Duration::from_millis(monotonic),
        };
        let start = at(0, 0, 0);
        for (now, stepped) in [
            (at(0, 0, 0), false),
            (at(50 * HOUR, 50 * HOUR, 50 * 3_600_000), false),
            (at(51 * HOUR, 50 * HOUR, 50 * 3_600_000), false),
            (at(51 * HOUR + 1, 50 * HOUR, 50 * 3_600_000), true),
            (at(-2 * HOUR, 0, 0), true),
            // the host slept: its monotonic clock stood still, and nobody can tell
            (at(50 * HOUR, 50 * HOUR, 0), true),
            // both of this host's clocks agree, the database's does not
            (at(50 * HOUR, 0, 50 * 3_600_000), true),
        ] {
            assert_eq!(start.stepped(&now), stepped, "{now:?}");
        }
    }
}

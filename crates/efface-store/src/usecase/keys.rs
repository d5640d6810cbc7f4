//! The register of months' keys, and carrying requests and entries of the suppression list and
//! watches over from one month's key to another's.

use efface_core::Timestamp;
use efface_vault::{Month, WrappedKey};

use crate::{Error, SqlStore, hot::Cell, sql::month_of};

/// A month's key as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthKeyRow {
    pub month: Month,
    pub key_id: String,
    pub made_at: Timestamp,
    pub destroyed: Option<(Timestamp, String)>,
    /// Requests, entries of the suppression list and watches whose keys it wraps.
    pub wraps: u64,
}

/// Whose keys months' keys wrap.
#[derive(Clone, Copy)]
struct Owners {
    find: &'static str,
    wrap: &'static str,
}

const REQUESTS: Owners = Owners {
    find: "SELECT id, wrapped_key, wrapped_by FROM request WHERE wrapped_by LIKE $1 ORDER BY id LIMIT $2",
    wrap: "UPDATE request SET wrapped_key = $2, wrapped_by = $3 WHERE id = $1 AND wrapped_by = $4 RETURNING id",
};

const ENTRIES: Owners = Owners {
    find: "SELECT id, wrapped_key, wrapped_by FROM suppression WHERE wrapped_by LIKE $1 ORDER BY id LIMIT $2",
    wrap: "UPDATE suppression SET wrapped_key = $2, wrapped_by = $3 WHERE id = $1 AND wrapped_by = $4 RETURNING id",
};

const WATCHES: Owners = Owners {
    find: "SELECT task_id, wrapped_key, wrapped_by FROM watch WHERE wrapped_by LIKE $1 ORDER BY task_id LIMIT $2",
    wrap: "UPDATE watch SET wrapped_key = $2, wrapped_by = $3 WHERE task_id = $1 AND wrapped_by = $4 RETURNING task_id",
};

/// Keys carried over in one go.
const AT_ONCE: i64 = 500;
/// A month's key is in use for so long after its month: no clock is that wrong.
const CLOCKS_APART_MILLIS: i64 = 2 * 86_400_000;

impl SqlStore {
    /// This month and the next, by the store's clock.
    ///
    /// # Errors
    /// When the clock shows a year that is none.
    pub fn months_in_use(&self) -> Result<[Month; 2], Error> {
        const LONGEST_MONTH_MILLIS: i64 = 31 * 86_400_000;
        let now = self.now();
        let this = month_of(now)?;
        let mut later = now.millis();
        // the first day that is another month's
        for _ in 0..4 {
            later += LONGEST_MONTH_MILLIS / 2;
            let next = month_of(Timestamp::from_millis(later))?;
            if next != this {
                return Ok([this, next]);
            }
        }
        Ok([this.clone(), this])
    }

    /// Says that `key_id` is the month's key, unless another stands there; the one that stands.
    ///
    /// # Errors
    /// [`Error::Refused`] when the month's key was destroyed; when the database cannot be written.
    pub async fn claim_month(
        &self,
        month: &Month,
        key_id: &str,
        by: &str,
    ) -> Result<String, Error> {
        let standing = async || {
            let sql = "SELECT key_id, destroyed_at FROM month_key WHERE month = $1";
            self.database.rows(sql, &[Cell::from(month.as_str())]).await
        };
        if let Some(row) = standing().await?.first() {
            if row.opt_int(1)?.is_some() {
                return Err(Error::Refused(format!(
                    "the key of {month} was destroyed, and nothing is sealed under that month again; is the clock of this machine right?"
                )));
            }
            return row.text(0);
        }
        let now = self.now();
        let mut tx = self.database.begin().await?;
        let cells = [Cell::from(month.as_str()), Cell::from(key_id), Cell::from(now.millis())];
        tx.small(
            "INSERT INTO month_key (month, key_id, made_at) VALUES ($1, $2, $3) ON CONFLICT (month) DO NOTHING",
            &cells,
        )
        .await?;
        tx.commit().await?;
        let stands = standing().await?.first().map(|row| row.text(0)).transpose()?;
        let stands = stands.unwrap_or_default();
        if stands == key_id {
            self.note_key(&format!("month {month}"), &format!("made, {key_id}"), by).await?;
        }
        Ok(stands)
    }

    /// Every month's key, by month.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn month_keys(&self) -> Result<Vec<MonthKeyRow>, Error> {
        let sql = "SELECT m.month, m.key_id, m.made_at, m.destroyed_at, m.destroyed_by, (SELECT count(*) FROM request r WHERE r.wrapped_by = 'month:' || m.month || ':' || m.key_id) + (SELECT count(*) FROM suppression s WHERE s.wrapped_by = 'month:' || m.month || ':' || m.key_id) + (SELECT count(*) FROM watch w WHERE w.wrapped_by = 'month:' || m.month || ':' || m.key_id) FROM month_key m ORDER BY m.month";
        let found = self.database.rows(sql, &[]).await?;
        found
            .iter()
            .map(|row| {
                let destroyed = match row.opt_int(3)? {
                    Some(at) => {
                        let by = row.opt_text(4)?.unwrap_or_default();
                        Some((Timestamp::from_millis(at), by))
                    }
                    None => None,
                };
                Ok(MonthKeyRow {
                    month: Month::parse(&row.text(0)?)?,
                    key_id: row.text(1)?,
                    made_at: Timestamp::from_millis(row.int(2)?),
                    destroyed,
                    wraps: u64::try_from(row.int(5)?).unwrap_or(0),
                })
            })
            .collect()
    }

    /// How many requests, entries and watches are wrapped by the master itself: those of a database that had no
    /// months' keys yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn wrapped_by_master(&self) -> Result<u64, Error> {
        let sql = "SELECT (SELECT count(*) FROM request WHERE wrapped_by LIKE 'master:%') + (SELECT count(*) FROM suppression WHERE wrapped_by LIKE 'master:%') + (SELECT count(*) FROM watch WHERE wrapped_by LIKE 'master:%')";
        let found = self.database.rows(sql, &[]).await?;
        found.first().map_or(Ok(0), |row| Ok(u64::try_from(row.int(0)?).unwrap_or(0)))
    }

    /// Wraps the keys of some requests, entries and watches anew, under this month's key: those that
    /// `wrapped_by` begins with. How many; none when all are done. What is sealed under such a key
    /// stays as it is.
    ///
    /// # Errors
    /// When one of the keys does not open; nothing is half done.
    pub async fn carry_over(&self, wrapped_by: &str) -> Result<u64, Error> {
        let mut carried = 0;
        for owners in [REQUESTS, ENTRIES, WATCHES] {
            carried += self.carry_over_some(owners, wrapped_by).await?;
        }
        Ok(carried)
    }

    async fn carry_over_some(&self, owners: Owners, wrapped_by: &str) -> Result<u64, Error> {
        let [to, _] = self.months_in_use()?;
        let like = format!("{wrapped_by}%");
        let found = self
            .database
            .rows(owners.find, &[Cell::from(like.as_str()), Cell::from(AT_ONCE)])
            .await?;
        let mut tx = self.database.begin().await?;
        let mut carried = 0;
        for row in &found {
            let id = row.id(0)?;
            let wrapped = WrappedKey { bytes: row.bytes(1)?, wrapped_by: row.text(2)? };
            let anew = self.sealer.rewrap(id.as_bytes(), &wrapped, &to)?;
            let cells = [
                Cell::from(id.as_bytes()),
                Cell::from(anew.bytes),
                Cell::from(anew.wrapped_by.as_str()),
                Cell::from(wrapped.wrapped_by.as_str()),
            ];
            // whoever forgot it meanwhile has taken its key away: it comes back by nobody
            let hit = tx.small(owners.wrap, &cells).await?;
            carried += u64::try_from(hit.len()).unwrap_or(0);
        }
        tx.commit().await?;
        // a round in which each was forgotten meanwhile is no last one
        Ok(if found.is_empty() { 0 } else { carried.max(1) })
    }

    /// A month's key that may be destroyed once it wraps nothing any more.
    ///
    /// # Errors
    /// [`Error::Refused`] while the month goes on, or when no such key is known.
    pub async fn ended_month(&self, month: &Month) -> Result<MonthKeyRow, Error> {
        let late = self.now().millis().saturating_sub(CLOCKS_APART_MILLIS);
        if *month >= month_of(Timestamp::from_millis(late))? {
            return Err(Error::Refused(format!(
                "{month} is not over for two days yet, and new requests are sealed under its key"
            )));
        }
        let row = self.month_keys().await?.into_iter().find(|row| row.month == *month);
        row.ok_or_else(|| {
            Error::Refused(format!("no key of {month} is known; `efface key status` lists them"))
        })
    }

    /// Keys that were destroyed by another process are forgotten by this one too.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn forget_destroyed_months(&self) -> Result<(), Error> {
        let sql = "SELECT month FROM month_key WHERE destroyed_at IS NOT NULL";
        for row in self.database.rows(sql, &[]).await? {
            self.sealer.forget_month(&Month::parse(&row.text(0)?)?);
        }
        Ok(())
    }

    /// Says that a month's key is destroyed, when it wraps nothing any more; its files may be removed
    /// then.
    ///
    /// # Errors
    /// [`Error::Refused`] while the month goes on or the key still wraps something.
    pub async fn destroy_month(&self, month: &Month, by: &str) -> Result<(), Error> {
        let row = self.ended_month(month).await?;
        if row.wraps > 0 {
            return Err(Error::Refused(format!(
                "the key of {month} still wraps {} keys of requests and watches",
                row.wraps
            )));
        }
        if row.destroyed.is_some() {
            return Ok(());
        }
        let mut tx = self.database.begin().await?;
        let cells = [Cell::from(month.as_str()), Cell::from(self.now().millis()), Cell::from(by)];
        let hit = tx.small("UPDATE month_key SET destroyed_at = $2, destroyed_by = $3 WHERE month = $1 AND destroyed_at IS NULL AND NOT EXISTS (SELECT 1 FROM request WHERE wrapped_by = 'month:' || month || ':' || key_id) AND NOT EXISTS (SELECT 1 FROM suppression WHERE wrapped_by = 'month:' || month || ':' || key_id) AND NOT EXISTS (SELECT 1 FROM watch WHERE wrapped_by = 'month:' || month || ':' || key_id) RETURNING month", &cells).await?;
        if hit.is_empty() {
            return Err(Error::Refused(format!(
                "somebody else is at work on the key of {month}; try again"
            )));
        }
        tx.commit().await?;
        self.sealer.forget_month(month);
        self.note_key(&format!("month {month}"), &format!("destroyed, {}", row.key_id), by).await
    }
}

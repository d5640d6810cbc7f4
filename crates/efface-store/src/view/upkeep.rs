//! What the doctor and the caretaker ask of the database.

use efface_core::{ImportId, RequestId, Timestamp, journal::Entry, journal::ReadEntry};
use sea_orm::ConnectionTrait;

use crate::{Error, SqlStore, hot::Cell};

/// Answers to callers and errands are kept for two weeks.
const ANSWERS_KEPT_MILLIS: i64 = 14 * 86_400_000;

impl SqlStore {
    /// What the database's own clock says.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn database_time(&self) -> Result<Timestamp, Error> {
        let sql = if self.database.is_postgres() {
            "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::int8"
        } else {
            "SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER)"
        };
        let found = self.database.rows(sql, &[]).await?;
        let millis = found.first().map(|r| r.int(0)).transpose()?.unwrap_or_default();
        Ok(Timestamp::from_millis(millis))
    }

    /// Whether the database takes a write; the write itself is taken back.
    ///
    /// # Errors
    /// When it does not.
    pub async fn prove_writable(&self) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
        tx.small(sql, &["write_probe".into(), "taken back".into()]).await?;
        // dropped, so rolled back
        drop(tx);
        Ok(())
    }

    /// Drops old answers to callers and errands; lets SQLite move its log into the database file and
    /// give free pages back.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn tidy(&self) -> Result<&'static str, Error> {
        self.drop_old_answers().await?;
        self.ask_to_forget().await?;
        if self.database.is_postgres() {
            return Ok("old answers dropped; PostgreSQL looks after the rest itself");
        }
        let writer = self.database.writer_orm();
        writer.execute_unprepared("PRAGMA incremental_vacuum(2000)").await?;
        writer.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        Ok("old answers dropped, log moved into the database file, free pages given back")
    }

    /// Requests that were over before anybody thought of forgetting them, or of ending their records,
    /// are looked at.
    async fn ask_to_forget(&self) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        tx.small(
            "INSERT INTO follow_up (request_id, due_at, seq) SELECT r.id, $1, 1 FROM request r \
             WHERE r.state IN ('closed', 'denied', 'cancelled', 'expired', 'duplicate') AND r.wrapped_by <> '' \
             AND NOT EXISTS (SELECT 1 FROM follow_up f WHERE f.request_id = r.id) \
             ORDER BY r.id LIMIT 5000 ON CONFLICT (request_id) DO NOTHING",
            &[Cell::from(self.now().millis())],
        )
        .await?;
        // and those that were forgotten before anybody thought of ending their records
        tx.small(
            "INSERT INTO follow_up (request_id, due_at, seq) SELECT r.id, $1, 1 FROM request r \
             WHERE r.state IN ('closed', 'denied', 'cancelled', 'expired', 'duplicate') AND r.wrapped_by = '' \
             AND NOT EXISTS (SELECT 1 FROM follow_up f WHERE f.request_id = r.id) \
             ORDER BY r.id LIMIT 5000 ON CONFLICT (request_id) DO NOTHING",
            &[Cell::from(self.now().millis())],
        )
        .await?;
        tx.commit().await
    }

    /// Answers kept for callers that ask again, and answers to errands, hold what people are called.
    async fn drop_old_answers(&self) -> Result<(), Error> {
        let before = self.now().millis().saturating_sub(ANSWERS_KEPT_MILLIS);
        let mut tx = self.database.begin().await?;
        tx.small("DELETE FROM idempotency WHERE at < $1", &[Cell::from(before)]).await?;
        tx.small("DELETE FROM errand WHERE COALESCE(done_at, at) < $1", &[Cell::from(before)])
            .await?;
        tx.commit().await
    }

    /// Tasks of an import's requests that wait for release: `(account, action, state, how many)`.
    /// What waits for an identifier counts as `missing_identifier`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn release_counts(
        &self,
        import: ImportId,
    ) -> Result<Vec<(String, String, String, u64)>, Error> {
        let sql = "SELECT t.account, t.action, \
                   CASE WHEN t.state = 'blocked' AND t.body LIKE '%\"missing_identifier\"%' THEN 'missing_identifier' ELSE t.state END, count(*) \
                   FROM task t JOIN request r ON r.id = t.request_id \
                   WHERE r.import_id = $1 AND r.state = 'identified' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        let found = self.database.rows(sql, &[Cell::from(import.bytes())]).await?;
        found
            .iter()
            .map(|r| {
                Ok((r.text(0)?, r.text(1)?, r.text(2)?, u64::try_from(r.int(3)?).unwrap_or(0)))
            })
            .collect()
    }

    /// The journal's entries that belong to one request, oldest first.
    ///
    /// # Errors
    /// When an entry cannot be read.
    pub async fn history(&self, id: RequestId) -> Result<Vec<ReadEntry>, Error> {
        let sql = "SELECT body, items FROM journal WHERE request_id = $1 ORDER BY id";
        let found = self.database.rows(sql, &[Cell::from(id.bytes())]).await?;
        found.iter().map(|r| Ok(Entry::read(&r.text(0)?, &r.text(1)?)?)).collect()
    }
}

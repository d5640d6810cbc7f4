//! What a database needs beside the commits. SQLite: the write-ahead log is kept short; what was written
//! is copied into the database's file on a connection of its own, so that a commit finds little of it
//! left to do. PostgreSQL: tables that grow are analysed before autovacuum would come by; a plan made for
//! an empty table reads it from end to end, and is kept until the table has been analysed with rows in it.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sea_orm::sqlx::{self, postgres::PgPool};

use crate::{
    Error,
    hot::Inline,
    sql::{Database, connect::inline},
};

/// Rows written between two copies: about a quarter of what makes a commit copy by itself.
const ROWS: usize = 3_000;
/// Rows this process writes until tables are analysed for the first time; then each time twice as many.
const FIRST_ANALYSED: usize = 500;
const ANALYSE: &str = "ANALYZE task, request, tag, orders, receipt, follow_up, desk, exchange, journal, watch, suppression, suppression_tag, suppression_account";

/// Counts what is written and has the database looked after now and then.
pub(super) struct Keeper {
    care: Care,
    rows: usize,
}

enum Care {
    Copy(SyncSender<()>),
    Analyse { pool: PgPool, at: usize },
}

impl Keeper {
    /// # Errors
    /// When there is no thread or no connection to copy on.
    pub(super) fn start(database: &Database) -> Result<Self, Error> {
        let care = match database {
            Database::Postgres { pool, .. } => {
                Care::Analyse { pool: pool.clone(), at: FIRST_ANALYSED }
            }
            Database::Sqlite { writer, read_only, .. } => {
                let (wanted, wanting) = sync_channel(1);
                let own = inline(&writer.connect_options(), *read_only)?;
                std::thread::Builder::new()
                    .name("write-ahead log".into())
                    .spawn(move || copy(&own, &wanting))
                    .map_err(|e| Error::Unavailable(format!("no thread to copy on: {e}")))?;
                Care::Copy(wanted)
            }
        };
        Ok(Self { care, rows: 0 })
    }

    /// Needs a runtime around it.
    pub(super) fn written(&mut self, rows: usize) {
        self.rows += rows;
        match &mut self.care {
            Care::Copy(wanted) if self.rows >= ROWS => {
                // a copy that is under way or wanted already does for both
                let _ = wanted.try_send(());
                self.rows = 0;
            }
            Care::Analyse { pool, at } if self.rows >= *at => {
                *at = self.rows.saturating_mul(2);
                tokio::spawn(analyse(pool.clone()));
            }
            Care::Copy(_) | Care::Analyse { .. } => {}
        }
    }
}

/// A role that does not own the tables cannot; then autovacuum does it later.
async fn analyse(pool: PgPool) {
    if let Err(error) = sqlx::query(ANALYSE).execute(&pool).await {
        tracing::debug!(%error, "tables were not analysed");
    }
}

/// Passive: it waits for nobody and nobody waits for it. What it leaves, a commit copies later.
fn copy(own: &Inline, wanting: &Receiver<()>) {
    while wanting.recv().is_ok() {
        if let Err(error) = own.execute("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::debug!(%error, "the write-ahead log was not copied");
        }
    }
}

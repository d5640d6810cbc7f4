//! Keeps SQLite's write-ahead log short beside the commits: what was written is copied into the
//! database's file on a connection of its own, so that a commit finds little of it left to do.

use std::sync::Arc;

use sea_orm::sqlx::{self, SqlitePool};
use tokio::sync::Notify;

use crate::sql::Database;

/// Rows written between two copies: about a quarter of what makes a commit copy by itself.
const ROWS: usize = 3_000;

/// Counts what is written and has it copied now and then. Nothing to do on PostgreSQL.
pub(super) struct Keeper {
    wanted: Option<Arc<Notify>>,
    rows: usize,
}

impl Keeper {
    pub(super) fn start(database: &Database) -> Self {
        let wanted = match database {
            Database::Postgres { .. } => None,
            Database::Sqlite { keeper, .. } => {
                let wanted = Arc::new(Notify::new());
                tokio::spawn(copy(keeper.clone(), wanted.clone()));
                Some(wanted)
            }
        };
        Self { wanted, rows: 0 }
    }

    pub(super) fn written(&mut self, rows: usize) {
        self.rows += rows;
        if let (Some(wanted), true) = (&self.wanted, self.rows >= ROWS) {
            wanted.notify_one();
            self.rows = 0;
        }
    }
}

/// Passive: it waits for nobody and nobody waits for it. What it leaves, a commit copies later.
async fn copy(keeper: SqlitePool, wanted: Arc<Notify>) {
    loop {
        wanted.notified().await;
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&keeper).await {
            tracing::debug!(%error, "the write-ahead log was not copied");
        }
    }
}

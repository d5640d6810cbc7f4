//! Keeps SQLite's write-ahead log short beside the commits: what was written is copied into the
//! database's file on a connection of its own, so that a commit finds little of it left to do.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::{
    Error,
    hot::Inline,
    sql::{Database, connect::inline},
};

/// Rows written between two copies: about a quarter of what makes a commit copy by itself.
const ROWS: usize = 3_000;

/// Counts what is written and has it copied now and then. Nothing to do on PostgreSQL.
pub(super) struct Keeper {
    wanted: Option<SyncSender<()>>,
    rows: usize,
}

impl Keeper {
    /// # Errors
    /// When there is no thread or no connection to copy on.
    pub(super) fn start(database: &Database) -> Result<Self, Error> {
        let wanted = match database {
            Database::Postgres { .. } => None,
            Database::Sqlite { writer, read_only, .. } => {
                let (wanted, wanting) = sync_channel(1);
                let own = inline(&writer.connect_options(), *read_only)?;
                std::thread::Builder::new()
                    .name("write-ahead log".into())
                    .spawn(move || copy(&own, &wanting))
                    .map_err(|e| Error::Unavailable(format!("no thread to copy on: {e}")))?;
                Some(wanted)
            }
        };
        Ok(Self { wanted, rows: 0 })
    }

    pub(super) fn written(&mut self, rows: usize) {
        self.rows += rows;
        if let (Some(wanted), true) = (&self.wanted, self.rows >= ROWS) {
            // a copy that is under way or wanted already does for both
            let _ = wanted.try_send(());
            self.rows = 0;
        }
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

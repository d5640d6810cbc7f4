//! The log over the journal: tiles of its tree, signed checkpoints and, on PostgreSQL, each leaf's
//! position. On SQLite the journal's rows follow one another as they were committed, without a gap: the
//! position is the row's number.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::statements;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_ledger"
    }
}

const TABLES: &str = "
CREATE TABLE tile (
  level {int} NOT NULL,
  number {int} NOT NULL,
  hashes {bytes} NOT NULL,
  PRIMARY KEY (level, number)
) {strict};

CREATE TABLE checkpoint (
  size {int} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  note TEXT NOT NULL,
  anchored_at {int}
) {strict};
CREATE INDEX checkpoint_unanchored ON checkpoint (size) WHERE anchored_at IS NULL;
";

/// What was written before the log was kept is given positions like anything new.
const POSITIONS: &str = "
CREATE TABLE unplaced (
  entry_id BYTEA NOT NULL PRIMARY KEY
);
LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO unplaced (entry_id) SELECT id FROM journal;

CREATE TABLE leaf (
  position BIGINT NOT NULL PRIMARY KEY,
  entry_id BYTEA NOT NULL
);
CREATE UNIQUE INDEX leaf_entry ON leaf (entry_id);
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        let positions = if backend == DbBackend::Postgres { POSITIONS } else { "" };
        for statement in statements(backend, &[TABLES, positions].concat()) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    /// A start that is cut short leaves nothing behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Going back would destroy evidence: restore a backup instead.
    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Custom("the log is not taken back; restore a backup instead".into()))
    }
}

//! The months' keys this database was sealed under: which key is a month's, and which was destroyed.
//! The keys themselves lie outside.

use sea_orm_migration::prelude::*;

use crate::statements;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0004_keys"
    }
}

const TABLES: &str = "
CREATE TABLE month_key (
  month TEXT NOT NULL PRIMARY KEY,
  key_id TEXT NOT NULL,
  made_at {int} NOT NULL,
  destroyed_at {int},
  destroyed_by TEXT
) {strict_no_rowid};
";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        for statement in statements(manager.get_database_backend(), TABLES) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    /// A start that is cut short leaves nothing behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Going back would lose which key is a month's: restore a backup instead.
    async fn down(&self, _manager: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Custom(
            "the register of keys is not taken back; restore a backup instead".into(),
        ))
    }
}

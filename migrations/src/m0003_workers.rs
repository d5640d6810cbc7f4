//! Workers that live, so that they can share the lanes. Times are the database's own.

use sea_orm_migration::prelude::*;

use crate::statements;

pub struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_workers"
    }
}

const TABLES: &str = "
CREATE TABLE worker (
  name TEXT NOT NULL PRIMARY KEY,
  serves {int} NOT NULL,
  seen_until {int} NOT NULL
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

    /// Nothing in it outlives a restart.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE worker").await?;
        Ok(())
    }
}

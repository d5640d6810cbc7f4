//! Migrations: expand first, contract in a later release. One text serves both databases; the few
//! words in which they differ are filled in.

mod m0001_first;
mod m0002_ledger;
mod m0003_workers;
mod m0004_keys;
mod m0005_suppression;
mod m0006_watch;
mod m0007_restore;
mod m0008_scan;
#[cfg(feature = "newer-schema")]
mod m9999_later;

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// All migrations in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::STEP),
            Box::new(m0002_ledger::STEP),
            Box::new(m0003_workers::STEP),
            Box::new(m0004_keys::STEP),
            Box::new(m0005_suppression::STEP),
            Box::new(m0006_watch::STEP),
            Box::new(m0007_restore::STEP),
            Box::new(m0008_scan::STEP),
            #[cfg(feature = "newer-schema")]
            Box::new(m9999_later::STEP),
        ]
    }
}

/// One step of the schema.
struct Step {
    name: &'static str,
    tables: &'static str,
    /// What PostgreSQL needs besides.
    on_postgresql: &'static str,
    back: Back,
}

/// The way back from a step.
enum Back {
    Statement(&'static str),
    /// There is none, and what to do instead.
    Refused(&'static str),
}

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = manager.get_database_backend();
        let besides = if backend == DbBackend::Postgres { self.on_postgresql } else { "" };
        for statement in statements(backend, &[self.tables, besides].concat()) {
            db.execute_unprepared(&statement).await?;
        }
        Ok(())
    }

    /// A start that is cut short leaves nothing behind.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        match self.back {
            Back::Statement(statement) => {
                manager.get_connection().execute_unprepared(statement).await?;
                Ok(())
            }
            Back::Refused(why) => Err(DbErr::Custom(why.into())),
        }
    }
}

/// A text's statements, in the words of a database.
fn statements(backend: DbBackend, text: &str) -> Vec<String> {
    let words: &[(&str, &str)] = match backend {
        DbBackend::Sqlite => &[
            ("{bytes}", "BLOB"),
            ("{int}", "INTEGER"),
            ("{strict_no_rowid}", "STRICT, WITHOUT ROWID"),
            ("{strict}", "STRICT"),
            ("{appended}", ""),
            ("{roomy}", ""),
        ],
        _ => &[
            ("{bytes}", "BYTEA"),
            ("{int}", "BIGINT"),
            ("{strict_no_rowid}", ""),
            ("{strict}", ""),
            ("{appended}", "PRIMARY KEY"),
            // a row that changes finds room on its own page: its indexes stay as they are
            ("{roomy}", "WITH (fillfactor = 70)"),
        ],
    };
    let text = words.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

/// The names of all migrations this binary knows, in order.
#[must_use]
pub fn names() -> Vec<String> {
    Migrator::migrations().iter().map(|m| m.name().to_owned()).collect()
}

//! Migrations: expand first, contract in a later release. One text serves both databases; the few
//! words in which they differ are filled in.

mod m0001_first;
mod m0002_ledger;
mod m0003_workers;
mod m0004_keys;

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// All migrations in order.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Migration),
            Box::new(m0002_ledger::Migration),
            Box::new(m0003_workers::Migration),
            Box::new(m0004_keys::Migration),
        ]
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

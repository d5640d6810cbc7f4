//! A database's shape, so that it can be given that of another version; and what its rows are, so that
//! none is lost or changed unseen.

use std::collections::{BTreeMap, BTreeSet};

use efface_testkit::postgres::TempPostgres;
use sha2::{Digest as _, Sha256};

use super::{Database, stage::sqlite_in};
use crate::peek::Peek;

/// Where the steps that were taken are noted.
pub const STEPS: &str = "seaql_migrations";

/// Tables with their columns, and indexes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    pub tables: BTreeMap<String, Vec<String>>,
    indexes: BTreeSet<String>,
}

/// By table: how many rows, and a digest over all of them.
pub type Rows = BTreeMap<String, (usize, String)>;

impl Shape {
    pub async fn of(peek: &Peek) -> Self {
        let (tables, indexes) = if peek.is_sqlite() {
            (
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
            )
        } else {
            (
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'",
                "SELECT indexname::text FROM pg_indexes WHERE schemaname = 'public'",
            )
        };
        let mut shape = Self {
            tables: BTreeMap::new(),
            indexes: peek.texts(indexes).await.into_iter().collect(),
        };
        for table in peek.texts(tables).await {
            let columns = if peek.is_sqlite() {
                format!("SELECT name FROM pragma_table_info('{table}') ORDER BY cid")
            } else {
                format!(
                    "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = '{table}' ORDER BY ordinal_position"
                )
            };
            let columns = peek.texts(&columns).await;
            shape.tables.insert(table, columns);
        }
        shape
    }

    /// The shape after the first so many steps, on a database of its own.
    pub async fn after(steps: u32, database: Database) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = match database {
            Database::Sqlite => format!("{}?mode=rwc", sqlite_in(folder.path())),
            Database::Postgresql => {
                let cluster = TempPostgres::shared().expect("PostgreSQL");
                cluster.create_database().expect("database")
            }
        };
        let peek = Peek::at(&url).await;
        peek.steps_up(steps).await;
        Self::of(&peek).await
    }

    /// Takes from a database whatever this shape does not have, and the word of later steps.
    pub async fn impose(&self, peek: &Peek, steps: &[String]) {
        let now = Self::of(peek).await;
        for table in now.tables.keys().filter(|table| !self.tables.contains_key(*table)) {
            peek.execute(&format!("DROP TABLE {table}")).await;
        }
        let left = Self::of(peek).await;
        for index in left.indexes.difference(&self.indexes) {
            peek.execute(&format!("DROP INDEX {index}")).await;
        }
        for (table, columns) in &left.tables {
            for column in columns.iter().filter(|column| !self.tables[table].contains(column)) {
                peek.execute(&format!("ALTER TABLE {table} DROP COLUMN {column}")).await;
            }
        }
        let known: Vec<String> = steps.iter().map(|step| format!("'{step}'")).collect();
        peek.execute(&format!("DELETE FROM {STEPS} WHERE version NOT IN ({})", known.join(", ")))
            .await;
        assert_eq!(Self::of(peek).await, *self, "the shape of the older version");
    }

    /// What the rows of these tables and columns are.
    pub async fn rows(&self, peek: &Peek) -> Rows {
        let mut rows = Rows::new();
        for (table, columns) in &self.tables {
            let row = if peek.is_sqlite() {
                let quoted: Vec<String> = columns.iter().map(|c| format!("quote({c})")).collect();
                quoted.join(" || ',' || ")
            } else {
                format!("ROW({})::text", columns.join(", "))
            };
            let all = peek.texts(&format!("SELECT {row} FROM {table} ORDER BY 1")).await;
            let mut digest = Sha256::new();
            for row in &all {
                digest.update(row);
                digest.update("\n");
            }
            rows.insert(table.clone(), (all.len(), hex::encode(digest.finalize())));
        }
        rows
    }
}

//! Connecting: pools, pragmas, schema check.

use std::{str::FromStr, sync::Arc, time::Duration};

use efface_migrations::{Migrator, names};
use sea_orm::sqlx::{
    ConnectOptions as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{
        SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
        SqliteSynchronous,
    },
};
use sea_orm_migration::MigratorTrait;

use crate::{
    Error,
    hot::{Cell, Inline, Tx},
    sql::{Database, kept::Idle},
};

/// A connected database whose schema may still be missing.
pub struct Connection {
    database: Database,
}

const BUSY: Duration = Duration::from_secs(60);
/// How long a connection to PostgreSQL is waited for.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// How often a migration that met another process is tried.
const ATTEMPTS: usize = 5;
/// How PostgreSQL plans what efface asks: once per connection and by the indexes, whatever the tables
/// held at that moment. It would else keep to the end a plan that was made when they were empty.
pub(crate) const PLANS: &[(&str, &str)] = &[
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    // tables are joined in the order they are written
    ("join_collapse_limit", "1"),
    ("from_collapse_limit", "1"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];
/// The key of the advisory lock under which the schema is made on PostgreSQL.
const MIGRATION_LOCK: i64 = 0x6566_6d69_6772;

impl Connection {
    /// Connects to `sqlite://path` or `postgres://…`.
    ///
    /// SQLite: WAL, `synchronous=FULL`, foreign keys, `secure_delete`, one writer. The file is made
    /// when `create` is set.
    ///
    /// # Errors
    /// When the URL is of neither sort or the database does not answer.
    pub async fn connect(url: &str, max_connections: u32, create: bool) -> Result<Self, Error> {
        let database = if url.starts_with("sqlite:") {
            connect_sqlite(url, max_connections, create).await?
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let options = PgConnectOptions::from_str(url).map_err(|_| {
                Error::Unsupported("database.url is not a valid postgres:// URL".into())
            })?;
            let options = options.disable_statement_logging().application_name("efface");
            let options = options.options(PLANS.iter().copied()).options([
                ("statement_timeout", "60s"),
                ("lock_timeout", "10s"),
                // nothing is waited for between two statements: who falls asleep there keeps the
                // lane's row, and would keep it from the next owner far beyond the lease; of a process's
                // two writers the one may wait for the other, so twice this must fit
                ("idle_in_transaction_session_timeout", "2s"),
            ]);
            let pool = PgPoolOptions::new()
                .max_connections(max_connections.max(2))
                .test_before_acquire(false)
                .acquire_timeout(ANSWER)
                .connect_with(options)
                .await
                .map_err(|e| Error::Unavailable(format!("cannot connect to PostgreSQL: {e}")))?;
            let idle = Arc::new(Idle::of_pool(pool.options().get_max_connections()));
            Database::Postgres { pool, idle }
        } else {
            return Err(Error::Unsupported(
                "database.url must begin with sqlite:// or postgres://".into(),
            ));
        };
        Ok(Self { database })
    }

    /// Applies missing migrations.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] when the database was written by a newer version.
    pub async fn migrate(&self) -> Result<usize, Error> {
        if self.missing().await? == 0 {
            return Ok(0);
        }
        // several processes may start at once: on PostgreSQL they take turns
        let turn = match &self.database {
            Database::Postgres { .. } => Some(self.take_turn().await?),
            Database::Sqlite { .. } => None,
        };
        let mut last = Ok(0);
        for _ in 0..ATTEMPTS {
            let missing = self.missing().await?;
            if missing == 0 {
                break;
            }
            match Migrator::up(&self.database.writer_orm(), None).await {
                Ok(()) => {
                    last = Ok(missing);
                    break;
                }
                // SQLite: another process was there first, or is at it; each migration is one
                // transaction
                Err(error) => last = Err(error.into()),
            }
        }
        drop(turn);
        match self.missing().await? {
            0 => Ok(last.unwrap_or(0)),
            _ => last,
        }
    }

    /// How many migrations the database lacks.
    async fn missing(&self) -> Result<usize, Error> {
        match self.check_schema().await {
            Ok(()) => Ok(0),
            Err(Error::NoSchema) => Ok(names().len()),
            Err(Error::OldSchema { missing }) => Ok(missing),
            Err(other) => Err(other),
        }
    }

    async fn take_turn(&self) -> Result<Tx<'static>, Error> {
        let mut turn = self.database.begin().await?;
        for sql in [
            "SET LOCAL lock_timeout = 0",
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL idle_in_transaction_session_timeout = 0",
        ] {
            turn.small(sql, &[]).await?;
        }
        let key = Cell::from(MIGRATION_LOCK);
        turn.small("SELECT 1::int8 FROM pg_advisory_xact_lock($1)", &[key]).await?;
        Ok(turn)
    }

    /// Compares the database's schema with the one this binary knows.
    ///
    /// # Errors
    /// [`Error::NoSchema`], [`Error::OldSchema`], [`Error::NewerSchema`].
    pub async fn check_schema(&self) -> Result<(), Error> {
        let known = names();
        let applied = match self
            .database
            .rows("SELECT version FROM seaql_migrations ORDER BY version", &[])
            .await
        {
            Ok(rows) => rows.iter().map(|r| r.text(0)).collect::<Result<Vec<_>, _>>()?,
            Err(error) if is_missing_table(&error) => return Err(Error::NoSchema),
            Err(error) => return Err(error),
        };
        if let Some(stranger) = applied.iter().find(|a| !known.contains(a)) {
            return Err(Error::NewerSchema {
                found: stranger.clone(),
                known: known.last().cloned().unwrap_or_default(),
            });
        }
        match known.len() - applied.len() {
            0 => Ok(()),
            missing if missing == known.len() => Err(Error::NoSchema),
            missing => Err(Error::OldSchema { missing }),
        }
    }

    /// A value of the `meta` table.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn meta(&self, name: &str) -> Result<Option<String>, Error> {
        self.database.meta(name).await
    }

    /// Writes another value of the `meta` table where the one expected stands; whether it did.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn replace_meta(&self, name: &str, from: &str, to: &str) -> Result<bool, Error> {
        let mut tx = self.database.begin().await?;
        let cells = [Cell::from(name), Cell::from(from), Cell::from(to)];
        let sql = "UPDATE meta SET value = $3 WHERE name = $1 AND value = $2 RETURNING name";
        let hit = tx.small(sql, &cells).await?;
        tx.commit().await?;
        Ok(!hit.is_empty())
    }

    /// Writes a value of the `meta` table that is not there yet; the value that stands comes back.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim_meta(&self, name: &str, value: &str) -> Result<String, Error> {
        self.database.claim_meta(name, value).await
    }

    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        matches!(self.database, Database::Sqlite { .. })
    }

    pub(super) fn into_database(self) -> Database {
        self.database
    }
}

/// SQLite and PostgreSQL, each in its words.
fn is_missing_table(error: &Error) -> bool {
    let text = error.to_string();
    text.contains("seaql_migrations")
        && (text.contains("no such table") || text.contains("does not exist"))
}

/// What each connection to SQLite is told, beside what the library has a word for.
const PRAGMAS: [(&str, &str); 5] = [
    ("secure_delete", "ON"),
    ("trusted_schema", "OFF"),
    ("temp_store", "MEMORY"),
    ("cache_size", "-16000"),
    ("wal_autocheckpoint", "2000"),
];

/// A connection as those of the pools are.
pub(super) fn inline(options: &SqliteConnectOptions, read_only: bool) -> Result<Inline, Error> {
    let also = [("synchronous", "FULL"), ("foreign_keys", "ON")];
    let pragmas =
        PRAGMAS.iter().chain(&also).map(|(name, value)| format!("PRAGMA {name} = {value};"));
    Inline::open(options, BUSY, read_only, &pragmas.collect::<String>())
}

/// Whether the address asks for reading alone. What would make connections to one file differ, or
/// need no file, is refused.
fn asks_to_read_only(url: &str) -> Result<bool, Error> {
    let (file, query) = url.split_once('?').unwrap_or((url, ""));
    let has = |asked: &str| query.split('&').any(|pair| pair.starts_with(asked));
    if file.ends_with(":memory:") || has("mode=memory") {
        let why = "database.url: a database in memory would lose requests; name a file";
        return Err(Error::Unsupported(why.into()));
    }
    if let Some(option) = ["vfs=", "immutable=", "cache="].into_iter().find(|o| has(o)) {
        let option = option.trim_end_matches('=');
        let why = format!("database.url: the option {option} is not supported; leave it out");
        return Err(Error::Unsupported(why));
    }
    Ok(has("mode=ro"))
}

async fn connect_sqlite(url: &str, max_connections: u32, create: bool) -> Result<Database, Error> {
    let read_only = asks_to_read_only(url)?;
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|_| Error::Unsupported("database.url is not a valid sqlite:// URL".into()))?
        .create_if_missing(create)
        .page_size(8192)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .statement_cache_capacity(512)
        .disable_statement_logging();
    let options = PRAGMAS.iter().fold(options, |o, (name, value)| o.pragma(*name, *value));
    let explain = |e: sea_orm::sqlx::Error| {
        let text = e.to_string();
        if text.contains("unable to open") {
            Error::Unavailable(format!(
                "cannot open {url}: no such file or folder, or no right to read it; `efface init` and `efface migrate` make one"
            ))
        } else {
            Error::from(e)
        }
    };
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(BUSY)
        .connect_with(options.clone())
        .await
        .map_err(explain)?;
    let readers = SqlitePoolOptions::new()
        .max_connections(max_connections.clamp(2, 8))
        .test_before_acquire(false)
        .connect_with(options.clone().pragma("query_only", "ON").create_if_missing(false))
        .await
        .map_err(explain)?;
    let idle = Arc::new(Idle::of_pool(readers.options().get_max_connections()));
    Ok(Database::Sqlite { writer, readers, idle, read_only, turn: Arc::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_would_make_connections_differ_is_refused_in_words() {
        for (url, want) in [
            ("sqlite://efface.db", Ok(false)),
            ("sqlite:data:2026.db?mode=ro", Ok(true)),
            ("sqlite://efface.db?mode=rwc", Ok(false)),
            ("sqlite::memory:", Err("in memory")),
            ("sqlite://a.db?mode=memory", Err("in memory")),
            ("sqlite://a.db?mode=ro&vfs=unix-dotfile", Err("option vfs")),
            ("sqlite://a.db?immutable=1", Err("option immutable")),
        ] {
            match (asks_to_read_only(url), want) {
                (Ok(found), Ok(want)) => assert_eq!(found, want, "{url}"),
                (Err(Error::Unsupported(why)), Err(part)) => assert!(why.contains(part), "{why}"),
                (found, want) => panic!("{url}: {found:?}, not {want:?}"),
            }
        }
    }
}

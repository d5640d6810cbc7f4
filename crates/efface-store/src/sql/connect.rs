//! Connecting: pools, pragmas, schema check.

use std::{str::FromStr, sync::Arc, time::Duration};

use efface_migrations::{Migrator, names};
use sea_orm::{
    DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        ConnectOptions as _, Connection as _, PgPool, SqlitePool,
        postgres::{PgConnectOptions, PgPoolOptions},
        sqlite::{
            SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions,
            SqliteSynchronous,
        },
    },
};
use sea_orm_migration::MigratorTrait;

use crate::{
    Error,
    hot::{Batch, Cell, Gathered, Inline, Returned, Tx},
    sql::kept::{Idle, Kept, Own},
};

/// A database handle: one writer and some readers on SQLite, one pool on PostgreSQL.
#[derive(Clone)]
pub enum Database {
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
        idle: Arc<Idle>,
        read_only: bool,
        /// Writers of this process take turns: SQLite itself lets the one through that asks at the
        /// right moment.
        turn: Arc<tokio::sync::Mutex<()>>,
    },
    Postgres {
        pool: PgPool,
        idle: Arc<Idle>,
    },
}

/// A connected database whose schema may still be missing.
pub struct Connection {
    database: Database,
}

const BUSY: Duration = Duration::from_secs(60);
/// How long a connection to PostgreSQL is waited for.
const ANSWER: Duration = Duration::from_secs(10);
/// How often a migration that met another process is tried.
const ATTEMPTS: usize = 5;
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
            let options = options.disable_statement_logging().application_name("efface").options([
                ("statement_timeout", "60s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "30s"),
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

    /// Writes a value of the `meta` table that is not there yet; the value that stands comes back.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn claim_meta(&self, name: &str, value: &str) -> Result<String, Error> {
        let mut tx = self.database.begin().await?;
        tx.small(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
            &[name.into(), value.into()],
        )
        .await?;
        let rows = tx.small("SELECT value FROM meta WHERE name = $1", &[name.into()]).await?;
        let stands = rows.first().map(|r| r.text(0)).transpose()?.unwrap_or_default();
        tx.commit().await?;
        Ok(stands)
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
fn inline(options: &SqliteConnectOptions, read_only: bool) -> Result<Inline, Error> {
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

impl Database {
    /// For a writer with a runtime of its own: a PostgreSQL connection is bound to the one it was
    /// opened in, and one that is kept should be missed by nobody.
    pub(super) fn for_one_writer(&self) -> Self {
        match self {
            Self::Sqlite { .. } => self.clone(),
            Self::Postgres { pool, .. } => {
                let own = PgPoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .acquire_timeout(ANSWER);
                let pool = own.connect_lazy_with((*pool.connect_options()).clone());
                Self::Postgres { pool, idle: Arc::new(Idle::of_pool(0)) }
            }
        }
    }

    /// Begins as [`Database::begin`] does, on a connection of one's own.
    pub(super) async fn begin_on<'k>(&self, own: &'k mut Own) -> Result<Tx<'k>, Error> {
        Ok(match (self, own) {
            (Self::Sqlite { turn, .. }, Own::Sqlite(own)) => {
                let turn = turn.clone().lock_owned().await;
                own.execute("BEGIN IMMEDIATE")?;
                Tx::Inline(own, turn)
            }
            (_, Own::Postgres(own)) => Tx::Postgres(own.begin().await?),
            (Self::Postgres { .. }, Own::Sqlite(_)) => {
                return Err(Error::Database("a connection of another database".into()));
            }
        })
    }

    /// A connection of one's own, for a thread of its own.
    pub(super) async fn own(&self) -> Result<Own, Error> {
        Ok(match self {
            Self::Sqlite { .. } => Own::Sqlite(
                self.inline()?
                    .ok_or_else(|| Error::Database("a connection of another database".into()))?,
            ),
            Self::Postgres { pool, .. } => Own::Postgres(pool.acquire().await?),
        })
    }

    /// A connection that runs on the thread that asks; none on PostgreSQL.
    pub(super) fn inline(&self) -> Result<Option<Inline>, Error> {
        match self {
            Self::Sqlite { writer, read_only, .. } => {
                inline(&writer.connect_options(), *read_only).map(Some)
            }
            Self::Postgres { .. } => Ok(None),
        }
    }

    /// Begins a writing transaction (SQLite: IMMEDIATE, so that a read in it cannot go stale).
    pub(crate) async fn begin(&self) -> Result<Tx<'static>, Error> {
        Ok(match self {
            Self::Sqlite { writer, turn, .. } => {
                let turn = turn.clone().lock_owned().await;
                Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?, turn)
            }
            Self::Postgres { pool, .. } => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Reads rows outside of a writing transaction. Parameters are `$1`, `$2` … in both dialects.
    pub(crate) async fn rows(
        &self,
        sql: &'static str,
        cells: &[Cell],
    ) -> Result<Vec<Returned>, Error> {
        let (mut reader, idle) = self.reader().await?;
        let found = reader.fetch(sql, cells).await?;
        idle.put(reader);
        Ok(found)
    }

    async fn reader(&self) -> Result<(Kept, &Idle), Error> {
        let (Self::Sqlite { idle, .. } | Self::Postgres { idle, .. }) = self;
        let kept = match (idle.take(), self) {
            (Some(kept), _) => kept,
            (None, Self::Sqlite { readers, .. }) => Kept::Sqlite(readers.acquire().await?),
            (None, Self::Postgres { pool, .. }) => Kept::Postgres(pool.acquire().await?),
        };
        Ok((kept, idle))
    }

    /// Reads rows for a set; the two databases bind sets differently.
    pub(crate) async fn rows_by_batch(
        &self,
        sqlite: &'static str,
        postgres: &'static str,
        batch: &Batch,
    ) -> Result<Vec<Returned>, Error> {
        let gathered = Gathered::of([batch]);
        if gathered.is_empty() {
            return Ok(vec![]);
        }
        let (mut reader, idle) = self.reader().await?;
        let found = reader.fetch_for(sqlite, postgres, &gathered).await?;
        idle.put(reader);
        Ok(found)
    }

    pub(crate) async fn meta(&self, name: &str) -> Result<Option<String>, Error> {
        self.rows("SELECT value FROM meta WHERE name = $1", &[name.into()])
            .await?
            .first()
            .map(|r| r.text(0))
            .transpose()
    }

    /// sea-orm over the readers.
    pub(crate) fn orm(&self) -> DatabaseConnection {
        match self {
            Self::Sqlite { readers, .. } => {
                SqlxSqliteConnector::from_sqlx_sqlite_pool(readers.clone())
            }
            Self::Postgres { pool, .. } => {
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone())
            }
        }
    }

    /// sea-orm over the writer.
    pub(crate) fn writer_orm(&self) -> DatabaseConnection {
        match self {
            Self::Sqlite { writer, .. } => {
                SqlxSqliteConnector::from_sqlx_sqlite_pool(writer.clone())
            }
            Self::Postgres { pool, .. } => {
                SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone())
            }
        }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Self::Postgres { .. })
    }
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

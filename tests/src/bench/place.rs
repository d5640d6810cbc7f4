//! Where databases come from: fresh ones, copies, and the state a measured one is brought into.

use std::{path::PathBuf, str::FromStr};

use anyhow::{Context, Result};
use efface_core::{Timestamp, request::RequestState, task::TaskState};
use efface_testkit::postgres::{Options, TempPostgres};
use sea_orm::sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection, query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use super::watch;

/// A sort of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// One folder and, where it is measured, one cluster for the whole run.
pub struct Places {
    folder: tempfile::TempDir,
    cluster: Option<TempPostgres>,
    made: std::cell::Cell<u32>,
}

impl Places {
    pub fn open(kinds: &[Kind]) -> Result<Self> {
        let cluster = if kinds.contains(&Kind::Postgres) {
            let options =
                Options::durable().setting("shared_buffers=1GB").setting("max_wal_size=8GB");
            Some(TempPostgres::start_with(options)?)
        } else {
            None
        };
        Ok(Self { folder: tempfile::tempdir()?, cluster, made: std::cell::Cell::new(0) })
    }

    fn cluster(&self) -> Result<&TempPostgres> {
        self.cluster.as_ref().context("PostgreSQL is not measured in this run")
    }

    fn file(&self) -> PathBuf {
        self.made.set(self.made.get() + 1);
        self.folder.path().join(format!("{}.db", self.made.get()))
    }

    /// A new, empty database.
    pub fn fresh(&self, kind: Kind) -> Result<String> {
        Ok(match kind {
            Kind::Sqlite => format!("sqlite://{}", self.file().display()),
            Kind::Postgres => self.cluster()?.create_database()?,
        })
    }

    /// A copy of a database nobody has open.
    pub async fn copy(&self, url: &str) -> Result<String> {
        if let Some(from) = url.strip_prefix("sqlite://") {
            let to = self.file();
            std::fs::copy(from, &to)?;
            return Ok(format!("sqlite://{}", to.display()));
        }
        let cluster = self.cluster()?;
        let from = url.rsplit('/').next().unwrap_or_default();
        let name = format!("copy_{}_{}", from, self.made.replace(self.made.get() + 1));
        let mut db = PgConnection::connect(cluster.url()).await?;
        db.execute(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE {from}"))).await?;
        Ok(format!("{}/{name}", url.rsplit_once('/').map_or(url, |(server, _)| server)))
    }

    /// Removes a database that is not needed any more.
    pub async fn drop(&self, url: &str) -> Result<()> {
        if let Some(file) = url.strip_prefix("sqlite://") {
            for end in ["", "-wal", "-shm"] {
                // what is not there need not go
                let _ = std::fs::remove_file(format!("{file}{end}"));
            }
            return Ok(());
        }
        let name = url.rsplit('/').next().unwrap_or_default();
        let mut db = PgConnection::connect(self.cluster()?.url()).await?;
        db.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await?;
        Ok(())
    }
}

async fn sqlite(url: &str) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::from_str(url)?.journal_mode(SqliteJournalMode::Wal);
    Ok(SqliteConnection::connect_with(&options).await?)
}

/// Requests that are released and not yet under way.
pub async fn released(url: &str) -> Result<i64> {
    const COUNT: &str = "SELECT count(*) FROM request WHERE state = 'released'";
    Ok(if url.starts_with("sqlite:") {
        let mut db = sqlite(url).await?;
        let count = query_scalar(COUNT).fetch_one(&mut db).await?;
        db.close().await?;
        count
    } else {
        let mut db = PgConnection::connect(url).await?;
        let count = query_scalar(COUNT).fetch_one(&mut db).await?;
        db.close().await?;
        count
    })
}

/// Tasks that are settled, on PostgreSQL.
pub async fn settled(db: &mut PgConnection) -> Result<i64> {
    Ok(query_scalar("SELECT count(*) FROM task WHERE state = 'settled'").fetch_one(db).await?)
}

/// What a database does by itself in a quiet minute, done now, so that it does not fall into a
/// measurement.
pub async fn tidy(url: &str) -> Result<()> {
    if url.starts_with("sqlite:") {
        let mut db = sqlite(url).await?;
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        db.close().await?;
    } else {
        let mut db = PgConnection::connect(url).await?;
        db.execute("VACUUM ANALYZE").await?;
        db.execute("CHECKPOINT").await?;
        db.close().await?;
    }
    Ok(())
}

/// Makes filed requests running ones: half of their tasks due now, half later though their
/// statutory deadline comes earlier.
pub async fn half_due(url: &str) -> Result<()> {
    const DAY: i64 = 86_400_000;
    let now = i64::try_from(watch::wall_nanos() / 1_000_000)?;
    let later = now + 30 * DAY;
    let ready =
        |due: i64| serde_json::to_string(&TaskState::Ready { due: Timestamp::from_millis(due) });
    let running =
        serde_json::to_string(&RequestState::Running { since: Timestamp::from_millis(now) })?;
    let (is_due, request) = if url.starts_with("sqlite:") {
        (
            "instr('02468ACE', substr(hex(id), -1)) > 0",
            format!("json_set(body, '$.state', json('{running}'))"),
        )
    } else {
        (
            "get_byte(id, 15) % 2 = 0",
            format!("jsonb_set(body::jsonb, '{{state}}', '{running}'::jsonb)::text"),
        )
    };
    let statements = [
        format!(
            "UPDATE task SET state = 'ready', queue = 1, body = '{}' WHERE {is_due}",
            ready(now)?
        ),
        format!(
            "UPDATE task SET state = 'ready', queue = 1, wake_at = {later}, deadline = deadline - {}, body = '{}' WHERE NOT ({is_due})",
            10 * DAY,
            ready(later)?
        ),
        format!("UPDATE request SET state = 'running', body = {request}"),
    ];
    for statement in statements {
        if url.starts_with("sqlite:") {
            let mut db = sqlite(url).await?;
            db.execute(AssertSqlSafe(statement)).await?;
            db.close().await?;
        } else {
            let mut db = PgConnection::connect(url).await?;
            db.execute(AssertSqlSafe(statement)).await?;
            db.close().await?;
        }
    }
    tidy(url).await
}

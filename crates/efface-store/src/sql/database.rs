//! The connections in use: who reads, who writes, and whose turn it is.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{self, Connection as _, PgConnection, PgPool, SqlitePool},
};

use crate::{
    Error,
    hot::{Batch, Cell, Gathered, Returned, Tx},
    sql::{
        connect::{ANSWER, inline},
        kept::{Idle, Kept, Own},
    },
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

impl Database {
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

    /// A connection of one's own, for a thread with a runtime of its own: to PostgreSQL it is bound to
    /// the runtime it is opened in, and one that is kept should be missed by nobody.
    pub(super) async fn own(&self) -> Result<Own, Error> {
        match self {
            Self::Sqlite { writer, read_only, .. } => {
                Ok(Own::Sqlite(inline(&writer.connect_options(), *read_only)?))
            }
            Self::Postgres { pool, .. } => {
                let options = pool.connect_options();
                let connected = tokio::time::timeout(ANSWER, PgConnection::connect_with(&options));
                let late = |_| Error::Unavailable("PostgreSQL does not answer".into());
                Ok(Own::Postgres(connected.await.map_err(late)??))
            }
        }
    }

    /// Begins a writing transaction (SQLite: IMMEDIATE, so that a read in it cannot go stale).
    pub(crate) async fn begin(&self) -> Result<Tx<'static>, Error> {
        Ok(match self {
            Self::Sqlite { writer, turn, .. } => {
                let turn = turn.clone().lock_owned().await;
                let begun = match writer.begin_with("BEGIN IMMEDIATE").await {
                    // a full disk makes SQLite roll back by itself, and the library goes on counting
                    // that transaction as open: its connection is no good any more
                    Err(sqlx::Error::InvalidSavePointStatement) => {
                        writer.acquire().await?.close().await?;
                        writer.begin_with("BEGIN IMMEDIATE").await
                    }
                    begun => begun,
                };
                Tx::Sqlite(begun?, turn)
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

    /// Writes a value that is not there yet; the value that stands comes back.
    pub(crate) async fn claim_meta(&self, name: &str, value: &str) -> Result<String, Error> {
        let mut tx = self.begin().await?;
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
    use crate::Connection;

    const KEEP: &str = "INSERT INTO meta (name, value) VALUES ($1, $2)";

    async fn keep(database: &Database, name: &str, value: &str) -> Result<(), Error> {
        let mut tx = database.begin().await?;
        tx.small(KEEP, &[name.into(), value.into()]).await?;
        tx.commit().await
    }

    #[tokio::test]
    async fn a_writer_that_met_a_full_disk_writes_again_when_there_is_room() {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        let connection = Connection::connect(&url, 2, true).await.expect("database");
        connection.migrate().await.expect("schema");
        let database = connection.into_database();
        let Database::Sqlite { writer, .. } = &database else { panic!("{url}") };
        // fewer than there are means as many as there are, for this connection
        let bound = sqlx::query("PRAGMA max_page_count = 1").execute(writer).await;
        bound.expect("a bound");
        let large = "x".repeat(1 << 20);
        let met = keep(&database, "too large", &large).await;
        let Err(Error::Unavailable(why)) = met else { panic!("{met:?}") };
        assert!(why.contains("full"), "{why}");
        let kept = database.meta("too large").await.expect("read");
        assert_eq!(kept, None, "nothing is half written");
        keep(&database, "large", &large).await.expect("room");
        assert_eq!(database.meta("large").await.expect("read"), Some(large));
    }
}

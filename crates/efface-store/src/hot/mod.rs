//! The hand-written statements. A set is bound as one array per column (PostgreSQL, `unnest`) or as
//! rows of parameters (SQLite, `VALUES`).

pub(crate) mod ask;
mod batch;
mod inline;
mod postgres;
mod sqlite;

use sea_orm::sqlx::{self, Postgres, Row, Sqlite, Transaction};

pub(crate) use self::batch::{Batch, Cell, Gathered, expanded};
pub(crate) use self::inline::Inline;
use crate::error::Error;

/// A hand-written statement: one text per database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hot {
    sqlite: &'static str,
    postgres: &'static str,
}

impl Hot {
    /// For SQLite and for PostgreSQL.
    pub(crate) const fn texts(self) -> (&'static str, &'static str) {
        (self.sqlite, self.postgres)
    }
}

macro_rules! statements {
    ($($name:ident),+ $(,)?) => {
        impl Hot {
            $(pub(crate) const $name: Self = Self { sqlite: sqlite::$name, postgres: postgres::$name };)+
        }
    };
}

statements! {
    UPDATE_TASKS, INSERT_TASKS, WAKE_TASKS,
    INSERT_ORDERS, UPDATE_ORDERS,
    INSERT_RECEIPTS, UPDATE_RECEIPTS,
    INSERT_EXCHANGES, INSERT_JOURNAL,
    UPSERT_FOLLOW_UPS, DELETE_FOLLOW_UPS,
    INSERT_REQUESTS, UPDATE_REQUESTS, RESEAL_REQUESTS,
    INSERT_TAGS, SHARE_TAGS, MATCH_TAGS, KNOWN_FILINGS,
    CHECK_LEASES, TAKE_NUMBERS,
    UPDATE_ACCOUNTS,
    OPEN_DESK, CLOSE_DESK,
    KEEP_ANSWERS,
    INSERT_SUPPRESSIONS, UPDATE_SUPPRESSIONS, INSERT_SUPPRESSION_TAGS, UPSERT_SUPPRESSION_ACCOUNTS,
    INSERT_WATCHES, UPDATE_WATCHES,
}

/// The turn to write to SQLite.
pub(crate) type Turn = tokio::sync::OwnedMutexGuard<()>;

/// An open transaction on either database.
pub(crate) enum Tx<'c> {
    /// With the turn to write.
    Sqlite(Transaction<'c, Sqlite>, Turn),
    /// As `Sqlite`, on a connection that must be closed when the transaction comes to nothing.
    Inline(&'c mut Inline, Turn),
    Postgres(Transaction<'c, Postgres>),
}

/// One row that came back, by position.
pub(crate) enum Returned {
    Sqlite(sqlx::sqlite::SqliteRow),
    Inline(inline::Row),
    Postgres(sqlx::postgres::PgRow),
}

impl Returned {
    pub(crate) fn bytes(&self, n: usize) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn int(&self, n: usize) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn text(&self, n: usize) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn opt_text(&self, n: usize) -> Result<Option<String>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn opt_bytes(&self, n: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn opt_int(&self, n: usize) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Inline(row) => inline::get(row, n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn id(&self, n: usize) -> Result<uuid::Uuid, Error> {
        uuid::Uuid::from_slice(&self.bytes(n)?).map_err(|e| Error::corrupt("id", e))
    }
}

impl Tx<'_> {
    /// Runs a hot statement over a batch; the rows it returns.
    pub(crate) async fn run(&mut self, hot: Hot, batch: &Batch) -> Result<Vec<Returned>, Error> {
        self.run_all(hot, &Gathered::of([batch])).await
    }

    /// As [`Tx::run`], over several batches at once.
    pub(crate) async fn run_all(
        &mut self,
        hot: Hot,
        rows: &Gathered<'_>,
    ) -> Result<Vec<Returned>, Error> {
        if rows.is_empty() {
            return Ok(vec![]);
        }
        match self {
            Self::Sqlite(tx, _) => ask::sqlite_set(tx, hot.sqlite, rows).await,
            Self::Inline(tx, _) => {
                Ok(tx.fetch(hot.sqlite, rows)?.into_iter().map(Returned::Inline).collect())
            }
            Self::Postgres(tx) => ask::postgres_set(tx, hot.postgres, rows).await,
        }
    }

    /// Runs a hot statement without asking which rows it hit; how many.
    pub(crate) async fn count(&mut self, hot: Hot, rows: &Gathered<'_>) -> Result<usize, Error> {
        fn silent(text: &'static str) -> &'static str {
            text.split_once("\nRETURNING").map_or(text, |(update, _)| update)
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let hit = match self {
            Self::Sqlite(tx, _) => {
                let mut hit = 0;
                for query in rows.lite(silent(hot.sqlite)) {
                    hit += query?.execute(&mut **tx).await?.rows_affected();
                }
                hit
            }
            Self::Inline(tx, _) => tx.count(silent(hot.sqlite), rows)?,
            Self::Postgres(tx) => {
                let query = rows.bind_arrays(sqlx::query(silent(hot.postgres)))?;
                query.execute(&mut **tx).await?.rows_affected()
            }
        };
        Ok(usize::try_from(hit).unwrap_or(usize::MAX))
    }

    /// Runs a small statement with text parameters, written `$1` in both dialects.
    pub(crate) async fn small(
        &mut self,
        sql: &'static str,
        cells: &[Cell],
    ) -> Result<Vec<Returned>, Error> {
        match self {
            Self::Sqlite(tx, _) => ask::sqlite_small(tx, sql, cells).await,
            Self::Inline(tx, _) => {
                Ok(tx.small(sql, cells)?.into_iter().map(Returned::Inline).collect())
            }
            Self::Postgres(tx) => ask::postgres_small(tx, sql, cells).await,
        }
    }

    /// Takes back what was begun; the connection may be used again when that went well.
    pub(crate) async fn roll_back(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx, turn) => {
                tx.rollback().await?;
                drop(turn);
            }
            Self::Inline(tx, turn) => {
                tx.execute("ROLLBACK")?;
                drop(turn);
            }
            Self::Postgres(tx) => tx.rollback().await?,
        }
        Ok(())
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx, turn) => {
                tx.commit().await?;
                drop(turn);
            }
            Self::Inline(tx, turn) => {
                tx.execute("COMMIT")?;
                drop(turn);
            }
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

//! The hand-written statements: constant text, sets bound as one array per column (PostgreSQL,
//! `unnest`) or as one JSON array of rows (SQLite, `json_each`).

mod postgres;
mod sqlite;

use std::{mem::discriminant, sync::Arc};

use sea_orm::sqlx::{self, Postgres, Row, Sqlite, Transaction};

use crate::error::Error;

type PgQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

/// One cell of a row, by column type.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Bytes(Option<Vec<u8>>),
    Text(Option<String>),
    Int(Option<i64>),
}

impl Cell {
    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => bytes.as_deref(),
            Self::Text(_) | Self::Int(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            Self::Bytes(_) | Self::Int(_) => None,
        }
    }

    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => *number,
            Self::Bytes(_) | Self::Text(_) => None,
        }
    }
}

impl From<&[u8]> for Cell {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl<const N: usize> From<&[u8; N]> for Cell {
    fn from(bytes: &[u8; N]) -> Self {
        Self::Bytes(Some(bytes.to_vec()))
    }
}

impl From<Vec<u8>> for Cell {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Some(bytes))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<i64> for Cell {
    fn from(n: i64) -> Self {
        Self::Int(Some(n))
    }
}

impl From<u32> for Cell {
    fn from(n: u32) -> Self {
        Self::Int(Some(i64::from(n)))
    }
}

impl From<bool> for Cell {
    fn from(b: bool) -> Self {
        Self::Int(Some(i64::from(b)))
    }
}

/// Rows bound to one statement. Rows are shared, so that a group of batches costs no copy of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    rows: Vec<Arc<[Cell]>>,
}

impl Batch {
    /// Adds a row; every row has the same columns in the same order.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let row: Arc<[Cell]> = cells.into_iter().collect();
        debug_assert!(
            self.rows.first().is_none_or(|first| first.iter().map(discriminant).eq(row.iter().map(discriminant))),
            "{row:?} is of another shape than {:?}",
            self.rows.first()
        );
        self.rows.push(row);
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds another batch of the same shape.
    pub(crate) fn append(&mut self, other: Self) {
        if self.rows.is_empty() {
            *self = other;
        } else {
            self.rows.extend(other.rows);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A batch of one column of ids.
    pub(crate) fn ids<'a>(ids: impl IntoIterator<Item = &'a [u8; 16]>) -> Self {
        let mut batch = Self::default();
        for id in ids {
            batch.push([Cell::from(id)]);
        }
        batch
    }

    /// One array per column.
    pub(crate) fn bind_arrays<'q>(&'q self, mut query: PgQuery<'q>) -> PgQuery<'q> {
        let columns = self.rows.first().map_or(0, |first| first.len());
        for n in 0..columns {
            let column = || self.rows.iter().filter_map(move |row| row.get(n));
            query = match self.rows.first().and_then(|first| first.get(n)) {
                Some(Cell::Bytes(_)) => query.bind(column().map(Cell::bytes).collect::<Vec<_>>()),
                Some(Cell::Text(_)) => query.bind(column().map(Cell::text).collect::<Vec<_>>()),
                Some(Cell::Int(_)) => query.bind(column().map(Cell::int).collect::<Vec<_>>()),
                None => query,
            };
        }
        query
    }

    /// `[[…],[…]]`, bytes as hex.
    pub(crate) fn json(&self) -> String {
        use std::io::Write as _;
        let mut out: Vec<u8> = Vec::with_capacity(self.rows.len() * 512 + 2);
        out.push(b'[');
        for (n, row) in self.rows.iter().enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.push(b'[');
            for (n, cell) in row.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                match cell {
                    Cell::Bytes(Some(bytes)) => push_hex(&mut out, bytes),
                    // text and numbers cannot fail to be written into memory
                    Cell::Text(Some(text)) => drop(serde_json::to_writer(&mut out, text)),
                    Cell::Int(Some(number)) => drop(write!(out, "{number}")),
                    Cell::Bytes(None) | Cell::Text(None) | Cell::Int(None) => {
                        out.extend_from_slice(b"null");
                    }
                }
            }
            out.push(b']');
        }
        out.push(b']');
        // JSON is UTF-8
        String::from_utf8(out).unwrap_or_default()
    }
}

fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
    out.push(b'"');
}

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
}

/// An open transaction on either database.
pub(crate) enum Tx {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// One row that came back, by position.
pub(crate) enum Returned {
    Sqlite(sqlx::sqlite::SqliteRow),
    Postgres(sqlx::postgres::PgRow),
}

impl Returned {
    pub(crate) fn bytes(&self, n: usize) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn int(&self, n: usize) -> Result<i64, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn text(&self, n: usize) -> Result<String, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn opt_bytes(&self, n: usize) -> Result<Option<Vec<u8>>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn opt_int(&self, n: usize) -> Result<Option<i64>, Error> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(n)?,
            Self::Postgres(row) => row.try_get(n)?,
        })
    }

    pub(crate) fn id(&self, n: usize) -> Result<uuid::Uuid, Error> {
        uuid::Uuid::from_slice(&self.bytes(n)?).map_err(|e| Error::corrupt("id", e))
    }
}

impl Tx {
    /// Runs a hot statement over a batch; the rows it returns.
    pub(crate) async fn run(&mut self, hot: Hot, batch: &Batch) -> Result<Vec<Returned>, Error> {
        if batch.is_empty() {
            return Ok(vec![]);
        }
        match self {
            Self::Sqlite(tx) => {
                let rows = sqlx::query(hot.sqlite).bind(batch.json()).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Returned::Sqlite).collect())
            }
            Self::Postgres(tx) => {
                let rows =
                    batch.bind_arrays(sqlx::query(hot.postgres)).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Returned::Postgres).collect())
            }
        }
    }

    /// Runs a hot update without asking which rows it hit; how many.
    pub(crate) async fn count(&mut self, hot: Hot, batch: &Batch) -> Result<usize, Error> {
        fn silent(text: &'static str) -> &'static str {
            text.split_once("\nRETURNING").map_or(text, |(update, _)| update)
        }
        if batch.is_empty() {
            return Ok(0);
        }
        let hit = match self {
            Self::Sqlite(tx) => {
                let query = sqlx::query(silent(hot.sqlite)).bind(batch.json());
                query.execute(&mut **tx).await?.rows_affected()
            }
            Self::Postgres(tx) => {
                let query = batch.bind_arrays(sqlx::query(silent(hot.postgres)));
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
            Self::Sqlite(tx) => {
                let mut query = sqlx::query(sql);
                for cell in cells {
                    query = match cell {
                        Cell::Bytes(b) => query.bind(b),
                        Cell::Text(t) => query.bind(t),
                        Cell::Int(i) => query.bind(i),
                    };
                }
                Ok(query.fetch_all(&mut **tx).await?.into_iter().map(Returned::Sqlite).collect())
            }
            Self::Postgres(tx) => {
                let mut query = sqlx::query(sql);
                for cell in cells {
                    query = match cell {
                        Cell::Bytes(b) => query.bind(b),
                        Cell::Text(t) => query.bind(t),
                        Cell::Int(i) => query.bind(i),
                    };
                }
                Ok(query.fetch_all(&mut **tx).await?.into_iter().map(Returned::Postgres).collect())
            }
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

//! The hand-written statements: constant text, sets bound as one array per column (PostgreSQL,
//! `unnest`) or as one JSON array of rows (SQLite, `json_each`).

mod postgres;
mod sqlite;

use sea_orm::sqlx::{self, Postgres, Row, Sqlite, Transaction};

use crate::error::Error;

type PgQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;

/// One column of a batch.
#[derive(Clone, Debug)]
enum Column {
    Bytes(Vec<Option<Vec<u8>>>),
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
}

/// One cell of a row, by column type.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Bytes(Option<Vec<u8>>),
    Text(Option<String>),
    Int(Option<i64>),
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

/// Rows bound to one statement.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    columns: Vec<Column>,
    rows: usize,
}

impl Batch {
    /// Adds a row; every row has the same columns in the same order.
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        for (n, cell) in cells.into_iter().enumerate() {
            if self.rows == 0 {
                self.columns.push(match &cell {
                    Cell::Bytes(_) => Column::Bytes(vec![]),
                    Cell::Text(_) => Column::Text(vec![]),
                    Cell::Int(_) => Column::Int(vec![]),
                });
            }
            match (self.columns.get_mut(n), cell) {
                (Some(Column::Bytes(all)), Cell::Bytes(one)) => all.push(one),
                (Some(Column::Text(all)), Cell::Text(one)) => all.push(one),
                (Some(Column::Int(all)), Cell::Int(one)) => all.push(one),
                (column, cell) => debug_assert!(false, "column {n} is {column:?}, not {cell:?}"),
            }
        }
        self.rows += 1;
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Adds another batch of the same shape.
    pub(crate) fn append(&mut self, mut other: Self) {
        if self.rows == 0 {
            *self = other;
            return;
        }
        for (mine, theirs) in self.columns.iter_mut().zip(&mut other.columns) {
            match (mine, theirs) {
                (Column::Bytes(all), Column::Bytes(more)) => all.append(more),
                (Column::Text(all), Column::Text(more)) => all.append(more),
                (Column::Int(all), Column::Int(more)) => all.append(more),
                (mine, theirs) => debug_assert!(false, "{mine:?} is not {theirs:?}"),
            }
        }
        self.rows += other.rows;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
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
        for column in &self.columns {
            query = match column {
                Column::Bytes(all) => query.bind(all),
                Column::Text(all) => query.bind(all),
                Column::Int(all) => query.bind(all),
            };
        }
        query
    }

    /// `[[…],[…]]`, bytes as hex.
    pub(crate) fn json(&self) -> String {
        use std::io::Write as _;
        let mut out: Vec<u8> = Vec::with_capacity(self.rows * 512);
        out.push(b'[');
        for row in 0..self.rows {
            if row > 0 {
                out.push(b',');
            }
            out.push(b'[');
            for (n, column) in self.columns.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                match column {
                    Column::Bytes(all) => match &all[row] {
                        Some(bytes) => push_hex(&mut out, bytes),
                        None => out.extend_from_slice(b"null"),
                    },
                    Column::Text(all) => match &all[row] {
                        // plain text cannot fail to be written into memory
                        Some(text) => drop(serde_json::to_writer(&mut out, text)),
                        None => out.extend_from_slice(b"null"),
                    },
                    Column::Int(all) => match all[row] {
                        Some(n) => {
                            let _ = write!(out, "{n}");
                        }
                        None => out.extend_from_slice(b"null"),
                    },
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

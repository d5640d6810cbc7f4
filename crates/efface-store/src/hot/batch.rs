//! The rows bound to one statement: one array per column (PostgreSQL, `unnest`) or one parameter per
//! cell (SQLite, `VALUES`).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::sqlx::{self, Arguments as _, Postgres, Sqlite, sqlite::SqliteArguments};

use crate::error::Error;

type PgQuery<'q> = sqlx::query::Query<'q, Postgres, sqlx::postgres::PgArguments>;
type LiteQuery<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// One cell of a row, by column type.
#[derive(Clone, Debug)]
pub(crate) enum Cell {
    Bytes(Option<Vec<u8>>),
    Text(Option<Arc<str>>),
    Int(Option<i64>),
}

impl Cell {
    /// A word of the program's own.
    pub(crate) fn word(word: &'static str) -> Self {
        Self::Text(Some(word.into()))
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
        Self::Text(Some(text.into()))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Some(text.into()))
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

/// Rows bound to one statement: every row has the same columns in the same order.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    cells: Vec<Cell>,
    rows: usize,
}

impl Batch {
    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.cells.extend(cells);
        self.rows += 1;
        debug_assert!(self.cells.len().is_multiple_of(self.rows), "a row of another length");
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    fn width(&self) -> usize {
        self.cells.len() / self.rows.max(1)
    }

    /// A batch of one column of ids.
    pub(crate) fn ids<'a>(ids: impl IntoIterator<Item = &'a [u8; 16]>) -> Self {
        let mut batch = Self::default();
        for id in ids {
            batch.push([Cell::from(id)]);
        }
        batch
    }
}

/// The batches of several units, bound to one statement as they lie.
pub(crate) struct Gathered<'a>(Vec<&'a Batch>);

impl<'a> Gathered<'a> {
    pub(crate) fn of(batches: impl IntoIterator<Item = &'a Batch>) -> Self {
        Self(batches.into_iter().filter(|b| !b.is_empty()).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|b| b.len()).sum()
    }

    fn cells(&self) -> impl Iterator<Item = &'a Cell> {
        self.0.iter().flat_map(|b| &b.cells)
    }

    fn width(&self) -> usize {
        self.0.first().map_or(1, |b| b.width())
    }

    /// One array per column.
    pub(crate) fn bind_arrays(&self, mut query: PgQuery<'a>) -> Result<PgQuery<'a>, Error> {
        let width = self.width();
        let wrong = || Error::Database("a batch whose rows differ in shape".into());
        for n in 0..width {
            let mut column = self.cells().skip(n).step_by(width).peekable();
            query = match column.peek() {
                None => query,
                Some(Cell::Bytes(_)) => query.bind(
                    column
                        .map(|c| match c {
                            Cell::Bytes(bytes) => Ok(bytes.as_deref()),
                            Cell::Text(_) | Cell::Int(_) => Err(wrong()),
                        })
                        .collect::<Result<Vec<Option<&[u8]>>, Error>>()?,
                ),
                Some(Cell::Text(_)) => query.bind(
                    column
                        .map(|c| match c {
                            Cell::Text(text) => Ok(text.as_deref()),
                            Cell::Bytes(_) | Cell::Int(_) => Err(wrong()),
                        })
                        .collect::<Result<Vec<Option<&str>>, Error>>()?,
                ),
                Some(Cell::Int(_)) => query.bind(
                    column
                        .map(|c| match c {
                            Cell::Int(n) => Ok(*n),
                            Cell::Bytes(_) | Cell::Text(_) => Err(wrong()),
                        })
                        .collect::<Result<Vec<Option<i64>>, Error>>()?,
                ),
            };
        }
        Ok(query)
    }

    /// SQLite's `text` written out for one run of at most `most` rows after another, with the cells
    /// of each. What is not bound is NULL.
    pub(crate) fn runs(
        &self,
        text: &'static str,
        most: usize,
    ) -> impl Iterator<Item = (&'static str, impl Iterator<Item = &'a Cell>)> {
        let width = self.width();
        (0..self.len()).step_by(most).map(move |from| {
            let rows = (self.len() - from).min(most);
            let cells = self.cells().skip(from * width).take(rows * width);
            (expanded(text, width, rows.next_power_of_two()), cells)
        })
    }

    /// The queries that bind all rows to SQLite's `text`, one after the other.
    pub(crate) fn lite(
        &self,
        text: &'static str,
    ) -> impl Iterator<Item = Result<LiteQuery<'static>, Error>> {
        self.runs(text, MOST_ROWS).map(|(text, cells)| {
            let mut arguments = SqliteArguments::default();
            for cell in cells {
                match cell {
                    Cell::Bytes(bytes) => arguments.add(bytes.as_deref()),
                    Cell::Text(text) => arguments.add(text.clone()),
                    Cell::Int(n) => arguments.add(n),
                }
                .map_err(sqlx::Error::Encode)?;
            }
            Ok(sqlx::query_with(text, arguments))
        })
    }
}

/// The most rows of one SQLite statement: longer ones save no time and keep memory.
const MOST_ROWS: usize = 128;

/// SQLite's text with `{rows}` written out: few different ones, made once.
pub(crate) fn expanded(text: &'static str, width: usize, rows: usize) -> &'static str {
    static MADE: Mutex<BTreeMap<(&str, usize), &str>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((text, rows)).or_insert_with(|| {
        let row = format!("({})", vec!["?"; width].join(","));
        Box::leak(text.replace("{rows}", &vec![row; rows].join(",")).into_boxed_str())
    })
}

//! SQLite on the thread that asks. A connection of the pool runs on a thread of its own: each of a
//! group's statements would cross to it and back, which on busy processors takes longer than the
//! statement.

use std::time::Duration;

use rusqlite::{
    CachedStatement, Connection, OpenFlags, ToSql,
    types::{FromSql, ToSqlOutput, Value, ValueRef},
};
use sea_orm::sqlx::sqlite::SqliteConnectOptions;

use crate::{
    error::Error,
    hot::{Cell, Gathered},
};

/// The most rows of one statement: nothing is saved by longer ones, and each keeps memory.
const MOST_ROWS: usize = 16;
/// Prepared statements that are kept.
const STATEMENTS: usize = 256;

/// One row, by position.
pub(crate) type Row = Vec<Value>;

/// A connection without a thread of its own. It blocks whoever asks, for as long as another process
/// writes: for threads that do nothing else.
pub(crate) struct Inline(Connection);

impl Inline {
    /// Opens the file that `options` name, set up by `pragmas`; waits at most `busy` for others.
    ///
    /// # Errors
    /// When the file cannot be opened or refuses a pragma.
    pub(crate) fn open(
        options: &SqliteConnectOptions,
        busy: Duration,
        read_only: bool,
        pragmas: &str,
    ) -> Result<Self, Error> {
        let flags = if read_only {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        } else {
            OpenFlags::SQLITE_OPEN_READ_WRITE
        };
        let connection = Connection::open_with_flags(
            options.get_filename(),
            flags | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        connection.busy_timeout(busy)?;
        connection.execute_batch(pragmas)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(Self(connection))
    }

    /// Runs a statement without parameters; what it returns is not asked.
    pub(crate) fn execute(&self, sql: &'static str) -> Result<(), Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Runs a hot statement over a set; the rows it returns.
    pub(crate) fn fetch(&self, text: &'static str, set: &Gathered<'_>) -> Result<Vec<Row>, Error> {
        let mut found = vec![];
        for (text, cells) in set.runs(text, MOST_ROWS) {
            let mut statement = self.bound(text, cells)?;
            read(&mut statement, &mut found)?;
        }
        Ok(found)
    }

    /// Runs a hot statement over a set; how many rows it hit.
    pub(crate) fn count(&self, text: &'static str, set: &Gathered<'_>) -> Result<u64, Error> {
        let mut hit = 0;
        for (text, cells) in set.runs(text, MOST_ROWS) {
            let rows = self.bound(text, cells)?.raw_execute()?;
            hit += u64::try_from(rows).unwrap_or(u64::MAX);
        }
        Ok(hit)
    }

    fn bound<'c>(
        &self,
        text: &'static str,
        cells: impl Iterator<Item = &'c Cell>,
    ) -> Result<CachedStatement<'_>, Error> {
        let mut statement = self.0.prepare_cached(text)?;
        for (n, cell) in (1..).zip(cells) {
            statement.raw_bind_parameter(n, cell)?;
        }
        Ok(statement)
    }

    /// Runs a small statement whose parameters are written `$1`, `$2` …
    pub(crate) fn small(&self, sql: &'static str, cells: &[Cell]) -> Result<Vec<Row>, Error> {
        let mut statement = self.0.prepare_cached(sql)?;
        for (n, cell) in (1..).zip(cells) {
            // SQLite numbers them in the order in which they are met
            if let Some(at) = statement.parameter_index(&format!("${n}"))? {
                statement.raw_bind_parameter(at, cell)?;
            }
        }
        let mut found = vec![];
        read(&mut statement, &mut found)?;
        Ok(found)
    }
}

/// A value of a row that came back.
pub(super) fn get<T: FromSql>(row: &Row, n: usize) -> Result<T, Error> {
    let value = row.get(n).ok_or_else(|| Error::corrupt("row", format!("no column {n}")))?;
    T::column_result(value.into()).map_err(|e| Error::corrupt(format!("column {n}"), e))
}

fn read(statement: &mut rusqlite::Statement<'_>, found: &mut Vec<Row>) -> Result<(), Error> {
    let width = statement.column_count();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        found.push((0..width).map(|n| row.get(n)).collect::<Result<_, _>>()?);
    }
    Ok(())
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match self {
            Self::Bytes(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Int(Some(n)) => ValueRef::Integer(*n),
            Self::Bytes(None) | Self::Text(None) | Self::Int(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

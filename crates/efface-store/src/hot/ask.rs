//! One statement on a connection of `sqlx`: what a transaction and a reader share.

use sea_orm::sqlx::{self, PgConnection, SqliteConnection};

use super::{Cell, Gathered, Returned};
use crate::error::Error;

/// Reads what a hot statement returns for a set.
pub(crate) async fn sqlite_set(
    connection: &mut SqliteConnection,
    text: &'static str,
    set: &Gathered<'_>,
) -> Result<Vec<Returned>, Error> {
    let mut found = vec![];
    for query in set.lite(text) {
        found.extend(query?.fetch_all(&mut *connection).await?);
    }
    Ok(found.into_iter().map(Returned::Sqlite).collect())
}

/// As [`sqlite_set`].
pub(crate) async fn postgres_set(
    connection: &mut PgConnection,
    text: &'static str,
    set: &Gathered<'_>,
) -> Result<Vec<Returned>, Error> {
    let found = set.bind_arrays(sqlx::query(text))?.fetch_all(connection).await?;
    Ok(found.into_iter().map(Returned::Postgres).collect())
}

macro_rules! small {
    ($connection:expr, $sql:expr, $cells:expr, $wrap:expr) => {{
        let mut query = sqlx::query($sql);
        for cell in $cells {
            query = match cell {
                Cell::Bytes(b) => query.bind(b),
                Cell::Text(t) => query.bind(t.as_deref()),
                Cell::Int(i) => query.bind(i),
            };
        }
        Ok(query.fetch_all($connection).await?.into_iter().map($wrap).collect())
    }};
}

/// Runs a small statement whose parameters are written `$1`, `$2` …
pub(crate) async fn sqlite_small(
    connection: &mut SqliteConnection,
    sql: &'static str,
    cells: &[Cell],
) -> Result<Vec<Returned>, Error> {
    small!(connection, sql, cells, Returned::Sqlite)
}

/// As [`sqlite_small`].
pub(crate) async fn postgres_small(
    connection: &mut PgConnection,
    sql: &'static str,
    cells: &[Cell],
) -> Result<Vec<Returned>, Error> {
    small!(connection, sql, cells, Returned::Postgres)
}

//! Connections that are kept: a pool asks each one that is given back whether it still lives, which
//! costs as much as a small query.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sea_orm::sqlx::{PgConnection, Postgres, Sqlite, pool::PoolConnection};

use crate::{
    Error,
    hot::{Cell, Gathered, Inline, Returned, ask},
};

/// The committer's own connection.
pub(super) enum Own {
    Sqlite(Inline),
    Postgres(PgConnection),
}

/// A reader's connection that is not given back after each use.
pub enum Kept {
    Sqlite(PoolConnection<Sqlite>),
    Postgres(PoolConnection<Postgres>),
}

/// Connections that have just read and will soon read again.
pub struct Idle {
    kept: Mutex<Vec<Kept>>,
    /// So many; the rest of the pool is left to everybody else.
    most: usize,
}

impl Idle {
    pub(super) fn of_pool(connections: u32) -> Self {
        let most = (connections as usize / 2).saturating_sub(1).min(3);
        Self { kept: Mutex::default(), most }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self) -> Option<Kept> {
        self.all().pop()
    }

    pub(super) fn put(&self, kept: Kept) {
        let mut all = self.all();
        if all.len() < self.most {
            all.push(kept);
        }
    }
}

impl Kept {
    /// Reads rows; parameters are `$1`, `$2` … in both dialects.
    pub(super) async fn fetch(
        &mut self,
        sql: &'static str,
        cells: &[Cell],
    ) -> Result<Vec<Returned>, Error> {
        match self {
            Self::Sqlite(kept) => ask::sqlite_small(kept, sql, cells).await,
            Self::Postgres(kept) => ask::postgres_small(kept, sql, cells).await,
        }
    }

    /// Reads rows for a set.
    pub(super) async fn fetch_for(
        &mut self,
        sqlite: &'static str,
        postgres: &'static str,
        rows: &Gathered<'_>,
    ) -> Result<Vec<Returned>, Error> {
        match self {
            Self::Sqlite(kept) => ask::sqlite_set(kept, sqlite, rows).await,
            Self::Postgres(kept) => ask::postgres_set(kept, postgres, rows).await,
        }
    }
}

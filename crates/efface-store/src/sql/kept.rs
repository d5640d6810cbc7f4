//! Connections that are kept: a pool asks each one that is given back whether it still lives, which
//! costs as much as a small query.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sea_orm::sqlx::{Postgres, Sqlite, pool::PoolConnection};

use crate::{
    Error,
    hot::{Cell, Gathered, Inline, Returned},
};

/// The committer's own connection.
pub(super) enum Own {
    Sqlite(Inline),
    Postgres(PoolConnection<Postgres>),
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
        macro_rules! bind {
            ($connection:expr, $wrap:expr) => {{
                let mut query = sea_orm::sqlx::query(sql);
                for cell in cells {
                    query = match cell {
                        Cell::Bytes(b) => query.bind(b),
                        Cell::Text(t) => query.bind(t.as_deref()),
                        Cell::Int(i) => query.bind(i),
                    };
                }
                Ok(query.fetch_all(&mut **$connection).await?.into_iter().map($wrap).collect())
            }};
        }
        match self {
            Self::Sqlite(kept) => bind!(kept, Returned::Sqlite),
            Self::Postgres(kept) => bind!(kept, Returned::Postgres),
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
            Self::Sqlite(kept) => {
                let mut found = vec![];
                for query in rows.lite(sqlite) {
                    found.extend(query?.fetch_all(&mut **kept).await?);
                }
                Ok(found.into_iter().map(Returned::Sqlite).collect())
            }
            Self::Postgres(kept) => {
                let query = rows.bind_arrays(sea_orm::sqlx::query(postgres))?;
                let found = query.fetch_all(&mut **kept).await?;
                Ok(found.into_iter().map(Returned::Postgres).collect())
            }
        }
    }
}

//! The database itself, beside the store: counts, statements of the test's own, and every stored byte.

use futures::StreamExt;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Column, Executor, PgPool, Row, SqlitePool, ValueRef,
    postgres::PgPoolOptions, sqlite::SqlitePoolOptions,
};

pub enum Raw {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A transaction of the test's own.
pub enum RawTx {
    Sqlite(sqlx::Transaction<'static, sqlx::Sqlite>),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

impl RawTx {
    pub async fn exec(&mut self, sql: &str) {
        assert!(self.exec_or_lose(sql).await, "lost a fight for rows: {sql}");
    }

    /// Whether the statement was carried out; `false` when PostgreSQL ended a deadlock with it.
    pub async fn exec_or_lose(&mut self, sql: &str) -> bool {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match self {
            Self::Sqlite(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ()),
            Self::Postgres(tx) => sqlx::raw_sql(sql).execute(&mut **tx).await.map(|_| ()),
        };
        match done {
            Ok(()) => true,
            Err(sqlx::Error::Database(why)) if why.code().is_some_and(|c| c == "40P01") => false,
            Err(other) => panic!("statement: {other}"),
        }
    }

    pub async fn commit(self) {
        match self {
            Self::Sqlite(tx) => tx.commit().await.expect("committed"),
            Self::Postgres(tx) => tx.commit().await.expect("committed"),
        }
    }
}

impl Raw {
    pub async fn begin(&self) -> RawTx {
        match self {
            Self::Sqlite(pool) => {
                RawTx::Sqlite(pool.begin_with("BEGIN IMMEDIATE").await.expect("begun"))
            }
            Self::Postgres(pool) => RawTx::Postgres(pool.begin().await.expect("begun")),
        }
    }

    pub async fn open(url: &str) -> Self {
        if url.starts_with("sqlite") {
            Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(2)
                    .connect(url)
                    .await
                    .expect("raw database"),
            )
        } else {
            Self::Postgres(
                PgPoolOptions::new().max_connections(2).connect(url).await.expect("raw database"),
            )
        }
    }

    pub async fn exec(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => {
                sqlx::raw_sql(sql).execute(pool).await.expect("statement");
            }
            Self::Postgres(pool) => {
                sqlx::raw_sql(sql).execute(pool).await.expect("statement");
            }
        }
    }

    /// The words of the database: one text for SQLite, one for PostgreSQL.
    pub async fn exec_each(&self, sqlite: &str, postgres: &str) {
        self.exec(if matches!(self, Self::Sqlite(_)) { sqlite } else { postgres }).await;
    }

    /// The first column of the first row.
    pub async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(sql).fetch_one(pool).await.expect("row").get(0),
            Self::Postgres(pool) => sqlx::query(sql).fetch_one(pool).await.expect("row").get(0),
        }
    }

    /// The first column of each row.
    pub async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Sqlite(pool) => sqlx::query(sql)
                .fetch_all(pool)
                .await
                .expect("rows")
                .iter()
                .map(|r| r.get(0))
                .collect(),
            Self::Postgres(pool) => sqlx::query(sql)
                .fetch_all(pool)
                .await
                .expect("rows")
                .iter()
                .map(|r| r.get(0))
                .collect(),
        }
    }

    /// SQLite's plan of a statement, line by line.
    pub async fn plan(&self, sql: &str) -> Vec<String> {
        let Self::Sqlite(pool) = self else { panic!("SQLite's plans only") };
        let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
        sqlx::query(sql)
            .fetch_all(pool)
            .await
            .expect("plan")
            .iter()
            .map(|r| r.get("detail"))
            .collect()
    }

    /// Statements one after the other on one PostgreSQL connection; the only text they answer.
    pub async fn script(&self, statements: &[String]) -> String {
        let Self::Postgres(pool) = self else { panic!("PostgreSQL's scripts only") };
        let mut connection = pool.acquire().await.expect("connection");
        let mut answer = String::new();
        for sql in statements {
            let sql = AssertSqlSafe(sql.clone());
            for row in connection.fetch_all(sqlx::raw_sql(sql)).await.expect("statement") {
                answer.push_str(&row.try_get_unchecked::<String, _>(0).unwrap_or_default());
            }
        }
        answer
    }

    pub async fn count(&self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }

    async fn tables(&self) -> Vec<String> {
        match self {
            Self::Sqlite(_) => self.texts("SELECT name FROM sqlite_master WHERE type = 'table'").await,
            Self::Postgres(_) => {
                self.texts("SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'").await
            }
        }
    }

    /// Every stored byte of every table, as it was given to the database.
    pub async fn dump(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = vec![];
        for table in self.tables().await {
            let mut bytes = vec![];
            match self {
                Self::Sqlite(pool) => {
                    let rows = pool
                        .fetch_all(AssertSqlSafe(format!("SELECT * FROM {table}")))
                        .await
                        .expect("rows");
                    for row in &rows {
                        for column in row.columns() {
                            let n = column.ordinal();
                            if !row.try_get_raw(n).expect("value").is_null() {
                                bytes.extend(row.get_unchecked::<Vec<u8>, _>(n));
                            }
                            bytes.push(0);
                        }
                    }
                }
                Self::Postgres(pool) => {
                    let mut connection = pool.acquire().await.expect("connection");
                    let copy = format!("COPY {table} TO STDOUT (FORMAT binary)");
                    let mut parts = connection.copy_out_raw(&copy).await.expect("copy");
                    while let Some(part) = parts.next().await {
                        bytes.extend_from_slice(&part.expect("part"));
                    }
                }
            }
            all.push((table, bytes));
        }
        all
    }
}

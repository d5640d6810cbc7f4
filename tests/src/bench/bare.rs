//! What the engine is compared with: the same client and the same databases without evidence,
//! journal, sealing, brakes or rules.

use std::{str::FromStr, sync::Arc, time::Duration};

use anyhow::Result;
use sea_orm::sqlx::{
    self, ConnectOptions as _, PgPool, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use super::{engine::Outcome, place, watch};

/// What is compared with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// The client alone.
    Calls { stub: String, calls: u64, in_flight: u32 },
    /// Claim, call, complete; two commits for each batch.
    ClaimCallComplete { url: String, stub: String, jobs: u64, in_flight: u32, batch: u32 },
    /// Claim and complete, no call.
    ClaimComplete { url: String, jobs: u64, batch: u32 },
    /// Rows alone: one of a request and `tasks` of its tasks for each person.
    Insert { url: String, people: u64, tasks: u64, group: u64 },
}

/// A body of about the engine's size.
const BODY: &str = r#"{"order":"019ab3f0-7c1e-7d43-9d1e-2f60a3c1b7aa","reason":"the person asked for erasure","people":[{"id":"019ab3f0-7c1e-7d43-9d1e-2f60a3c1b7ab","user":"user-000000000001"}]}"#;

/// A client built as the engine's is.
#[expect(
    clippy::disallowed_methods,
    reason = "the bare side of a comparison lends itself a client"
)]
pub fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(20))
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .build()?)
}

async fn call(client: &reqwest::Client, url: &str) -> Result<()> {
    let request = client.post(url).header("content-type", "application/json").body(BODY);
    let reply = request.send().await?.error_for_status()?;
    let body = reply.bytes().await?;
    anyhow::ensure!(body.len() == super::stub::ANSWER.len(), "{} bytes came back", body.len());
    Ok(())
}

enum Queue {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

const TABLE: &str = "CREATE TABLE job (id BIGINT PRIMARY KEY, state BIGINT NOT NULL, payload TEXT NOT NULL, result TEXT)";
const INDEX: &str = "CREATE INDEX job_ready ON job (id) WHERE state = 0";

impl Queue {
    async fn open(url: &str) -> Result<Self> {
        let queue = if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url)?
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .page_size(8192)
                .pragma("cache_size", "-16000")
                .pragma("wal_autocheckpoint", "2000")
                .disable_statement_logging();
            Self::Sqlite(
                SqlitePoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .connect_with(options)
                    .await?,
            )
        } else {
            let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
            Self::Postgres(
                PgPoolOptions::new()
                    .max_connections(4)
                    .test_before_acquire(false)
                    .connect_with(options)
                    .await?,
            )
        };
        Ok(queue)
    }

    async fn execute(&self, sql: &'static str) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query(sql).execute(pool).await?;
            }
            Self::Postgres(pool) => {
                sqlx::query(sql).execute(pool).await?;
            }
        }
        Ok(())
    }

    async fn fill(&self, jobs: u64) -> Result<()> {
        self.execute(TABLE).await?;
        self.execute(INDEX).await?;
        for from in (0..jobs).step_by(10_000) {
            let ids: Vec<i64> = (from..jobs.min(from + 10_000)).map(u64::cast_signed).collect();
            match self {
                Self::Sqlite(pool) => {
                    sqlx::query("INSERT INTO job (id, state, payload) SELECT value, 0, ?2 FROM json_each(?1)").bind(serde_json::to_string(&ids)?).bind(BODY).execute(pool).await?;
                }
                Self::Postgres(pool) => {
                    sqlx::query("INSERT INTO job (id, state, payload) SELECT id, 0, $2 FROM unnest($1::int8[]) AS x(id)").bind(&ids).bind(BODY).execute(pool).await?;
                }
            }
        }
        Ok(())
    }

    async fn claim(&self, batch: u32) -> Result<Vec<i64>> {
        let batch = i64::from(batch);
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query_scalar("UPDATE job SET state = 1 WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT ?1) RETURNING id").bind(batch).fetch_all(pool).await?,
            Self::Postgres(pool) => sqlx::query_scalar("UPDATE job SET state = 1 WHERE id IN (SELECT id FROM job WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id").bind(batch).fetch_all(pool).await?,
        })
    }

    async fn complete(&self, ids: &[i64]) -> Result<()> {
        let answer = super::stub::ANSWER;
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("UPDATE job SET state = 2, result = ?2 WHERE id IN (SELECT value FROM json_each(?1))").bind(serde_json::to_string(ids)?).bind(answer).execute(pool).await?;
            }
            Self::Postgres(pool) => {
                sqlx::query("UPDATE job SET state = 2, result = $2 WHERE id = ANY($1)")
                    .bind(ids)
                    .bind(answer)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    async fn insert(&self, rows: &[(i64, String)]) -> Result<()> {
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("INSERT INTO job (id, state, payload) SELECT value->>0, 0, value->>1 FROM json_each(?1)").bind(serde_json::to_string(rows)?).execute(pool).await?;
            }
            Self::Postgres(pool) => {
                let (ids, texts): (Vec<i64>, Vec<&str>) =
                    rows.iter().map(|(id, text)| (*id, text.as_str())).unzip();
                sqlx::query("INSERT INTO job (id, state, payload) SELECT id, 0, payload FROM unnest($1::int8[], $2::text[]) AS x(id, payload)").bind(ids).bind(texts).execute(pool).await?;
            }
        }
        Ok(())
    }
}

/// Runs a comparison.
pub async fn run(job: &Job) -> Result<Outcome> {
    match job {
        Job::Calls { stub, calls, in_flight } => {
            let (client, url) = (client()?, format!("{stub}/erase"));
            let used = watch::processor_time();
            let began = watch::instant();
            let left = Arc::new(std::sync::atomic::AtomicU64::new(*calls));
            let mut hands = vec![];
            for _ in 0..*in_flight {
                let (client, url, left) = (client.clone(), url.clone(), left.clone());
                hands.push(tokio::spawn(async move {
                    use std::sync::atomic::Ordering;
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                        .is_ok()
                    {
                        call(&client, &url).await?;
                    }
                    anyhow::Ok(())
                }));
            }
            for hand in hands {
                hand.await??;
            }
            Ok(outcome(began, used, *calls))
        }
        Job::ClaimCallComplete { url, stub, jobs, in_flight, batch } => {
            let queue = Arc::new(Queue::open(url).await?);
            queue.fill(*jobs).await?;
            place::tidy(url).await?;
            claim_call_complete(queue, stub, *jobs, *in_flight, *batch).await
        }
        Job::ClaimComplete { url, jobs, batch } => {
            let queue = Queue::open(url).await?;
            queue.fill(*jobs).await?;
            place::tidy(url).await?;
            let used = watch::processor_time();
            let began = watch::instant();
            loop {
                let ids = queue.claim(*batch).await?;
                if ids.is_empty() {
                    return Ok(outcome(began, used, *jobs));
                }
                queue.complete(&ids).await?;
            }
        }
        Job::Insert { url, people, tasks, group } => {
            let queue = Queue::open(url).await?;
            queue.execute(TABLE).await?;
            queue.execute(INDEX).await?;
            let used = watch::processor_time();
            let began = watch::instant();
            let mut id = 0;
            for from in (0..*people).step_by(usize::try_from(*group)?) {
                let count = (*people - from).min(*group) * (tasks + 1);
                let rows: Vec<(i64, String)> = (0..count)
                    .map(|_| {
                        id += 1;
                        (id, format!("{BODY}{BODY}"))
                    })
                    .collect();
                queue.insert(&rows).await?;
            }
            Ok(outcome(began, used, *people))
        }
    }
}

/// Claims ahead, calls side by side, completes what has come in.
async fn claim_call_complete(
    queue: Arc<Queue>,
    stub: &str,
    jobs: u64,
    in_flight: u32,
    batch: u32,
) -> Result<Outcome> {
    let (client, url) = (client()?, format!("{stub}/erase"));
    let used = watch::processor_time();
    let began = watch::instant();
    let (claimed, mut to_call) = mpsc::channel::<i64>(batch as usize);
    let (called, mut to_complete) = mpsc::unbounded_channel::<i64>();
    let claims = queue.clone();
    let claimer = tokio::spawn(async move {
        loop {
            let ids = claims.claim(batch).await?;
            if ids.is_empty() {
                return anyhow::Ok(());
            }
            for id in ids {
                claimed.send(id).await?;
            }
        }
    });
    let slots = Arc::new(Semaphore::new(in_flight as usize));
    let caller = tokio::spawn(async move {
        while let Some(id) = to_call.recv().await {
            let slot = slots.clone().acquire_owned().await?;
            let (client, url, called) = (client.clone(), url.clone(), called.clone());
            tokio::spawn(async move {
                // a call that fails leaves its job open, and the count below does not add up
                if call(&client, &url).await.is_ok() {
                    let _ = called.send(id);
                }
                drop(slot);
            });
        }
        anyhow::Ok(())
    });
    let (mut done, mut ids) = (0, vec![]);
    while to_complete.recv_many(&mut ids, 512).await > 0 {
        queue.complete(&ids).await?;
        done += ids.len() as u64;
        ids.clear();
    }
    claimer.await??;
    caller.await??;
    anyhow::ensure!(done == jobs, "{done} of {jobs} jobs were completed");
    Ok(outcome(began, used, jobs))
}

fn outcome(began: std::time::Instant, used: Duration, count: u64) -> Outcome {
    Outcome {
        seconds: began.elapsed().as_secs_f64(),
        settled: count,
        processor_seconds: (watch::processor_time() - used).as_secs_f64(),
        peak_memory_mb: watch::peak_memory_mb(),
        closed_seconds: 0.0,
        samples: vec![],
    }
}

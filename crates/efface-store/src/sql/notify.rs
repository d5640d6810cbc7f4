//! Hints between processes. On PostgreSQL a NOTIFY after the commit, at most one per lane in five
//! milliseconds; on SQLite `data_version` tells that another connection has written. A hint may be
//! lost: an owner looks every five seconds anyway.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use efface_core::LaneId;
use sea_orm::sqlx::{
    self, Row,
    postgres::{PgListener, PgPool},
};

use tokio::sync::mpsc;

use crate::{Error, Wakes, sql::Database};

pub(super) const CHANNEL: &str = "efface_lane";
const AT_MOST_EVERY: Duration = Duration::from_millis(5);
const SQLITE_LOOK_EVERY: Duration = Duration::from_millis(200);

/// Tells other processes which lanes have something to do, beside the commits.
pub(super) struct Notifier {
    lanes: Option<mpsc::UnboundedSender<BTreeSet<LaneId>>>,
}

impl Notifier {
    pub(super) fn start(database: &Database) -> Self {
        let Database::Postgres { pool, .. } = database else { return Self { lanes: None } };
        let (lanes, rung) = mpsc::unbounded_channel();
        tokio::spawn(tell(pool.clone(), rung));
        Self { lanes: Some(lanes) }
    }

    pub(super) fn ring(&self, lanes: BTreeSet<LaneId>) {
        if let (Some(teller), false) = (&self.lanes, lanes.is_empty()) {
            // a hint that cannot be given is one that is lost
            let _ = teller.send(lanes);
        }
    }
}

async fn tell(pool: PgPool, mut rung: mpsc::UnboundedReceiver<BTreeSet<LaneId>>) {
    while let Some(mut lanes) = rung.recv().await {
        while let Ok(more) = rung.try_recv() {
            lanes.extend(more);
        }
        let names: Vec<&str> = lanes.iter().map(LaneId::as_str).collect();
        let told = sqlx::query("SELECT pg_notify($1, lane) FROM unnest($2::text[]) AS x(lane)")
            .bind(CHANNEL)
            .bind(names)
            .execute(&pool)
            .await;
        if let Err(error) = told {
            tracing::debug!(%error, "a hint was not sent");
        }
        tokio::time::sleep(AT_MOST_EVERY).await;
    }
}

/// Listens until the process ends.
pub(super) async fn listen(database: Database, wakes: Arc<Wakes>) -> Result<(), Error> {
    match database {
        Database::Postgres { pool, .. } => {
            let listener = listener(&pool).await?;
            tokio::spawn(hear(pool, listener, wakes));
        }
        Database::Sqlite { readers, .. } => {
            let mut connection = readers.acquire().await?.detach();
            tokio::spawn(async move {
                let mut known = 0i64;
                loop {
                    tokio::time::sleep(SQLITE_LOOK_EVERY).await;
                    let version = sqlx::query("PRAGMA data_version")
                        .fetch_one(&mut connection)
                        .await
                        .and_then(|r| r.try_get::<i64, _>(0));
                    match version {
                        Ok(version) if version != known => {
                            known = version;
                            wakes.ring_all();
                        }
                        Ok(_) => {}
                        Err(error) => tracing::debug!(%error, "data_version cannot be read"),
                    }
                }
            });
        }
    }
    Ok(())
}

async fn listener(pool: &PgPool) -> Result<PgListener, Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

async fn hear(pool: PgPool, mut listener: PgListener, wakes: Arc<Wakes>) {
    loop {
        match listener.recv().await {
            Ok(heard) => {
                if let Ok(lane) = LaneId::new(heard.payload()) {
                    wakes.ring(&lane);
                }
            }
            Err(error) => {
                tracing::debug!(%error, "hints are not heard for a while");
                tokio::time::sleep(Duration::from_secs(1)).await;
                if let Ok(again) = self::listener(&pool).await {
                    listener = again;
                    wakes.ring_all();
                }
            }
        }
    }
}

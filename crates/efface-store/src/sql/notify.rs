//! Hints between processes. On PostgreSQL a NOTIFY after the commit, at most one per lane in five
//! milliseconds; on SQLite `data_version` tells that another connection has written. A hint may be
//! lost: an owner looks every five seconds anyway.

use std::{collections::HashMap, sync::Arc, time::Duration};

use efface_core::{LaneId, Timestamp};
use sea_orm::sqlx::{
    self, Row,
    postgres::{PgListener, PgPool},
};

use crate::{Error, Wakes, sql::Database};

const CHANNEL: &str = "efface_lane";
const AT_MOST_EVERY: Duration = Duration::from_millis(5);
const SQLITE_LOOK_EVERY: Duration = Duration::from_millis(200);

/// Tells other processes which lanes have something to do.
#[derive(Default)]
pub(super) struct Notifier {
    last: HashMap<LaneId, Timestamp>,
}

impl Notifier {
    pub(super) async fn tell(&mut self, database: &Database, lanes: impl Iterator<Item = LaneId>, now: Timestamp) {
        let Database::Postgres { pool } = database else { return };
        for lane in lanes {
            let is_recent = self.last.get(&lane).is_some_and(|at| now >= *at && now.since(*at) < AT_MOST_EVERY);
            if is_recent {
                continue;
            }
            let told = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(lane.as_str()).execute(pool).await;
            if let Err(error) = told {
                tracing::debug!(%lane, %error, "a hint was not sent");
            }
            self.last.insert(lane, now);
        }
    }
}

/// Listens until the process ends.
pub(super) async fn listen(database: Database, wakes: Arc<Wakes>) -> Result<(), Error> {
    match database {
        Database::Postgres { pool } => {
            let listener = listener(&pool).await?;
            tokio::spawn(hear(pool, listener, wakes));
        }
        Database::Sqlite { readers, .. } => {
            let mut connection = readers.acquire().await?.detach();
            tokio::spawn(async move {
                let mut known = 0i64;
                loop {
                    tokio::time::sleep(SQLITE_LOOK_EVERY).await;
                    let version = sqlx::query("PRAGMA data_version").fetch_one(&mut connection).await.and_then(|r| r.try_get::<i64, _>(0));
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

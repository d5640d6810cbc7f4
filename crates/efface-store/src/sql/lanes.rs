//! Leases, by the database's clock.

use std::time::Duration;

use efface_core::LaneId;

use crate::{
    Attendance, Error, LaneRow, Lease, LeaseTerms, WORKERS_BELL, WorkerRow,
    hot::{Cell, Returned, Tx},
    sql::{Database, notify::CHANNEL},
};

/// Picks the text for the database; the two differ in their clock alone.
macro_rules! by_clock {
    ($database:expr, $before:literal, $after:literal) => {
        match $database {
            Database::Sqlite { .. } => {
                concat!($before, "CAST(unixepoch('subsec') * 1000 AS INTEGER)", $after)
            }
            Database::Postgres { .. } => {
                concat!($before, "(extract(epoch FROM clock_timestamp()) * 1000)::int8", $after)
            }
        }
    };
}

async fn lease_clock(tx: &mut Tx<'_>, database: &Database) -> Result<i64, Error> {
    let sql = by_clock!(database, "SELECT ", "");
    tx.small(sql, &[])
        .await?
        .first()
        .map_or(Err(Error::Unavailable("the database's clock gave no answer".into())), |r| r.int(0))
}

fn ttl(terms: LeaseTerms) -> i64 {
    millis(terms.ttl)
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Lane rows are locked in the order of their names, here and in commits: two processes that want the
/// same ones wait for each other in one direction.
fn in_order<T>(all: &[T], name: impl Fn(&T) -> &str) -> Vec<&T> {
    let mut sorted: Vec<&T> = all.iter().collect();
    sorted.sort_by(|a, b| name(a).cmp(name(b)));
    sorted
}

/// A worker that has been silent for so long is forgotten.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn attend(
    database: &Database,
    name: &str,
    serves: u32,
    terms: LeaseTerms,
) -> Result<Attendance, Error> {
    let mut tx = database.begin().await?;
    let now = lease_clock(&mut tx, database).await?;
    let silent = Cell::from(now);
    let there = tx
        .small(
            "SELECT serves FROM worker WHERE name = $1 AND seen_until >= $2",
            &[Cell::from(name), silent.clone()],
        )
        .await?;
    let cells = [Cell::from(name), Cell::from(serves), Cell::from(now.saturating_add(ttl(terms)))];
    tx.small(
        "INSERT INTO worker (name, serves, seen_until) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET serves = excluded.serves, seen_until = excluded.seen_until",
        &cells,
    )
    .await?;
    if there.is_empty() {
        let forgotten = now.saturating_sub(millis(FORGOTTEN_AFTER));
        tx.small("DELETE FROM worker WHERE seen_until < $1", &[Cell::from(forgotten)]).await?;
        ring(&mut tx, database).await?;
    }
    let workers = tx
        .small("SELECT name, serves FROM worker WHERE seen_until >= $1 ORDER BY name", &[silent])
        .await?;
    let lanes = tx.small("SELECT name, owner, lease_until FROM lane ORDER BY name", &[]).await?;
    tx.commit().await?;
    let worker = |row: &Returned| {
        let serves = u32::try_from(row.int(1)?).unwrap_or(u32::MAX);
        Ok::<_, Error>(WorkerRow { name: row.text(0)?, serves })
    };
    let lane = |row: &Returned| {
        let left = row.opt_int(2)?.unwrap_or(now).saturating_sub(now);
        Ok::<_, Error>(LaneRow {
            lane: LaneId::new(&row.text(0)?).map_err(|e| Error::corrupt("lane", e))?,
            owner: row.opt_text(1)?,
            runs_out_in: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        })
    };
    Ok(Attendance {
        workers: workers.iter().map(worker).collect::<Result<_, _>>()?,
        lanes: lanes.iter().map(lane).collect::<Result<_, _>>()?,
    })
}

pub(super) async fn leave(database: &Database, name: &str) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    tx.small("DELETE FROM worker WHERE name = $1", &[Cell::from(name)]).await?;
    ring(&mut tx, database).await?;
    tx.commit().await
}

/// The other workers look who is there when this transaction is through. SQLite has one worker.
async fn ring(tx: &mut Tx<'_>, database: &Database) -> Result<(), Error> {
    if database.is_postgres() {
        let cells = [Cell::from(CHANNEL), Cell::from(WORKERS_BELL)];
        tx.small("SELECT 1 FROM pg_notify($1, $2)", &cells).await?;
    }
    Ok(())
}

pub(super) async fn take(
    database: &Database,
    owner: &str,
    lanes: &[LaneId],
    terms: LeaseTerms,
) -> Result<Vec<(Lease, u64)>, Error> {
    let mut taken = vec![];
    let mut tx = database.begin().await?;
    let now = lease_clock(&mut tx, database).await?;
    for lane in in_order(lanes, LaneId::as_str) {
        let name = Cell::from(lane.as_str());
        tx.small(
            "INSERT INTO lane (name) VALUES ($1) ON CONFLICT (name) DO NOTHING",
            std::slice::from_ref(&name),
        )
        .await?;
        let cells =
            [name, Cell::from(owner), Cell::from(now.saturating_add(ttl(terms))), Cell::from(now)];
        // the epoch rises with every taking, under the same name too: an earlier life of this
        // worker may still hold an answer
        let rows = tx
            .small(
                "UPDATE lane SET owner = $2, epoch = epoch + 1, lease_until = $3 WHERE name = $1 AND (owner IS NULL OR owner = $2 OR lease_until < $4) RETURNING epoch, last_number",
                &cells,
            )
            .await?;
        if let Some(row) = rows.first() {
            let epoch = u64::try_from(row.int(0)?).unwrap_or(0);
            let last = u64::try_from(row.int(1)?).unwrap_or(0);
            taken.push((Lease { lane: lane.clone(), owner: owner.to_owned(), epoch }, last));
        }
    }
    tx.commit().await?;
    Ok(taken)
}

pub(super) async fn renew(
    database: &Database,
    leases: &[Lease],
    terms: LeaseTerms,
) -> Result<Vec<Lease>, Error> {
    let mut kept = vec![];
    let mut tx = database.begin().await?;
    let now = lease_clock(&mut tx, database).await?;
    for lease in in_order(leases, |l| l.lane.as_str()) {
        let cells = [
            Cell::from(lease.lane.as_str()),
            Cell::from(lease.owner.as_str()),
            Cell::from(i64::try_from(lease.epoch).unwrap_or(i64::MAX)),
            Cell::from(now.saturating_add(ttl(terms))),
            Cell::from(now),
        ];
        let rows = tx
            .small("UPDATE lane SET lease_until = $4 WHERE name = $1 AND owner = $2 AND epoch = $3 AND lease_until >= $5 RETURNING epoch", &cells)
            .await?;
        if !rows.is_empty() {
            kept.push(lease.clone());
        }
    }
    tx.commit().await?;
    Ok(kept)
}

pub(super) async fn give_back(database: &Database, leases: &[Lease]) -> Result<(), Error> {
    let mut tx = database.begin().await?;
    for lease in in_order(leases, |l| l.lane.as_str()) {
        let cells = [
            Cell::from(lease.lane.as_str()),
            Cell::from(lease.owner.as_str()),
            Cell::from(i64::try_from(lease.epoch).unwrap_or(i64::MAX)),
        ];
        tx.small("UPDATE lane SET owner = NULL, lease_until = NULL WHERE name = $1 AND owner = $2 AND epoch = $3", &cells).await?;
    }
    if !leases.is_empty() {
        ring(&mut tx, database).await?;
    }
    tx.commit().await
}

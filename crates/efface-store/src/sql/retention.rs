//! The end of a request's record: which rows and entries are its alone, and their removal.

use std::collections::{BTreeSet, HashSet};

use efface_core::{
    EntryId, OrderId, RequestId, TaskId, Timestamp, journal::Entry, request::Request,
};

use crate::{
    Error, InTheWay, RecordEnd, RecordOf, SqlStore,
    hot::{Cell, Tx},
    sql::rows,
};

const OPEN_ITEM: &str =
    "SELECT 1 FROM desk WHERE subject_kind = $1 AND subject_id = $2 AND closed_at IS NULL LIMIT 1";
const TASKS: &str = "SELECT id, orders FROM task WHERE request_id = $1 ORDER BY id";

/// Ids that follow one another, sixteen bytes each.
fn order_ids(bytes: &[u8]) -> impl Iterator<Item = OrderId> {
    bytes.chunks_exact(16).filter_map(|id| uuid::Uuid::from_slice(id).ok()).map(OrderId)
}

impl SqlStore {
    pub(crate) async fn record_of(&self, request: RequestId) -> Result<RecordOf, Error> {
        let mut subjects = vec![("request", request.to_string())];
        let mut tasks = HashSet::new();
        for row in self.database.rows(TASKS, &[Cell::from(request.bytes())]).await? {
            let id = TaskId(row.id(0)?);
            tasks.insert(id);
            subjects.push(("task", id.to_string()));
            let orders = row.opt_bytes(1)?.unwrap_or_default();
            subjects.extend(order_ids(&orders).map(|order| ("order", order.to_string())));
        }
        for (kind, id) in subjects {
            let cells = [Cell::word(kind), Cell::from(id)];
            if !self.database.rows(OPEN_ITEM, &cells).await?.is_empty() {
                let in_the_way = Some(InTheWay::Desk);
                return Ok(RecordOf { in_the_way, entries: vec![] });
            }
        }
        let sql = if self.database.is_postgres() {
            "SELECT j.id, j.body, j.items, CASE WHEN EXISTS (SELECT 1 FROM leaf l WHERE l.entry_id = j.id) THEN 1 ELSE 0 END::int8 FROM journal j WHERE j.request_id = $1 ORDER BY j.id"
        } else {
            "SELECT id, body, items, rowid FROM journal WHERE request_id = $1 ORDER BY id"
        };
        let size = i64::try_from(self.log_status().await?.size).unwrap_or(i64::MAX);
        let most = if self.database.is_postgres() { 1 } else { size };
        let mut entries = vec![];
        for row in self.database.rows(sql, &[Cell::from(request.bytes())]).await? {
            if !(1..=most).contains(&row.int(3)?) {
                let in_the_way = Some(InTheWay::Unplaced);
                return Ok(RecordOf { in_the_way, entries: vec![] });
            }
            let entry = Entry::read(&row.text(1)?, &row.text(2)?)?;
            // one that moved tasks of other requests along speaks of them too
            if entry.changes.iter().all(|change| tasks.contains(&change.task)) {
                entries.push(EntryId(row.id(0)?));
            }
        }
        Ok(RecordOf { in_the_way: None, entries })
    }

    /// When and whether the record of a request has ended.
    pub(crate) async fn ended_at(&self, request: RequestId) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT at FROM ended WHERE request_id = $1";
        let found = self.database.rows(sql, &[Cell::from(request.bytes())]).await?;
        Ok(found.first().map(|row| row.int(0)).transpose()?.map(Timestamp::from_millis))
    }

    /// How many records have ended: `(controller, action, state, how many)`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ended_counts(&self) -> Result<Vec<(String, String, String, u64)>, Error> {
        let sql = "SELECT controller, action, state, count(*) FROM ended GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
        let found = self.database.rows(sql, &[]).await?;
        let count = |n: i64| u64::try_from(n).unwrap_or(0);
        found.iter().map(|r| Ok((r.text(0)?, r.text(1)?, r.text(2)?, count(r.int(3)?)))).collect()
    }
}

/// Removes a record; refused as stale when the request is not as it was read.
pub(super) async fn end(tx: &mut Tx<'_>, end: &RecordEnd) -> Result<(), Error> {
    let RecordEnd { request, entries, at } = end;
    let id = || Cell::from(request.id.bytes());
    let sql = "DELETE FROM request WHERE id = $1 AND version = $2 RETURNING id";
    if tx.small(sql, &[id(), Cell::from(request.version)]).await?.is_empty() {
        return Err(Error::Stale { tasks: vec![] });
    }
    let mut orders = BTreeSet::new();
    for row in tx.small(TASKS, &[id()]).await? {
        orders.extend(order_ids(&row.opt_bytes(1)?.unwrap_or_default()));
        clear_desk(tx, "task", TaskId(row.id(0)?).to_string()).await?;
    }
    clear_desk(tx, "request", request.id.to_string()).await?;
    for sql in [
        "DELETE FROM task WHERE request_id = $1",
        "DELETE FROM tag WHERE request_id = $1",
        "DELETE FROM watch WHERE request_id = $1",
        "DELETE FROM follow_up WHERE request_id = $1",
    ] {
        tx.small(sql, &[id()]).await?;
    }
    for order in orders {
        end_order(tx, order).await?;
    }
    for entry in entries {
        let sql = "UPDATE journal SET body = '', items = '', request_id = NULL WHERE request_id = $1 AND id = $2";
        tx.small(sql, &[id(), Cell::from(entry.bytes())]).await?;
    }
    remember(tx, request, *at).await
}

async fn remember(tx: &mut Tx<'_>, request: &Request, at: Timestamp) -> Result<(), Error> {
    let cells = [
        Cell::from(request.id.bytes()),
        Cell::from(at.millis()),
        Cell::from(request.controller.as_str()),
        Cell::word(request.action.word()),
        Cell::word(request.state.word()),
        Cell::Text(request.regime.as_deref().map(Into::into)),
    ];
    let sql = "INSERT INTO ended (request_id, at, controller, action, state, regime) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.small(sql, &cells).await?;
    Ok(())
}

/// An order goes with the last of its people, and with it exchanges and the receipts that are done.
async fn end_order(tx: &mut Tx<'_>, order: OrderId) -> Result<(), Error> {
    let id = || Cell::from(order.bytes());
    let found = tx.small("SELECT body FROM orders WHERE id = $1", &[id()]).await?;
    let Some(row) = found.first() else { return Ok(()) };
    for item in rows::read_order(&row.text(0)?)?.items {
        let sql = "SELECT 1 FROM task WHERE id = $1";
        if !tx.small(sql, &[Cell::from(item.bytes())]).await?.is_empty() {
            return Ok(());
        }
    }
    clear_desk(tx, "order", order.to_string()).await?;
    for sql in [
        "DELETE FROM receipt WHERE order_id = $1 AND next_poll IS NULL",
        "DELETE FROM exchange WHERE order_id = $1",
        "DELETE FROM orders WHERE id = $1",
    ] {
        tx.small(sql, &[id()]).await?;
    }
    Ok(())
}

async fn clear_desk(tx: &mut Tx<'_>, kind: &'static str, id: String) -> Result<(), Error> {
    // an open item would have been in the way
    let sql =
        "DELETE FROM desk WHERE subject_kind = $1 AND subject_id = $2 AND closed_at IS NOT NULL";
    tx.small(sql, &[Cell::word(kind), Cell::from(id)]).await?;
    Ok(())
}

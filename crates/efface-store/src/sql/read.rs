//! What lanes read: due tasks with identifiers opened, orders, receipts, follow-ups, errands.

use std::collections::HashMap;

use efface_core::{
    AccountId, ConnectorId, ControllerId, LaneId, RequestId, TaskId, Timestamp,
    order::Order,
    request::RequestState,
    subject::Value,
    task::{Queue, TaskState},
};
use efface_vault::{RequestKey, WrappedKey};

use crate::{
    AccountRow, DueFollowUp, DueReceipt, DueTask, Errand, Error, KeptBack, OpenOrder, TaskRow,
    hot::{Batch, Cell, Returned},
    sql::{
        Database, list, receipts,
        rows::{self, TASK_COLUMNS, task_columns},
        seal::Sealer,
        watch,
    },
};

/// Columns after the task's own in a query that opens identifiers.
macro_rules! sealed_columns {
    () => {
        ", t.memo, t.prior, r.sealed, r.wrapped_key, r.wrapped_by, CASE WHEN r.body LIKE '%\"hold\":%' THEN r.body ELSE '' END, r.state"
    };
}

pub(super) async fn accounts(database: &Database) -> Result<Vec<AccountRow>, Error> {
    let found = database
        .rows("SELECT id, connector, controller, lane, version, body FROM account ORDER BY id", &[])
        .await?;
    found
        .iter()
        .map(|r| {
            let bad = |e: efface_core::ids::BadName| Error::corrupt("account", e);
            Ok(AccountRow {
                id: AccountId::new(&r.text(0)?).map_err(bad)?,
                connector: ConnectorId::new(&r.text(1)?).map_err(bad)?,
                controller: ControllerId::new(&r.text(2)?).map_err(bad)?,
                lane: LaneId::new(&r.text(3)?).map_err(bad)?,
                version: u32::try_from(r.int(4)?).unwrap_or(0),
                condition: rows::decode("account", &r.text(5)?)?,
            })
        })
        .collect()
}

/// Opens rows of one query; a request's key is unwrapped once however many of its tasks are there.
struct Opener<'a> {
    sealer: &'a Sealer,
    keys: HashMap<RequestId, (RequestKey, Vec<efface_core::Identifier>)>,
}

impl Opener<'_> {
    fn open(&mut self, row: &Returned) -> Result<DueTask, Error> {
        let TaskRow { task, lane, deadline, since } = rows::read_task(row)?;
        let id = task.request;
        if !self.keys.contains_key(&id) {
            let wrapped = WrappedKey {
                bytes: row.bytes(TASK_COLUMNS + 3)?,
                wrapped_by: row.text(TASK_COLUMNS + 4)?,
            };
            let key = self.sealer.key(id, &wrapped)?;
            let dossier = self.sealer.open_dossier(&key, id, &row.bytes(TASK_COLUMNS + 2)?)?;
            self.keys.insert(id, (key, dossier.identifiers));
        }
        let (key, identifiers) =
            self.keys.get(&id).ok_or_else(|| Error::corrupt("request key", "lost"))?;
        let field = |n: usize, name: &str| -> Result<Option<Value>, Error> {
            let sealed = row.opt_bytes(n)?;
            sealed.map(|bytes| self.sealer.open_field(key, id, task.id, name, &bytes)).transpose()
        };
        let memo = field(TASK_COLUMNS, "memo")?;
        let prior = field(TASK_COLUMNS + 1, "prior")?;
        let request = row.text(TASK_COLUMNS + 5)?;
        let hold = if request.is_empty() { None } else { rows::read_request(&request)?.hold };
        let kept_back = match (hold, row.text(TASK_COLUMNS + 6)?.as_str()) {
            (Some(hold), _) => Some(KeptBack::Hold { reason: hold.reason }),
            (None, "received" | "identified" | "released") => Some(KeptBack::NotReleased),
            (None, _) => None,
        };
        Ok(DueTask {
            identifiers: identifiers.clone(),
            memo,
            prior,
            lane,
            deadline,
            since,
            kept_back,
            task,
        })
    }
}

fn open_all(sealer: &Sealer, found: &[Returned]) -> Result<Vec<DueTask>, Error> {
    open_those(sealer, found, |_| true)
}

/// Opens those that are asked for: of the others the person may be forgotten.
fn open_those(
    sealer: &Sealer,
    found: &[Returned],
    asked_for: impl Fn(&TaskState) -> bool,
) -> Result<Vec<DueTask>, Error> {
    let mut opener = Opener { sealer, keys: HashMap::new() };
    let mut opened = Vec::with_capacity(found.len());
    for row in found {
        if asked_for(&rows::read_task(row)?.task.state) {
            opened.push(opener.open(row)?);
        }
    }
    Ok(opened)
}

pub(crate) const DUE_TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    sealed_columns!(),
    " FROM task t JOIN request r ON r.id = t.request_id WHERE t.account = $1 AND t.queue = $2 AND t.queue IS NOT NULL AND t.wake_at IS NULL ORDER BY t.deadline, t.id LIMIT $3"
);

pub(super) async fn due_tasks(
    database: &Database,
    sealer: &Sealer,
    account: &AccountId,
    queue: Queue,
    limit: u32,
) -> Result<Vec<DueTask>, Error> {
    let cells =
        [Cell::from(account.as_str()), Cell::Int(rows::queue_number(queue)), Cell::from(limit)];
    let found = database.rows(DUE_TASKS, &cells).await?;
    let mut tasks = open_all(sealer, &found)?;
    for due in tasks
        .iter_mut()
        .filter(|t| t.task.action == efface_core::TaskAction::Lift && t.prior.is_none())
    {
        let at = due.task.account.as_str();
        due.prior = match list::prior(database, sealer, due.task.request, at).await? {
            None => prior_of_suppress(database, sealer, due).await?,
            kept => kept,
        };
    }
    Ok(tasks)
}

/// The same where the list has not taken it up yet: what the first suppress of the same person at the
/// same account kept.
async fn prior_of_suppress(
    database: &Database,
    sealer: &Sealer,
    lift: &DueTask,
) -> Result<Option<Value>, Error> {
    let sql = concat!(
        "SELECT ",
        task_columns!(),
        sealed_columns!(),
        " FROM tag mine JOIN tag other ON other.tag = mine.tag AND other.drives = 1 AND other.shared = 0 JOIN task t ON t.request_id = other.request_id JOIN request r ON r.id = t.request_id \
         WHERE mine.request_id = $1 AND mine.drives = 1 AND t.account = $2 AND t.prior IS NOT NULL ORDER BY t.id LIMIT 1"
    );
    let cells = [Cell::from(lift.task.request.bytes()), Cell::from(lift.task.account.as_str())];
    let found = database.rows(sql, &cells).await?;
    Ok(open_all(sealer, &found)?.pop().and_then(|t| t.prior))
}

/// OFFSET keeps PostgreSQL from beginning with the table, which it would do while that is empty.
pub(crate) const TASKS_BY_ID: (&str, &str) = (
    concat!(
        "SELECT ",
        task_columns!(),
        sealed_columns!(),
        " FROM (VALUES {rows}) AS x CROSS JOIN task t ON t.id = x.column1 JOIN request r ON r.id = t.request_id"
    ),
    concat!(
        "SELECT ",
        task_columns!(),
        sealed_columns!(),
        " FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM task WHERE task.id = x.id OFFSET 0) AS t CROSS JOIN LATERAL (SELECT * FROM request WHERE request.id = t.request_id OFFSET 0) AS r"
    ),
);

pub(super) async fn tasks_by_id(
    database: &Database,
    sealer: &Sealer,
    ids: &[TaskId],
    still: impl Fn(&TaskState) -> bool,
) -> Result<Vec<DueTask>, Error> {
    let found = database
        .rows_by_batch(TASKS_BY_ID.0, TASKS_BY_ID.1, &Batch::ids(ids.iter().map(TaskId::bytes)))
        .await?;
    open_those(sealer, &found, still)
}

/// Without an order of its own: PostgreSQL would go by the ids, and see every order there ever was.
pub(crate) const OPEN_ORDERS: &str =
    "SELECT body FROM orders WHERE lane = $1 AND state <> 'answered' AND state <> 'desk'";

pub(super) async fn open_orders(
    database: &Database,
    sealer: &Sealer,
    lane: &LaneId,
) -> Result<Vec<OpenOrder>, Error> {
    let found = database.rows(OPEN_ORDERS, &[lane.as_str().into()]).await?;
    with_items(database, sealer, &found).await
}

/// The condition `state <> 'answered'` names the partial index; the other alone would not.
pub(crate) const UNKNOWN_ORDERS: &str = "SELECT body FROM orders WHERE lane = $1 AND state = 'unknown' AND state <> 'answered' AND look_at <= $2 ORDER BY look_at LIMIT 500";

pub(super) async fn unknown_orders(
    database: &Database,
    sealer: &Sealer,
    lane: &LaneId,
    now: Timestamp,
) -> Result<Vec<OpenOrder>, Error> {
    let cells = [Cell::from(lane.as_str()), Cell::from(now.millis())];
    let found = database.rows(UNKNOWN_ORDERS, &cells).await?;
    with_items(database, sealer, &found).await
}

async fn with_items(
    database: &Database,
    sealer: &Sealer,
    found: &[Returned],
) -> Result<Vec<OpenOrder>, Error> {
    let mut open = vec![];
    for row in found {
        let order: Order = rows::read_order(&row.text(0)?)?;
        let out = |state: &TaskState| matches!(state, TaskState::Sending { order: o } | TaskState::Unknown { order: o, .. } if *o == order.id);
        let items = tasks_by_id(database, sealer, &order.items, out).await?;
        open.push(OpenOrder { order, items });
    }
    open.sort_by_key(|o| o.order.id);
    Ok(open)
}

pub(crate) const DUE_RECEIPTS: &str = "SELECT c.body, o.body FROM receipt c JOIN orders o ON o.id = c.order_id WHERE c.lane = $1 AND c.next_poll IS NOT NULL AND c.next_poll <= $2 ORDER BY c.next_poll LIMIT $3";

pub(super) async fn due_receipts(
    database: &Database,
    sealer: &Sealer,
    lane: &LaneId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueReceipt>, Error> {
    let cells = [Cell::from(lane.as_str()), Cell::from(now.millis()), Cell::from(limit)];
    let found = database.rows(DUE_RECEIPTS, &cells).await?;
    receipts::with_items(database, sealer, &found).await
}

pub(crate) const DUE_FOLLOW_UPS: &str = "SELECT f.seq, r.nobody_found_decided, r.body FROM follow_up f JOIN request r ON r.id = f.request_id WHERE f.due_at <= $1 ORDER BY f.due_at LIMIT $2";

pub(super) async fn due_follow_ups(
    database: &Database,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueFollowUp>, Error> {
    let cells = [Cell::from(now.millis()), Cell::from(limit)];
    let found = database.rows(DUE_FOLLOW_UPS, &cells).await?;
    let mut due = Vec::with_capacity(found.len());
    for row in &found {
        due.push(DueFollowUp {
            seq: u64::try_from(row.int(0)?).unwrap_or(0),
            nobody_found_decided: row.int(1)? != 0,
            request: rows::read_request(&row.text(2)?)?,
            tasks: vec![],
            dependents: vec![],
            watches: vec![],
        });
    }
    let at: HashMap<RequestId, usize> =
        due.iter().enumerate().map(|(n, d)| (d.request.id, n)).collect();
    let ids = Batch::ids(due.iter().map(|d| d.request.id.bytes()));
    for row in tasks_of_requests(database, &ids).await? {
        if let Some(found) = at.get(&row.task.request).and_then(|n| due.get_mut(*n)) {
            found.tasks.push(row);
        }
    }
    let closed = due.iter().filter(|d| matches!(d.request.state, RequestState::Closed { .. }));
    for watch in watch::of_requests(database, closed.map(|d| &d.request.id)).await? {
        if let Some(found) = at.get(&watch.request).and_then(|n| due.get_mut(*n)) {
            found.watches.push(watch);
        }
    }
    let ended: HashMap<TaskId, RequestId> = due
        .iter()
        .flat_map(|d| d.tasks.iter().map(|t| &t.task))
        .filter(|t| t.state.is_settled())
        .map(|t| (t.id, t.request))
        .collect();
    for (dependent, upon) in dependents_of(database, ended.keys()).await? {
        let request = ended.get(&upon).and_then(|id| at.get(id));
        if let Some(found) = request.and_then(|n| due.get_mut(*n)) {
            found.dependents.push(dependent);
        }
    }
    Ok(due)
}

pub(crate) const TASKS_OF_REQUESTS: (&str, &str) = (
    concat!(
        "SELECT ",
        task_columns!(),
        " FROM (VALUES {rows}) AS x CROSS JOIN task t ON t.request_id = x.column1"
    ),
    concat!(
        "SELECT ",
        task_columns!(),
        " FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM task WHERE task.request_id = x.id OFFSET 0) AS t"
    ),
);

async fn tasks_of_requests(database: &Database, ids: &Batch) -> Result<Vec<TaskRow>, Error> {
    let found = database.rows_by_batch(TASKS_OF_REQUESTS.0, TASKS_OF_REQUESTS.1, ids).await?;
    let mut rows = found.iter().map(rows::read_task).collect::<Result<Vec<_>, _>>()?;
    rows.sort_by_key(|r| r.task.id);
    Ok(rows)
}

pub(crate) const DEPENDENTS: (&str, &str) = (
    concat!(
        "SELECT ",
        task_columns!(),
        ", t.depends_on FROM (VALUES {rows}) AS x CROSS JOIN task t ON t.depends_on = x.column1 WHERE t.depends_on IS NOT NULL"
    ),
    concat!(
        "SELECT ",
        task_columns!(),
        ", t.depends_on FROM task t WHERE t.depends_on = ANY($1::bytea[]) AND t.depends_on IS NOT NULL"
    ),
);

/// Tasks that wait for one of these, and for which.
async fn dependents_of(
    database: &Database,
    ended: impl Iterator<Item = &TaskId>,
) -> Result<Vec<(TaskRow, TaskId)>, Error> {
    let ids = Batch::ids(ended.map(TaskId::bytes));
    let found = database.rows_by_batch(DEPENDENTS.0, DEPENDENTS.1, &ids).await?;
    found.iter().map(|r| Ok((rows::read_task(r)?, TaskId(r.id(TASK_COLUMNS)?)))).collect()
}

pub(super) async fn due_errands(
    database: &Database,
    sealer: &Sealer,
    lane: &LaneId,
) -> Result<Vec<Errand>, Error> {
    let found = database.rows("SELECT id, account, body, sealed, progress FROM errand WHERE lane = $1 AND done_at IS NULL ORDER BY at LIMIT 20", &[lane.as_str().into()]).await?;
    found
        .iter()
        .map(|r| {
            let id = r.id(0)?;
            let people = match r.opt_bytes(3)? {
                None => vec![],
                Some(sealed) => {
                    let text = sealer.open_general(&format!("errand-people/{id}"), &sealed)?;
                    rows::decode("errand", text.expose())?
                }
            };
            let progress = r.opt_bytes(4)?;
            let open =
                |sealed: Vec<u8>| sealer.open_general(&format!("errand-progress/{id}"), &sealed);
            let progress = progress.map(open).transpose()?;
            let account = AccountId::new(&r.text(1)?).map_err(|e| Error::corrupt("errand", e))?;
            Ok(Errand {
                id,
                lane: lane.clone(),
                account,
                kind: rows::decode("errand", &r.text(2)?)?,
                people,
                progress,
            })
        })
        .collect()
}

pub(crate) const NEXT_WAKE: &str = "SELECT (SELECT min(wake_at) FROM task WHERE lane = $1 AND wake_at IS NOT NULL), \
         (SELECT min(next_poll) FROM receipt WHERE lane = $1 AND next_poll IS NOT NULL), \
         (SELECT min(look_at) FROM orders WHERE lane = $1 AND state = 'unknown' AND state <> 'answered'), \
         (SELECT min(due_at) FROM follow_up WHERE $1 = 'requests'), \
         (SELECT min(due_at) FROM watch WHERE lane = $1 AND due_at IS NOT NULL AND due_at > $2)";

pub(super) async fn next_wake(
    database: &Database,
    lane: &LaneId,
    now: Timestamp,
) -> Result<Option<Timestamp>, Error> {
    let cells = [Cell::from(lane.as_str()), Cell::from(now.millis())];
    let found = database.rows(NEXT_WAKE, &cells).await?;
    let Some(row) = found.first() else { return Ok(None) };
    let times = (0..5).map(|n| row.opt_int(n)).collect::<Result<Vec<_>, _>>()?;
    Ok(times.into_iter().flatten().min().map(Timestamp::from_millis))
}

/// Without the order PostgreSQL, once it plans for any parameter, hopes to find one soon by reading the
/// whole table.
pub(crate) const ANYTHING_TO_WAKE: &str = "SELECT 1 FROM task WHERE lane = $1 AND wake_at IS NOT NULL AND wake_at <= $2 ORDER BY wake_at LIMIT 1";

/// Whether something of the lane has waited long enough.
pub(super) async fn anything_to_wake(
    database: &Database,
    lane: &LaneId,
    now: Timestamp,
) -> Result<bool, Error> {
    let cells = [Cell::from(lane.as_str()), Cell::from(now.millis())];
    Ok(!database.rows(ANYTHING_TO_WAKE, &cells).await?.is_empty())
}

/// The journal's stored entries (body, items) in the order of their ids, for replay and packs; but for
/// those whose record has ended.
///
/// # Errors
/// When the database cannot be read.
pub async fn journal_tail(store: &crate::SqlStore) -> Result<Vec<(String, String)>, Error> {
    let found = store
        .database
        .rows("SELECT body, items FROM journal WHERE body <> '' ORDER BY id", &[])
        .await?;
    found.iter().map(|r| Ok((r.text(0)?, r.text(1)?))).collect()
}

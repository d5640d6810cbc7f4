//! Between rows and the core's types.

use efface_core::{
    AccountId, EntryId, LaneId, RequestId, TaskId, Timestamp,
    journal::Entry,
    order::{Order, OrderState, StoredReceipt},
    request::Request,
    task::{Cause, Queue, Task, TaskState, queue},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Error, ExchangeRow, TaskRow,
    hot::{Cell, Returned},
};

pub(crate) fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| Error::corrupt(what, e))
}

pub(crate) fn decode<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::corrupt(what, e))
}

/// The columns every task query selects first, in this order.
macro_rules! task_columns {
    () => {
        "t.id, t.request_id, t.account, t.lane, t.action, coalesce(t.scope, ''), t.generation, t.version, t.step, t.failures, t.evidence, t.sent, t.cancel_marked, t.body, t.deadline, t.since"
    };
}
pub(crate) use task_columns;

/// A query for tasks alone, with what follows `FROM task t`.
macro_rules! task_query {
    ($rest:literal) => {
        concat!("SELECT ", $crate::sql::task_columns!(), " FROM task t ", $rest)
    };
}
pub(crate) use task_query;

/// How many columns [`task_columns`] has.
pub(crate) const TASK_COLUMNS: usize = 16;

fn small(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

pub(crate) fn read_task(row: &Returned) -> Result<TaskRow, Error> {
    let scope = row.text(5)?;
    let bad =
        |what: &'static str| move |e: efface_core::action::UnknownWord| Error::corrupt(what, e);
    let task = Task {
        id: TaskId(row.id(0)?),
        request: RequestId(row.id(1)?),
        account: AccountId::new(&row.text(2)?).map_err(|e| Error::corrupt("task", e))?,
        action: row.text(4)?.parse().map_err(bad("task action"))?,
        scope: if scope.is_empty() {
            None
        } else {
            Some(scope.parse().map_err(bad("task scope"))?)
        },
        generation: small(row.int(6)?),
        version: small(row.int(7)?),
        step: row.text(8)?.into(),
        failures: small(row.int(9)?),
        evidence: row.text(10)?.parse().map_err(bad("task evidence"))?,
        sent: row.int(11)? != 0,
        cancel_marked: row.int(12)? != 0,
        state: decode("task state", &row.text(13)?)?,
    };
    let lane = LaneId::new(&row.text(3)?).map_err(|e| Error::corrupt("task", e))?;
    Ok(TaskRow {
        task,
        lane,
        deadline: Timestamp::from_millis(row.int(14)?),
        since: Timestamp::from_millis(row.int(15)?),
    })
}

/// `queue`, `wake_at` and `depends_on` of a task, derived from its state.
pub(crate) struct Derived {
    pub queue: Option<i64>,
    pub wake_at: Option<i64>,
    pub depends_on: Option<Vec<u8>>,
}

pub(crate) const fn queue_number(queue: Queue) -> Option<i64> {
    match queue {
        Queue::Submit => Some(1),
        Queue::LookUp => Some(2),
        Queue::Recall => Some(3),
        Queue::None => None,
    }
}

pub(crate) fn derive(task: &Task, now: Timestamp) -> Derived {
    let (queue, at) = queue(task);
    let number = queue_number(queue);
    let wake_at = (number.is_some() && at > now).then(|| at.millis());
    let depends_on = match &task.state {
        TaskState::Blocked { cause: Cause::Dependency(earlier) } => Some(earlier.bytes().to_vec()),
        _ => None,
    };
    Derived { queue: number, wake_at, depends_on }
}

pub(crate) fn new_task_cells(new: &crate::NewTask, now: Timestamp) -> Result<Vec<Cell>, Error> {
    let task = &new.task;
    let derived = derive(task, now);
    Ok(vec![
        task.id.bytes().into(),
        task.request.bytes().into(),
        task.account.as_str().into(),
        new.lane.as_str().into(),
        Cell::word(task.action.word()),
        Cell::Text(task.scope.map(|s| s.word().into())),
        task.generation.into(),
        task.version.into(),
        task.step.as_str().into(),
        task.failures.into(),
        Cell::word(task.evidence.word()),
        task.sent.into(),
        task.cancel_marked.into(),
        Cell::word(task.state.word()),
        encode("task state", &task.state)?.into(),
        Cell::Bytes(derived.depends_on),
        Cell::Int(derived.queue),
        Cell::Int(derived.wake_at),
        new.deadline.millis().into(),
        now.millis().into(),
        Cell::Bytes(None),
        Cell::Bytes(None),
    ])
}

pub(crate) fn order_cells(order: &Order) -> Result<[Cell; 7], Error> {
    Ok([
        order.id.bytes().into(),
        order.lane.as_str().into(),
        i64::try_from(order.number).unwrap_or(i64::MAX).into(),
        order.account.as_str().into(),
        Cell::word(order.state.word()),
        Cell::Int(look_at(order)),
        encode("order", order)?.into(),
    ])
}

pub(crate) fn look_at(order: &Order) -> Option<i64> {
    match order.state {
        OrderState::Unknown { look_at, .. } => Some(look_at.millis()),
        OrderState::Sending | OrderState::Answered | OrderState::Desk => None,
    }
}

pub(crate) fn receipt_cells(receipt: &StoredReceipt) -> Result<[Cell; 5], Error> {
    Ok([
        receipt.id.bytes().into(),
        receipt.order.bytes().into(),
        receipt.lane.as_str().into(),
        next_poll(receipt),
        encode("receipt", receipt)?.into(),
    ])
}

pub(crate) fn next_poll(receipt: &StoredReceipt) -> Cell {
    Cell::Int((!receipt.done).then(|| receipt.next_poll.millis()))
}

pub(crate) fn exchange_cells(row: &ExchangeRow, id: uuid::Uuid) -> [Cell; 6] {
    [
        id.as_bytes().into(),
        Cell::Bytes(row.order.map(|o| o.bytes().to_vec())),
        row.account.as_str().into(),
        row.at.millis().into(),
        Cell::Int(row.status.map(i64::from)),
        row.body.as_str().into(),
    ]
}

pub(crate) fn entry_cells(entry: &Entry, request: Option<RequestId>) -> [Cell; 5] {
    [
        entry.id.bytes().into(),
        entry.at.millis().into(),
        Cell::Bytes(request.map(|r| r.bytes().to_vec())),
        entry.body.as_str().into(),
        entry.items.as_str().into(),
    ]
}

pub(crate) fn tag_cells(tag: &crate::NewTag) -> [Cell; 5] {
    [
        Cell::from(&tag.tag),
        tag.request.bytes().into(),
        tag.kind.as_str().into(),
        tag.drives.into(),
        tag.shared.into(),
    ]
}

pub(crate) fn read_order(text: &str) -> Result<Order, Error> {
    decode("order", text)
}

pub(crate) fn read_request(text: &str) -> Result<Request, Error> {
    decode("request", text)
}

/// Ids that only these modules make.
pub(crate) fn entry_id(now: Timestamp, chance: &dyn efface_core::outside::Chance) -> EntryId {
    EntryId::new(now, chance)
}

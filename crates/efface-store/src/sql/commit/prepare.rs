//! A unit turned into rows: everything that can be reckoned before the transaction begins.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use efface_core::{LaneId, OrderId, ReceiptId, RequestId, TaskId, Timestamp, task::TaskState};
use efface_vault::WrappedKey;

use crate::{
    Company, Error, MemoWrite, RecordEnd, Unit,
    hot::{Batch, Cell},
    sql::{Database, dossiers::Dossiers, list, rows, seal::Sealer, watch},
};

/// A unit turned into rows, ready to be written together with others.
#[derive(Default)]
pub(in crate::sql) struct PreparedUnit {
    pub(in crate::sql) leases: BTreeSet<(String, String, u64)>,
    pub(in crate::sql) numbers: BTreeMap<String, u64>,
    pub(in crate::sql) tasks: Batch,
    pub(in crate::sql) task_ids: Vec<TaskId>,
    pub(in crate::sql) born: Batch,
    pub(in crate::sql) new_orders: Batch,
    pub(in crate::sql) orders: Batch,
    pub(in crate::sql) order_ids: Vec<OrderId>,
    pub(in crate::sql) new_receipts: Batch,
    pub(in crate::sql) receipts: Batch,
    pub(in crate::sql) receipt_ids: Vec<ReceiptId>,
    pub(in crate::sql) exchanges: Batch,
    pub(in crate::sql) journal: Batch,
    pub(in crate::sql) follow_ups: Batch,
    pub(in crate::sql) followed: Batch,
    pub(in crate::sql) requests: Batch,
    pub(in crate::sql) request_ids: Vec<RequestId>,
    pub(in crate::sql) reseals: Batch,
    pub(in crate::sql) tags: Batch,
    pub(in crate::sql) shared_tags: Batch,
    pub(in crate::sql) company: Vec<Company>,
    pub(in crate::sql) accounts: Batch,
    pub(in crate::sql) desk_closes: Batch,
    pub(in crate::sql) desk_opens: Batch,
    pub(in crate::sql) errands_on: Vec<(uuid::Uuid, Vec<u8>)>,
    pub(in crate::sql) errands: Vec<(uuid::Uuid, Vec<u8>, Timestamp)>,
    pub(in crate::sql) listings: list::PreparedListings,
    pub(in crate::sql) new_watches: Batch,
    pub(in crate::sql) watches: Batch,
    pub(in crate::sql) watch_ids: Vec<TaskId>,
    pub(in crate::sql) forgets: Vec<RequestId>,
    pub(in crate::sql) ends: Vec<RecordEnd>,
    pub(in crate::sql) restore: Option<crate::RestoreWrite>,
    pub(in crate::sql) wakes: BTreeSet<LaneId>,
}

impl PreparedUnit {
    pub(in crate::sql) fn weight(&self) -> usize {
        self.tasks.len() + self.born.len() + self.journal.len() + self.listings.weight()
    }
}

pub(crate) const KEYS: (&str, &str) = (
    "SELECT r.id, r.wrapped_key, r.wrapped_by FROM (VALUES {rows}) AS x CROSS JOIN request r ON r.id = x.column1",
    "SELECT r.id, r.wrapped_key, r.wrapped_by FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM request WHERE request.id = x.id OFFSET 0) AS r",
);

/// The requests whose fields a unit seals.
fn sealing(unit: &Unit) -> impl Iterator<Item = RequestId> {
    let fields = unit
        .tasks
        .iter()
        .filter(|w| matches!(w.memo, MemoWrite::Set(_)) || w.prior.is_some())
        .map(|w| w.task.request);
    fields
        .chain(unit.desk_opens.iter().filter_map(|d| d.sealed.as_ref().map(|(r, _)| *r)))
        .chain(unit.requests.iter().filter(|r| r.dossier.is_some()).map(|r| r.request.id))
}

async fn keys_for(
    database: &Database,
    units: &[Unit],
) -> Result<HashMap<RequestId, WrappedKey>, Error> {
    let needed: HashSet<RequestId> = units.iter().flat_map(sealing).collect();
    let found = database
        .rows_by_batch(KEYS.0, KEYS.1, &Batch::ids(needed.iter().map(RequestId::bytes)))
        .await?;
    found
        .iter()
        .map(|r| {
            let key = WrappedKey { bytes: r.bytes(1)?, wrapped_by: r.text(2)? };
            Ok((RequestId(r.id(0)?), key))
        })
        .collect()
}

/// Encodes and seals units, outside of any transaction; what they need is read once for all of them.
/// A unit that cannot be sealed has its own error.
pub(in crate::sql) async fn prepare(
    database: &Database,
    sealer: &Sealer,
    units: Vec<Unit>,
    now: Timestamp,
) -> Result<Vec<Result<PreparedUnit, Error>>, Error> {
    let keys = keys_for(database, &units).await?;
    let listings = || units.iter().flat_map(|u| &u.listings);
    let watched = units.iter().flat_map(|u| &u.new_watches).map(|n| n.watch.request);
    let people = listings().filter_map(|l| l.from).chain(watched);
    let dossiers = Dossiers::read(database, people).await?;
    let takings = list::takings(database, listings()).await?;
    let one = |mut unit: Unit| {
        let listings = std::mem::take(&mut unit.listings);
        let listings = list::prepare(sealer, listings, &dossiers, &takings, now)?;
        let new_watches = watch::seal(sealer, &unit.new_watches, &dossiers, now)?;
        Ok(PreparedUnit { listings, new_watches, ..prepare_with(sealer, unit, &keys, now)? })
    };
    Ok(units.into_iter().map(one).collect())
}

/// As [`prepare`], with the keys at hand, for a unit that touches no entry of the list.
pub(in crate::sql) fn prepare_with(
    sealer: &Sealer,
    unit: Unit,
    keys: &HashMap<RequestId, WrappedKey>,
    now: Timestamp,
) -> Result<PreparedUnit, Error> {
    let key = |id: RequestId| -> Result<efface_vault::RequestKey, Error> {
        let wrapped = keys.get(&id).ok_or_else(|| Error::NotFound {
            what: "request",
            id: id.to_string(),
            list: "request",
        })?;
        sealer.key(id, wrapped)
    };
    let mut out =
        PreparedUnit { wakes: unit.wakes.into_iter().collect(), ..PreparedUnit::default() };
    if let Some(lease) = unit.fence {
        out.leases.insert((lease.lane.to_string(), lease.owner, lease.epoch));
    }
    let new_orders: HashSet<OrderId> = unit.new_orders.iter().map(|o| o.id).collect();
    for write in unit.tasks {
        let task = &write.task;
        let ordered = match &task.state {
            TaskState::Sending { order } if new_orders.contains(order) => {
                Some(order.bytes().to_vec())
            }
            _ => None,
        };
        let derived = rows::derive(task, now);
        let (memo_change, memo) = match &write.memo {
            MemoWrite::Keep => (0i64, None),
            MemoWrite::Clear => (1, None),
            MemoWrite::Set(value) => (
                1,
                Some(sealer.seal_field(&key(task.request)?, task.request, task.id, "memo", value)),
            ),
        };
        let prior = write
            .prior
            .as_ref()
            .map(|value| {
                Ok::<_, Error>(sealer.seal_field(
                    &key(task.request)?,
                    task.request,
                    task.id,
                    "prior",
                    value,
                ))
            })
            .transpose()?;
        out.tasks.push([
            task.id.bytes().into(),
            write.read_version.into(),
            task.generation.into(),
            task.version.into(),
            task.step.as_str().into(),
            task.failures.into(),
            Cell::word(task.evidence.word()),
            task.sent.into(),
            task.cancel_marked.into(),
            Cell::word(task.state.word()),
            rows::encode("task state", &task.state)?.into(),
            Cell::Bytes(derived.depends_on),
            Cell::Int(derived.queue),
            Cell::Int(derived.wake_at),
            now.millis().into(),
            memo_change.into(),
            Cell::Bytes(memo),
            Cell::Bytes(prior),
            Cell::Bytes(ordered),
        ]);
        out.task_ids.push(task.id);
    }
    for new in &unit.born {
        out.born.push(rows::new_task_cells(new, now)?);
    }
    for order in &unit.new_orders {
        let known = out.numbers.entry(order.lane.to_string()).or_default();
        *known = (*known).max(order.number);
        out.new_orders.push(rows::order_cells(order)?);
    }
    for order in &unit.orders {
        out.order_ids.push(order.id);
        out.orders.push([
            order.id.bytes().into(),
            Cell::word(order.state.word()),
            Cell::Int(rows::look_at(order)),
            rows::encode("order", order)?.into(),
        ]);
    }
    for receipt in &unit.new_receipts {
        out.new_receipts.push(rows::receipt_cells(receipt)?);
    }
    for receipt in &unit.receipts {
        out.receipt_ids.push(receipt.id);
        out.receipts.push([
            receipt.id.bytes().into(),
            rows::next_poll(receipt),
            rows::encode("receipt", receipt)?.into(),
        ]);
    }
    for exchange in &unit.exchanges {
        let id = rows::entry_id(now, sealer.chance());
        out.exchanges.push(rows::exchange_cells(exchange, id.0));
    }
    for row in &unit.entries {
        out.journal.push(rows::entry_cells(&row.entry, row.request));
    }
    let mut asked: BTreeMap<RequestId, Timestamp> = BTreeMap::new();
    for follow in &unit.follow_ups {
        let at = asked.entry(follow.request).or_insert(follow.due_at);
        *at = (*at).min(follow.due_at);
    }
    for (request, at) in asked {
        out.follow_ups.push([request.bytes().into(), at.millis().into(), 1i64.into()]);
    }
    for (request, seq) in &unit.followed {
        out.followed.push([request.bytes().into(), i64::try_from(*seq).unwrap_or(i64::MAX).into()]);
    }
    for write in &unit.requests {
        let request = &write.request;
        out.requests.push([
            request.id.bytes().into(),
            write.read_version.into(),
            request.version.into(),
            Cell::word(request.state.word()),
            request.due_at.millis().into(),
            write.nobody_found_decided.into(),
            rows::encode("request", request)?.into(),
        ]);
        out.request_ids.push(request.id);
        if let Some(dossier) = &write.dossier {
            out.reseals.push([
                request.id.bytes().into(),
                sealer.seal_dossier(&key(request.id)?, request.id, dossier)?.into(),
            ]);
        }
    }
    for tag in &unit.new_tags {
        out.tags.push(rows::tag_cells(tag));
    }
    for tag in &unit.shared_tags {
        out.shared_tags.push([Cell::from(tag)]);
    }
    out.company = unit.company;
    for write in &unit.accounts {
        out.accounts.push([
            write.id.as_str().into(),
            write.read_version.into(),
            (write.read_version + 1).into(),
            rows::encode("account", &write.condition)?.into(),
        ]);
    }
    for close in &unit.desk_closes {
        out.desk_closes.push([
            Cell::word(close.subject.kind()),
            close.subject.id().into(),
            Cell::Text(close.reason.map(Into::into)),
            close.at.millis().into(),
            close.by.as_str().into(),
            close.how.as_str().into(),
        ]);
    }
    for open in &unit.desk_opens {
        let item = &open.item;
        let sealed = match &open.sealed {
            None => None,
            Some((request, value)) => {
                let desk_field = TaskId(item.id.0);
                Some(sealer.seal_field(&key(*request)?, *request, desk_field, "desk", value))
            }
        };
        out.desk_opens.push([
            item.id.bytes().into(),
            Cell::word(item.subject.kind()),
            item.subject.id().into(),
            Cell::word(item.reason.word()),
            item.opened_at.millis().into(),
            rows::encode("desk item", item)?.into(),
            Cell::Bytes(sealed),
        ]);
    }
    for write in &unit.watches {
        out.watch_ids.push(write.watch.task);
        out.watches.push(watch::cells(write)?);
    }
    out.forgets = unit.forgets;
    out.ends = unit.ends;
    out.restore = unit.restore;
    for on in unit.errands_on {
        let sealed =
            sealer.seal_general(&format!("errand-progress/{}", on.id), on.progress.expose());
        out.errands_on.push((on.id, sealed));
    }
    for done in unit.errands_done {
        out.errands.push((
            done.id,
            sealer.seal_general(&format!("errand/{}", done.id), &done.answer),
            now,
        ));
    }
    Ok(out)
}

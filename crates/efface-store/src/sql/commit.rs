//! One group of units in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use efface_core::{LaneId, OrderId, ReceiptId, RequestId, TaskId, Timestamp, task::TaskState};
use efface_vault::WrappedKey;

use crate::{
    Company, Error, MemoWrite, RecordEnd, Unit,
    hot::{Batch, Cell, Gathered, Hot, Tx},
    sql::{Database, company, filing, list, restore, retention, rows, seal::Sealer, watch},
};

/// A unit turned into rows, ready to be written together with others.
#[derive(Default)]
pub(super) struct PreparedUnit {
    leases: BTreeSet<(String, String, u64)>,
    numbers: BTreeMap<String, u64>,
    tasks: Batch,
    task_ids: Vec<TaskId>,
    born: Batch,
    new_orders: Batch,
    orders: Batch,
    order_ids: Vec<OrderId>,
    new_receipts: Batch,
    receipts: Batch,
    receipt_ids: Vec<ReceiptId>,
    exchanges: Batch,
    journal: Batch,
    follow_ups: Batch,
    followed: Batch,
    requests: Batch,
    request_ids: Vec<RequestId>,
    reseals: Batch,
    tags: Batch,
    shared_tags: Batch,
    company: Vec<Company>,
    accounts: Batch,
    desk_closes: Batch,
    desk_opens: Batch,
    errands: Vec<(uuid::Uuid, Vec<u8>, Timestamp)>,
    listings: list::PreparedListings,
    new_watches: Batch,
    watches: Batch,
    watch_ids: Vec<TaskId>,
    forgets: Vec<RequestId>,
    ends: Vec<RecordEnd>,
    restore: Option<crate::RestoreWrite>,
    pub(super) wakes: BTreeSet<LaneId>,
}

impl PreparedUnit {
    pub(super) fn weight(&self) -> usize {
        self.tasks.len() + self.born.len() + self.journal.len() + self.listings.weight()
    }
}

pub(crate) const KEYS: (&str, &str) = (
    "SELECT r.id, r.wrapped_key, r.wrapped_by FROM (VALUES {rows}) AS x CROSS JOIN request r ON r.id = x.column1",
    "SELECT r.id, r.wrapped_key, r.wrapped_by FROM unnest($1::bytea[]) AS x(id) JOIN request r ON r.id = x.id",
);

/// The wrapped keys of requests whose fields a unit seals.
async fn keys_for(
    database: &Database,
    unit: &Unit,
) -> Result<HashMap<RequestId, WrappedKey>, Error> {
    let sealing = unit
        .tasks
        .iter()
        .filter(|w| matches!(w.memo, MemoWrite::Set(_)) || w.prior.is_some())
        .map(|w| w.task.request);
    let needed: HashSet<RequestId> = sealing
        .chain(unit.desk_opens.iter().filter_map(|d| d.sealed.as_ref().map(|(r, _)| *r)))
        .chain(unit.requests.iter().filter(|r| r.dossier.is_some()).map(|r| r.request.id))
        .collect();
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

/// Encodes and seals a unit, outside of any transaction.
pub(super) async fn prepare(
    database: &Database,
    sealer: &Sealer,
    mut unit: Unit,
    now: Timestamp,
) -> Result<PreparedUnit, Error> {
    let keys = keys_for(database, &unit).await?;
    let listings = std::mem::take(&mut unit.listings);
    let listings = list::prepare(database, sealer, listings, now).await?;
    let new_watches = watch::seal(database, sealer, &unit.new_watches, now).await?;
    Ok(PreparedUnit { listings, new_watches, ..prepare_with(sealer, unit, &keys, now)? })
}

/// As [`prepare`], with the keys at hand, for a unit that touches no entry of the list.
pub(super) fn prepare_with(
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
    for done in unit.errands_done {
        out.errands.push((
            done.id,
            sealer.seal_general(&format!("errand/{}", done.id), &done.answer),
            now,
        ));
    }
    Ok(out)
}

/// Writes a prepared unit; every write proves what it hit.
pub(super) async fn write(tx: &mut Tx<'_>, unit: &PreparedUnit) -> Result<(), Error> {
    write_proved(tx, std::slice::from_ref(unit), Proof::ByName).await
}

/// Writes a group that is written again unit by unit when it misses anything.
pub(super) async fn write_group(tx: &mut Tx<'_>, units: &[PreparedUnit]) -> Result<(), Error> {
    write_proved(tx, units, Proof::ByCount).await
}

/// How an update proves that it hit every row: a count is cheap, names tell which it missed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    ByCount,
    ByName,
}

async fn write_proved(tx: &mut Tx<'_>, units: &[PreparedUnit], proof: Proof) -> Result<(), Error> {
    let all = |rows: fn(&PreparedUnit) -> &Batch| Gathered::of(units.iter().map(rows));
    let company: Vec<&Company> = units.iter().flat_map(|u| &u.company).collect();
    if !company.is_empty() {
        filing::take_turn(tx).await?;
    }
    check_leases(tx, &units.iter().flat_map(|u| &u.leases).collect()).await?;
    take_numbers(tx, units).await?;
    let asked: Vec<uuid::Uuid> = units.iter().flat_map(|u| &u.task_ids).map(|t| t.0).collect();
    if let Some(missed) = missed(tx, Hot::UPDATE_TASKS, &all(|u| &u.tasks), asked, proof).await? {
        return Err(Error::Stale { tasks: missed.into_iter().map(TaskId).collect() });
    }
    let asked: Vec<uuid::Uuid> = units.iter().flat_map(|u| &u.watch_ids).map(|t| t.0).collect();
    if let Some(missed) =
        missed(tx, Hot::UPDATE_WATCHES, &all(|u| &u.watches), asked, proof).await?
    {
        return Err(Error::Stale { tasks: missed.into_iter().map(TaskId).collect() });
    }
    for (hot, rows) in
        [(Hot::UPDATE_REQUESTS, all(|u| &u.requests)), (Hot::UPDATE_ACCOUNTS, all(|u| &u.accounts))]
    {
        if tx.count(hot, &rows).await? != rows.len() {
            return Err(Error::Stale { tasks: vec![] });
        }
    }
    tx.count(Hot::INSERT_TASKS, &all(|u| &u.born)).await?;
    tx.count(Hot::INSERT_WATCHES, &all(|u| &u.new_watches)).await?;
    tx.count(Hot::INSERT_ORDERS, &all(|u| &u.new_orders)).await?;
    let asked = units.iter().flat_map(|u| &u.order_ids).map(|o| o.0).collect();
    let gone = missed(tx, Hot::UPDATE_ORDERS, &all(|u| &u.orders), asked, proof).await?;
    all_there("order", gone)?;
    tx.count(Hot::INSERT_RECEIPTS, &all(|u| &u.new_receipts)).await?;
    let asked = units.iter().flat_map(|u| &u.receipt_ids).map(|r| r.0).collect();
    let gone = missed(tx, Hot::UPDATE_RECEIPTS, &all(|u| &u.receipts), asked, proof).await?;
    all_there("receipt", gone)?;
    for (hot, rows) in [
        (Hot::INSERT_EXCHANGES, all(|u| &u.exchanges)),
        (Hot::INSERT_JOURNAL, all(|u| &u.journal)),
        (Hot::RESEAL_REQUESTS, all(|u| &u.reseals)),
        (Hot::INSERT_TAGS, all(|u| &u.tags)),
        (Hot::SHARE_TAGS, all(|u| &u.shared_tags)),
        (Hot::DELETE_FOLLOW_UPS, all(|u| &u.followed)),
        (Hot::UPSERT_FOLLOW_UPS, all(|u| &u.follow_ups)),
        (Hot::CLOSE_DESK, all(|u| &u.desk_closes)),
        (Hot::OPEN_DESK, all(|u| &u.desk_opens)),
    ] {
        tx.count(hot, &rows).await?;
    }
    for (id, answer, now) in units.iter().flat_map(|u| &u.errands) {
        let cells =
            [Cell::from(id.as_bytes()), Cell::from(answer.clone()), Cell::from(now.millis())];
        let sql =
            "UPDATE errand SET answer = $2, done_at = $3, sealed = NULL WHERE id = $1 RETURNING id";
        let hit = tx.small(sql, &cells).await?;
        all_there("errand", hit.is_empty().then(|| vec![*id]))?;
    }
    list::write(tx, units.iter().map(|u| &u.listings)).await?;
    for id in units.iter().flat_map(|u| &u.forgets) {
        forget(tx, *id).await?;
    }
    for end in units.iter().flat_map(|u| &u.ends) {
        retention::end(tx, end).await?;
    }
    for write in units.iter().filter_map(|u| u.restore.as_ref()) {
        restore::write(tx, write).await?;
    }
    check_company(tx, &company).await
}

/// Destroys a request's key and what was sealed under it. The blind index stays: it names nobody, and
/// tells a wish that is repeated.
async fn forget(tx: &mut Tx<'_>, id: RequestId) -> Result<(), Error> {
    let request = [Cell::from(id.bytes())];
    let emptied = [Cell::from(id.bytes()), Cell::from(Vec::new())];
    tx.small(
        "UPDATE request SET sealed = $2, wrapped_key = $2, wrapped_by = '' WHERE id = $1",
        &emptied,
    )
    .await?;
    tx.small("UPDATE task SET memo = NULL, prior = NULL WHERE request_id = $1", &request).await?;
    for task in tx.small("SELECT id FROM task WHERE request_id = $1", &request).await? {
        let id = TaskId(task.id(0)?).to_string();
        tx.small("UPDATE desk SET sealed = NULL WHERE subject_kind = 'task' AND subject_id = $1 AND sealed IS NOT NULL", &[Cell::from(id.as_str())]).await?;
    }
    Ok(())
}

/// Each lane remembers the highest order number it gave away.
async fn take_numbers(tx: &mut Tx<'_>, units: &[PreparedUnit]) -> Result<(), Error> {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    for (lane, number) in units.iter().flat_map(|u| &u.numbers) {
        let known = highest.entry(lane).or_default();
        *known = (*known).max(*number);
    }
    let mut numbers = Batch::default();
    for (lane, number) in highest {
        numbers.push([lane.into(), i64::try_from(number).unwrap_or(i64::MAX).into()]);
    }
    tx.run(Hot::TAKE_NUMBERS, &numbers).await?;
    Ok(())
}

/// Runs an update. The ids asked for that were not hit, as far as the proof tells; `None` when all
/// were.
async fn missed(
    tx: &mut Tx<'_>,
    hot: Hot,
    rows: &Gathered<'_>,
    asked: Vec<uuid::Uuid>,
    proof: Proof,
) -> Result<Option<Vec<uuid::Uuid>>, Error> {
    if proof == Proof::ByCount {
        return Ok((tx.count(hot, rows).await? != asked.len()).then(Vec::new));
    }
    let hit = tx.run_all(hot, rows).await?;
    if hit.len() == asked.len() {
        return Ok(None);
    }
    let written: HashSet<uuid::Uuid> = hit.iter().map(|r| r.id(0)).collect::<Result<_, _>>()?;
    let missed: Vec<uuid::Uuid> =
        asked.iter().copied().filter(|id| !written.contains(id)).collect();
    // each was hit, and one of them was asked for twice
    Ok(Some(if missed.is_empty() { asked } else { missed }))
}

fn all_there(what: &'static str, missed: Option<Vec<uuid::Uuid>>) -> Result<(), Error> {
    match missed {
        None => Ok(()),
        Some(missed) => Err(Error::NotFound {
            what,
            id: missed.first().map_or_else(String::new, ToString::to_string),
            list: "desk",
        }),
    }
}

/// Refuses units that met more company than they knew of.
async fn check_company(tx: &mut Tx<'_>, all: &[&Company]) -> Result<(), Error> {
    let mut batch = Batch::default();
    for tag in all.iter().flat_map(|c| &c.tags) {
        batch.push([Cell::from(tag)]);
    }
    let matches = company::read_matches(&tx.run(Hot::MATCH_TAGS, &batch).await?)?;
    for one in all {
        let known = one.tags.iter().flat_map(|t| matches.get(t).into_iter().flatten());
        // a tag asked for by several units of a group is found several times
        let others: HashSet<_> = known
            .filter(|k| k.drives && k.request != one.request)
            .map(|k| (k.tag, k.request))
            .collect();
        if others.len() != one.others {
            return Err(Error::Stale { tasks: vec![] });
        }
    }
    Ok(())
}

/// Refuses an owner whose lane was taken over.
pub(super) async fn check_lease(tx: &mut Tx<'_>, lease: &crate::Lease) -> Result<(), Error> {
    let held = (lease.lane.to_string(), lease.owner.clone(), lease.epoch);
    check_leases(tx, &BTreeSet::from([&held])).await
}

async fn check_leases(
    tx: &mut Tx<'_>,
    leases: &BTreeSet<&(String, String, u64)>,
) -> Result<(), Error> {
    if cfg!(feature = "without-fencing") {
        return Ok(());
    }
    let mut batch = Batch::default();
    for (lane, owner, epoch) in leases {
        batch.push([
            lane.as_str().into(),
            owner.as_str().into(),
            i64::try_from(*epoch).unwrap_or(i64::MAX).into(),
        ]);
    }
    let held = tx.run(Hot::CHECK_LEASES, &batch).await?;
    if held.len() == leases.len() {
        return Ok(());
    }
    let held: HashSet<String> = held.iter().map(|r| r.text(0)).collect::<Result<_, _>>()?;
    let lost = leases
        .iter()
        .find(|(lane, _, _)| !held.contains(lane))
        .map_or_else(String::new, |(lane, _, _)| lane.clone());
    Err(Error::LaneLost { lane: lost })
}

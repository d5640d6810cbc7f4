//! One group of units in one transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use efface_core::{LaneId, OrderId, ReceiptId, RequestId, TaskId, Timestamp};
use efface_vault::WrappedKey;

use crate::{
    Company, Error, MemoWrite, Unit,
    hot::{Batch, Cell, Hot, Tx},
    sql::{Database, company, filing, rows, seal::Sealer},
};

/// A unit turned into rows, ready to be written together with others.
#[derive(Clone, Default)]
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
    pub(super) wakes: BTreeSet<LaneId>,
}

impl PreparedUnit {
    pub(super) fn weight(&self) -> usize {
        self.tasks.len() + self.born.len() + self.journal.len()
    }

    pub(super) fn append(&mut self, other: Self) {
        self.leases.extend(other.leases);
        for (lane, n) in other.numbers {
            let known = self.numbers.entry(lane).or_default();
            *known = (*known).max(n);
        }
        self.task_ids.extend(other.task_ids);
        self.request_ids.extend(other.request_ids);
        self.order_ids.extend(other.order_ids);
        self.receipt_ids.extend(other.receipt_ids);
        self.company.extend(other.company);
        self.errands.extend(other.errands);
        self.wakes.extend(other.wakes);
        for (mine, theirs) in [
            (&mut self.tasks, other.tasks),
            (&mut self.born, other.born),
            (&mut self.new_orders, other.new_orders),
            (&mut self.orders, other.orders),
            (&mut self.new_receipts, other.new_receipts),
            (&mut self.receipts, other.receipts),
            (&mut self.exchanges, other.exchanges),
            (&mut self.journal, other.journal),
            (&mut self.follow_ups, other.follow_ups),
            (&mut self.followed, other.followed),
            (&mut self.requests, other.requests),
            (&mut self.reseals, other.reseals),
            (&mut self.tags, other.tags),
            (&mut self.shared_tags, other.shared_tags),
            (&mut self.accounts, other.accounts),
            (&mut self.desk_closes, other.desk_closes),
            (&mut self.desk_opens, other.desk_opens),
        ] {
            mine.append(theirs);
        }
    }
}

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
        .rows_by_batch(
            "SELECT r.id, r.wrapped_key, r.wrapped_by FROM json_each(?1) AS j CROSS JOIN request r ON r.id = unhex(j.value->>0)",
            "SELECT r.id, r.wrapped_key, r.wrapped_by FROM unnest($1::bytea[]) AS x(id) JOIN request r ON r.id = x.id",
            &Batch::ids(needed.iter().map(RequestId::bytes)),
        )
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
    unit: Unit,
    now: Timestamp,
) -> Result<PreparedUnit, Error> {
    let keys = keys_for(database, &unit).await?;
    prepare_with(sealer, unit, &keys, now)
}

/// As [`prepare`], with the keys at hand.
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
    for write in unit.tasks {
        let task = &write.task;
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
            task.evidence.word().into(),
            task.sent.into(),
            task.cancel_marked.into(),
            task.state.word().into(),
            rows::encode("task state", &task.state)?.into(),
            Cell::Bytes(derived.depends_on),
            Cell::Int(derived.queue),
            Cell::Int(derived.wake_at),
            now.millis().into(),
            memo_change.into(),
            Cell::Bytes(memo),
            Cell::Bytes(prior),
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
            order.state.word().into(),
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
            request.state.word().into(),
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
            close.subject.kind().into(),
            close.subject.id().into(),
            Cell::Text(close.reason.map(str::to_owned)),
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
            item.subject.kind().into(),
            item.subject.id().into(),
            item.reason.word().into(),
            item.opened_at.millis().into(),
            rows::encode("desk item", item)?.into(),
            Cell::Bytes(sealed),
        ]);
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

/// Writes a prepared unit; every write proves what it hit.
pub(super) async fn write(tx: &mut Tx, unit: &PreparedUnit) -> Result<(), Error> {
    write_proved(tx, unit, Proof::ByName).await
}

/// Writes a group that is written again unit by unit when it misses anything.
pub(super) async fn write_group(tx: &mut Tx, unit: &PreparedUnit) -> Result<(), Error> {
    write_proved(tx, unit, Proof::ByCount).await
}

/// How an update proves that it hit every row: a count is cheap, names tell which it missed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    ByCount,
    ByName,
}

async fn write_proved(tx: &mut Tx, unit: &PreparedUnit, proof: Proof) -> Result<(), Error> {
    if !unit.company.is_empty() {
        filing::take_turn(tx).await?;
    }
    check_leases(tx, &unit.leases).await?;
    let mut numbers = Batch::default();
    for (lane, number) in &unit.numbers {
        numbers.push([lane.as_str().into(), i64::try_from(*number).unwrap_or(i64::MAX).into()]);
    }
    tx.run(Hot::TAKE_NUMBERS, &numbers).await?;
    let asked = unit.task_ids.iter().map(|t| t.0);
    if let Some(missed) = missed(tx, Hot::UPDATE_TASKS, &unit.tasks, asked, proof).await? {
        return Err(Error::Stale { tasks: missed.into_iter().map(TaskId).collect() });
    }
    if tx.count(Hot::UPDATE_REQUESTS, &unit.requests).await? != unit.request_ids.len() {
        return Err(Error::Stale { tasks: vec![] });
    }
    if tx.count(Hot::UPDATE_ACCOUNTS, &unit.accounts).await? != unit.accounts.len() {
        return Err(Error::Stale { tasks: vec![] });
    }
    tx.run(Hot::INSERT_TASKS, &unit.born).await?;
    tx.run(Hot::INSERT_ORDERS, &unit.new_orders).await?;
    let asked = unit.order_ids.iter().map(|o| o.0);
    let gone = missed(tx, Hot::UPDATE_ORDERS, &unit.orders, asked, proof).await?;
    all_there("order", gone)?;
    tx.run(Hot::INSERT_RECEIPTS, &unit.new_receipts).await?;
    let asked = unit.receipt_ids.iter().map(|r| r.0);
    let gone = missed(tx, Hot::UPDATE_RECEIPTS, &unit.receipts, asked, proof).await?;
    all_there("receipt", gone)?;
    for (hot, batch) in [
        (Hot::INSERT_EXCHANGES, &unit.exchanges),
        (Hot::INSERT_JOURNAL, &unit.journal),
        (Hot::RESEAL_REQUESTS, &unit.reseals),
        (Hot::INSERT_TAGS, &unit.tags),
        (Hot::SHARE_TAGS, &unit.shared_tags),
        (Hot::DELETE_FOLLOW_UPS, &unit.followed),
        (Hot::UPSERT_FOLLOW_UPS, &unit.follow_ups),
        (Hot::CLOSE_DESK, &unit.desk_closes),
        (Hot::OPEN_DESK, &unit.desk_opens),
    ] {
        tx.run(hot, batch).await?;
    }
    for (id, answer, now) in &unit.errands {
        let cells =
            [Cell::from(id.as_bytes()), Cell::from(answer.clone()), Cell::from(now.millis())];
        let sql = "UPDATE errand SET answer = $2, done_at = $3 WHERE id = $1 RETURNING id";
        let hit = tx.small(sql, &cells).await?;
        all_there("errand", hit.is_empty().then(|| vec![*id]))?;
    }
    check_company(tx, &unit.company).await
}

/// Runs an update. The ids asked for that were not hit, as far as the proof tells; `None` when all
/// were.
async fn missed(
    tx: &mut Tx,
    hot: Hot,
    batch: &Batch,
    asked: impl ExactSizeIterator<Item = uuid::Uuid> + Clone,
    proof: Proof,
) -> Result<Option<Vec<uuid::Uuid>>, Error> {
    if proof == Proof::ByCount {
        return Ok((tx.count(hot, batch).await? != asked.len()).then(Vec::new));
    }
    let hit = tx.run(hot, batch).await?;
    if hit.len() == asked.len() {
        return Ok(None);
    }
    let written: HashSet<uuid::Uuid> = hit.iter().map(|r| r.id(0)).collect::<Result<_, _>>()?;
    let missed: Vec<uuid::Uuid> = asked.clone().filter(|id| !written.contains(id)).collect();
    // each was hit, and one of them was asked for twice
    Ok(Some(if missed.is_empty() { asked.collect() } else { missed }))
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
async fn check_company(tx: &mut Tx, all: &[Company]) -> Result<(), Error> {
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

async fn check_leases(tx: &mut Tx, leases: &BTreeSet<(String, String, u64)>) -> Result<(), Error> {
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

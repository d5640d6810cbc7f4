//! One group of units in one transaction.

mod prepare;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use efface_core::{RequestId, TaskId};

use crate::{
    Company, Error,
    hot::{Batch, Cell, Gathered, Hot, Tx},
    sql::{company, filing, list, restore, retention},
};

pub(crate) use prepare::KEYS;
pub(super) use prepare::{PreparedUnit, prepare, prepare_with};

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
    for (id, progress) in units.iter().flat_map(|u| &u.errands_on) {
        let cells = [Cell::from(id.as_bytes()), Cell::from(progress.clone())];
        let sql = "UPDATE errand SET progress = $2 WHERE id = $1 AND done_at IS NULL RETURNING id";
        let hit = tx.small(sql, &cells).await?;
        all_there("errand", hit.is_empty().then(|| vec![*id]))?;
    }
    for (id, answer, now) in units.iter().flat_map(|u| &u.errands) {
        let cells =
            [Cell::from(id.as_bytes()), Cell::from(answer.clone()), Cell::from(now.millis())];
        let sql = "UPDATE errand SET answer = $2, done_at = $3, sealed = NULL, progress = NULL WHERE id = $1 RETURNING id";
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

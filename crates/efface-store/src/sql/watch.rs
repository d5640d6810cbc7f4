//! Watches: whom they look for, sealed under a key of each one's own, and which of them are due.

use std::collections::{HashMap, hash_map::Entry};

use efface_core::{AccountId, RequestId, Timestamp, subject::Dossier, watch::Watch};
use efface_vault::WrappedKey;

use crate::{
    DueWatch, Error, NewWatch, WatchWrite,
    hot::{Batch, Cell},
    sql::{Database, dossiers::Dossiers, rows, seal::Sealer},
};

/// New watches as rows, each sealed under a new key.
pub(super) fn seal(
    sealer: &Sealer,
    new: &[NewWatch],
    dossiers: &Dossiers,
    now: Timestamp,
) -> Result<Batch, Error> {
    let mut batch = Batch::default();
    let mut opened: HashMap<RequestId, Dossier> = HashMap::new();
    for NewWatch { watch, lane, kinds } in new {
        let dossier = match opened.entry(watch.request) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(dossiers.open(sealer, watch.request)?.1),
        };
        let looked_for: Vec<_> = dossier
            .identifiers
            .iter()
            .filter(|i| i.drives() && (kinds.is_empty() || kinds.contains(&i.kind)))
            .collect();
        let sealed = sealer.seal_watch(watch.task, &looked_for, now)?;
        batch.push([
            watch.task.bytes().into(),
            watch.request.bytes().into(),
            watch.account.as_str().into(),
            lane.as_str().into(),
            watch.version.into(),
            Cell::Int(watch.next().map(Timestamp::millis)),
            rows::encode("watch", watch)?.into(),
            sealed.content.into(),
            sealed.wrapped.bytes.into(),
            sealed.wrapped.wrapped_by.into(),
        ]);
    }
    Ok(batch)
}

pub(super) fn cells(write: &WatchWrite) -> Result<[Cell; 5], Error> {
    let watch = &write.watch;
    Ok([
        watch.task.bytes().into(),
        write.read_version.into(),
        watch.version.into(),
        Cell::Int(watch.next().map(Timestamp::millis)),
        rows::encode("watch", watch)?.into(),
    ])
}

pub(crate) const DUE_WATCHES: &str = "SELECT body, sealed, wrapped_key, wrapped_by FROM watch WHERE account = $1 AND due_at IS NOT NULL AND due_at <= $2 ORDER BY due_at LIMIT $3";

pub(super) async fn due(
    database: &Database,
    sealer: &Sealer,
    account: &AccountId,
    now: Timestamp,
    limit: u32,
) -> Result<Vec<DueWatch>, Error> {
    let cells = [Cell::from(account.as_str()), Cell::from(now.millis()), Cell::from(limit)];
    let found = database.rows(DUE_WATCHES, &cells).await?;
    found
        .iter()
        .map(|row| {
            let watch: Watch = rows::decode("watch", &row.text(0)?)?;
            let wrapped = WrappedKey { bytes: row.bytes(2)?, wrapped_by: row.text(3)? };
            let identifiers = sealer.open_watch(watch.task, &wrapped, &row.bytes(1)?)?;
            Ok(DueWatch { watch, identifiers })
        })
        .collect()
}

pub(crate) const WATCHES_OF: (&str, &str) = (
    "SELECT w.body FROM (VALUES {rows}) AS x CROSS JOIN watch w ON w.request_id = x.column1",
    "SELECT w.body FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM watch WHERE watch.request_id = x.id OFFSET 0) AS w",
);

/// Every watch of these requests, in the order of their tasks.
pub(crate) async fn of_requests(
    database: &Database,
    ids: impl Iterator<Item = &RequestId>,
) -> Result<Vec<Watch>, Error> {
    let ids = Batch::ids(ids.map(RequestId::bytes));
    let found = database.rows_by_batch(WATCHES_OF.0, WATCHES_OF.1, &ids).await?;
    let mut watches = found
        .iter()
        .map(|row| rows::decode("watch", &row.text(0)?))
        .collect::<Result<Vec<Watch>, Error>>()?;
    watches.sort_by_key(|w| w.task);
    Ok(watches)
}

//! Entries of the suppression list: sealed under keys of their own, and written.

mod read;
mod saved;

use std::collections::HashMap;

use efface_core::{
    Identifier, RequestId, SuppressionId, TaskId, Timestamp,
    subject::Value,
    suppression::{Kind, Stand, client_hash},
};
use efface_vault::{RequestKey, WrappedKey};
use serde::{Deserialize, Serialize};

use self::read::Kept;
pub(crate) use self::read::{
    KEPT, LISTED, PRIORS as PRIORS_ON_LIST, TAGS, TAGS_OF_ENTRIES, by_tags, entry, not_found, open,
    read_entry, same,
};
pub(super) use self::read::{on_list, prior, tags_of_entries};
pub(crate) use self::saved::{saved_entries, saved_tags};
use crate::{
    Error, Listing,
    hot::{Batch, Cell, Gathered, Hot, Tx},
    sql::{
        Database,
        company::Tag,
        dossiers::Dossiers,
        rows,
        seal::{Sealer, zeroize_json},
    },
};

/// The format of [`Person`] this version writes.
const FORMAT: u16 = 1;
const PERSON: &str = "person";

/// What is sealed of the person.
#[derive(Serialize, Deserialize)]
struct Person {
    format: u16,
    identifiers: Vec<Identifier>,
}

fn prior_field(account: &str) -> String {
    format!("prior/{account}")
}

/// Rows of a unit's listings, ready to be written.
#[derive(Default)]
pub(super) struct PreparedListings {
    inserts: Batch,
    updates: Batch,
    tags: Batch,
    accounts: Batch,
    emptied: Vec<SuppressionId>,
}

impl PreparedListings {
    pub(super) fn weight(&self) -> usize {
        self.inserts.len() + self.updates.len() + self.tags.len() + self.accounts.len()
    }
}

/// What listings take up, as it is stored.
#[derive(Default)]
pub(super) struct Takings {
    /// The state before a suppress: task, account, sealed.
    priors: HashMap<RequestId, Vec<(TaskId, String, Vec<u8>)>>,
    /// Entries that change.
    entries: HashMap<SuppressionId, Kept>,
}

pub(crate) const PRIORS: (&str, &str) = (
    "SELECT t.request_id, t.id, t.account, t.prior FROM (VALUES {rows}) AS x CROSS JOIN task t ON t.request_id = x.column1 WHERE t.prior IS NOT NULL",
    "SELECT t.request_id, t.id, t.account, t.prior FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM task WHERE task.request_id = x.id OFFSET 0) AS t WHERE t.prior IS NOT NULL",
);

/// Reads what these listings take up, beside their requests' dossiers.
pub(super) async fn takings(
    database: &Database,
    listings: impl Iterator<Item = &Listing> + Clone,
) -> Result<Takings, Error> {
    let mut out = Takings::default();
    let from = Batch::ids(listings.clone().filter_map(|l| l.from.as_ref()).map(RequestId::bytes));
    for row in database.rows_by_batch(PRIORS.0, PRIORS.1, &from).await? {
        let prior = (TaskId(row.id(1)?), row.text(2)?, row.bytes(3)?);
        out.priors.entry(RequestId(row.id(0)?)).or_default().push(prior);
    }
    out.priors.values_mut().for_each(|of| of.sort_by_key(|(task, ..)| *task));
    let changed = listings.filter(|l| l.read_version > 0).map(|l| l.entry.id);
    out.entries = read::kept(database, changed).await?;
    Ok(out)
}

/// Seals what listings take up. A request's dossier must be among `dossiers`.
pub(super) fn prepare(
    sealer: &Sealer,
    listings: Vec<Listing>,
    dossiers: &Dossiers,
    takings: &Takings,
    now: Timestamp,
) -> Result<PreparedListings, Error> {
    let mut out = PreparedListings::default();
    for listing in listings {
        one(sealer, listing, dossiers, takings, now, &mut out)?;
    }
    Ok(out)
}

fn one(
    sealer: &Sealer,
    listing: Listing,
    dossiers: &Dossiers,
    takings: &Takings,
    now: Timestamp,
    out: &mut PreparedListings,
) -> Result<(), Error> {
    let Listing { entry, read_version, from, mut identifiers, tags, stands, is_empty } = listing;
    let mut priors = vec![];
    if let Some(request) = from {
        let taken = take_up(sealer, request, dossiers, takings)?;
        identifiers.extend(taken.identifiers);
        priors = taken.priors;
    }
    for identifier in &identifiers {
        push_tags(sealer, entry.id, identifier, &mut out.tags);
    }
    for tag in tags {
        out.tags.push(saved::cells(entry.id, &tag)?);
    }
    let body = rows::encode("entry", &entry)?;
    let key = if read_version == 0 {
        let key = match entry.kind {
            Kind::HashOnly => None,
            Kind::Sealed => Some(sealer.new_entry_key(entry.id, now)?),
        };
        let (key, wrapped) = key.unzip();
        let sealed = key.as_ref().map(|k| seal_person(sealer, k, entry.id, identifiers));
        let wrapped = wrapped.unwrap_or(WrappedKey { bytes: vec![], wrapped_by: String::new() });
        out.inserts.push([
            entry.id.bytes().into(),
            entry.version.into(),
            entry.controller.as_str().into(),
            Cell::word(entry.scope.word()),
            Cell::word(entry.kind.word()),
            Cell::word(entry.state.word()),
            entry.since.millis().into(),
            body.into(),
            Cell::Bytes(sealed.transpose()?),
            wrapped.bytes.into(),
            wrapped.wrapped_by.into(),
        ]);
        key
    } else {
        let kept = takings.entries.get(&entry.id).ok_or_else(|| not_found(entry.id))?;
        let before = kept.open(sealer, entry.id)?;
        let more = with_more(before.identifiers, identifiers);
        let sealed = match (&before.key, more) {
            (Some(key), Some(all)) => Some(seal_person(sealer, key, entry.id, all)?),
            (Some(_), None) | (None, _) => None,
        };
        out.updates.push([
            entry.id.bytes().into(),
            read_version.into(),
            entry.version.into(),
            Cell::word(entry.state.word()),
            body.into(),
            Cell::Bytes(sealed),
        ]);
        before.key
    };
    for stand in stands {
        let prior = priors.iter().find(|(account, _)| *account == stand.account.as_str());
        let prior = key.as_ref().zip(prior).map(|(key, (account, prior))| {
            sealer.seal_entry(key, entry.id, &prior_field(account), prior)
        });
        out.accounts.push(account_cells(entry.id, &stand, prior));
    }
    if is_empty {
        out.emptied.push(entry.id);
    }
    Ok(())
}

fn account_cells(entry: SuppressionId, stand: &Stand, prior: Option<Vec<u8>>) -> [Cell; 6] {
    [
        entry.bytes().into(),
        stand.account.as_str().into(),
        Cell::word(stand.observed.word()),
        stand.since.millis().into(),
        Cell::Bytes(stand.task.map(|t| t.bytes().to_vec())),
        Cell::Bytes(prior),
    ]
}

/// What an entry takes up of a request: its identifiers, and by account the state before a suppress.
struct TakenUp {
    identifiers: Vec<Identifier>,
    priors: Vec<(String, Value)>,
}

fn take_up(
    sealer: &Sealer,
    request: RequestId,
    dossiers: &Dossiers,
    takings: &Takings,
) -> Result<TakenUp, Error> {
    let (key, dossier) = dossiers.open(sealer, request)?;
    let mut priors: Vec<(String, Value)> = vec![];
    for (task, account, sealed) in takings.priors.get(&request).into_iter().flatten() {
        if !priors.iter().any(|(known, _)| known == account) {
            let prior = sealer.open_field(&key, request, *task, "prior", sealed)?;
            priors.push((account.clone(), prior));
        }
    }
    Ok(TakenUp { identifiers: dossier.identifiers, priors })
}

fn push_tags(sealer: &Sealer, entry: SuppressionId, identifier: &Identifier, tags: &mut Batch) {
    let kind = identifier.kind.word();
    let mut push = |tag: &Tag, hashed: bool| {
        tags.push([Cell::from(tag), entry.bytes().into(), kind.as_str().into(), hashed.into()]);
    };
    push(&sealer.tag(identifier), false);
    if let Some(hash) = client_hash(identifier) {
        push(&sealer.hash_tag(&kind, &hash), true);
    }
}

fn seal_person(
    sealer: &Sealer,
    key: &RequestKey,
    entry: SuppressionId,
    identifiers: Vec<Identifier>,
) -> Result<Vec<u8>, Error> {
    let text = zeroize_json(&Person { format: FORMAT, identifiers })?;
    Ok(sealer.seal_entry(key, entry, PERSON, &text))
}

/// The identifiers of both; `None` when `more` brings nothing new.
fn with_more(mut known: Vec<Identifier>, more: Vec<Identifier>) -> Option<Vec<Identifier>> {
    let before = known.len();
    for one in more {
        if !known.iter().any(|k| k.kind == one.kind && k.normal == one.normal) {
            known.push(one);
        }
    }
    (known.len() > before).then_some(known)
}

/// Writes prepared listings; an entry that has changed meanwhile refuses the whole unit.
pub(super) async fn write<'a>(
    tx: &mut Tx<'_>,
    all: impl Iterator<Item = &'a PreparedListings> + Clone,
) -> Result<(), Error> {
    let gathered = |rows: fn(&PreparedListings) -> &Batch| Gathered::of(all.clone().map(rows));
    let updates = gathered(|l| &l.updates);
    if tx.count(Hot::UPDATE_SUPPRESSIONS, &updates).await? != updates.len() {
        return Err(Error::Stale { tasks: vec![] });
    }
    tx.count(Hot::INSERT_SUPPRESSIONS, &gathered(|l| &l.inserts)).await?;
    tx.count(Hot::INSERT_SUPPRESSION_TAGS, &gathered(|l| &l.tags)).await?;
    tx.count(Hot::UPSERT_SUPPRESSION_ACCOUNTS, &gathered(|l| &l.accounts)).await?;
    for entry in all.flat_map(|l| &l.emptied) {
        empty(tx, *entry).await?;
    }
    Ok(())
}

/// Destroys an entry's key and what would find the person.
async fn empty(tx: &mut Tx<'_>, entry: SuppressionId) -> Result<(), Error> {
    let id = [Cell::from(entry.bytes())];
    let emptied = [Cell::from(entry.bytes()), Cell::from(Vec::new())];
    tx.small(
        "UPDATE suppression SET sealed = NULL, wrapped_key = $2, wrapped_by = '' WHERE id = $1",
        &emptied,
    )
    .await?;
    tx.small("UPDATE suppression_account SET prior = NULL WHERE suppression_id = $1", &id).await?;
    tx.small("DELETE FROM suppression_tag WHERE suppression_id = $1", &id).await?;
    // what a scan showed of the person
    let shown = format!("{entry} at %");
    let sql = "DELETE FROM desk WHERE subject_kind = 'entry' AND subject_id LIKE $1";
    tx.small(sql, &[shown.as_str().into()]).await?;
    Ok(())
}

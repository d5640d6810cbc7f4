//! Entries of the suppression list: read, sealed under keys of their own, written.

mod saved;

use efface_core::{
    Identifier, RequestId, SuppressionId, TaskId, Timestamp,
    request::Request,
    subject::{Value, same_person},
    suppression::{Kind, Stand, Suppression, client_hash},
};
use efface_vault::{RequestKey, WrappedKey};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Listing,
    hot::{Batch, Cell, Gathered, Hot, Returned, Tx},
    sql::{
        Database,
        company::{Tag, read_tag},
        rows,
        seal::{ClassifyOnly, Sealer, zeroize_json},
    },
};

pub(crate) use saved::{saved_entries, saved_tags};

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

/// An entry's key and the identifiers sealed under it; nothing where none is kept.
pub(crate) struct OpenedEntry {
    pub key: Option<RequestKey>,
    pub identifiers: Vec<Identifier>,
}

/// Reads and seals what listings take up, outside of any transaction.
pub(super) async fn prepare(
    database: &Database,
    sealer: &Sealer,
    listings: Vec<Listing>,
    now: Timestamp,
) -> Result<PreparedListings, Error> {
    let mut out = PreparedListings::default();
    for listing in listings {
        one(database, sealer, listing, now, &mut out).await?;
    }
    Ok(out)
}

async fn one(
    database: &Database,
    sealer: &Sealer,
    listing: Listing,
    now: Timestamp,
    out: &mut PreparedListings,
) -> Result<(), Error> {
    let Listing { entry, read_version, from, mut identifiers, tags, stands, is_empty } = listing;
    let mut priors = vec![];
    if let Some(request) = from {
        let taken = take_up(database, sealer, request).await?;
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
        let before = open(database, sealer, entry.id).await?;
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

async fn take_up(
    database: &Database,
    sealer: &Sealer,
    request: RequestId,
) -> Result<TakenUp, Error> {
    let sql = "SELECT r.sealed, r.wrapped_key, r.wrapped_by, t.id, t.account, t.prior FROM request r LEFT JOIN task t ON t.request_id = r.id AND t.prior IS NOT NULL WHERE r.id = $1 ORDER BY t.id";
    let found = database.rows(sql, &[Cell::from(request.bytes())]).await?;
    let mut out = TakenUp { identifiers: vec![], priors: vec![] };
    let Some(first) = found.first() else { return Ok(out) };
    let wrapped = WrappedKey { bytes: first.bytes(1)?, wrapped_by: first.text(2)? };
    if wrapped.bytes.is_empty() {
        return Err(Error::Forgotten(request));
    }
    let key = sealer.key(request, &wrapped)?;
    out.identifiers = sealer.open_dossier(&key, request, &first.bytes(0)?)?.identifiers;
    for row in &found {
        let Some(sealed) = row.opt_bytes(5)? else { continue };
        let (task, account) = (TaskId(row.id(3)?), row.text(4)?);
        if !out.priors.iter().any(|(known, _)| *known == account) {
            let prior = sealer.open_field(&key, request, task, "prior", &sealed)?;
            out.priors.push((account, prior));
        }
    }
    Ok(out)
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

/// Opens what an entry keeps.
pub(crate) async fn open(
    database: &Database,
    sealer: &Sealer,
    entry: SuppressionId,
) -> Result<OpenedEntry, Error> {
    let sql = "SELECT sealed, wrapped_key, wrapped_by FROM suppression WHERE id = $1";
    let found = database.rows(sql, &[Cell::from(entry.bytes())]).await?;
    let row = found.first().ok_or_else(|| not_found(entry))?;
    let wrapped = WrappedKey { bytes: row.bytes(1)?, wrapped_by: row.text(2)? };
    let (false, Some(sealed)) = (wrapped.bytes.is_empty(), row.opt_bytes(0)?) else {
        return Ok(OpenedEntry { key: None, identifiers: vec![] });
    };
    let key = sealer.entry_key(entry, &wrapped)?;
    let text = sealer.open_entry(&key, entry, PERSON, &sealed)?;
    let person: Person = serde_json::from_str(text.expose())
        .map_err(|e| Error::corrupt(format!("entry {entry}"), e.classify_only()))?;
    Ok(OpenedEntry { key: Some(key), identifiers: person.identifiers })
}

pub(crate) fn not_found(entry: SuppressionId) -> Error {
    Error::NotFound { what: "entry", id: entry.to_string(), list: "suppression" }
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
    Ok(())
}

pub(crate) fn read_entry(row: &Returned, column: usize) -> Result<Suppression, Error> {
    rows::decode("entry", &row.text(column)?)
}

pub(crate) async fn entry(
    database: &Database,
    id: SuppressionId,
) -> Result<Option<Suppression>, Error> {
    let sql = "SELECT body FROM suppression WHERE id = $1";
    let found = database.rows(sql, &[Cell::from(id.bytes())]).await?;
    found.first().map(|row| read_entry(row, 0)).transpose()
}

/// The entry that a request names, or the oldest in force of the same person.
pub(super) async fn entry_for(
    database: &Database,
    request: &Request,
) -> Result<Option<Suppression>, Error> {
    if let Some(listed) = &request.listed {
        return entry(database, listed.entry).await;
    }
    let sql = "SELECT s.id, s.body FROM tag mine JOIN suppression_tag x ON x.tag = mine.tag AND x.hashed = 0 JOIN suppression s ON s.id = x.suppression_id \
         WHERE mine.request_id = $1 AND mine.drives = 1 AND mine.shared = 0 AND s.controller = $2 AND s.scope = $3 AND s.kind = $4 AND s.state = 'in_force' ORDER BY s.id";
    let cells = [
        Cell::from(request.id.bytes()),
        request.controller.as_str().into(),
        Cell::word(request.listed_for().word()),
        Cell::word(request.listed_as().word()),
    ];
    let found = database.rows(sql, &cells).await?;
    if found.is_empty() {
        return Ok(None);
    }
    let mine = "SELECT kind, tag FROM tag WHERE request_id = $1 AND shared = 0";
    let mine = kinds_and_tags(&database.rows(mine, &[Cell::from(request.id.bytes())]).await?)?;
    same(database, &mine, &found).await
}

/// The first of these entries (id, body) that is about the person with these tags.
pub(crate) async fn same(
    database: &Database,
    mine: &[(String, Tag)],
    found: &[Returned],
) -> Result<Option<Suppression>, Error> {
    let mut before = None;
    for row in found {
        let id = row.id(0)?;
        if before.replace(id) == Some(id) {
            continue;
        }
        let theirs = tags_of(database, SuppressionId(id)).await?;
        if same_person(mine, &theirs) {
            return read_entry(row, 1).map(Some);
        }
    }
    Ok(None)
}

/// The tags of an entry, by kind.
pub(super) async fn tags_of(
    database: &Database,
    entry: SuppressionId,
) -> Result<Vec<(String, Tag)>, Error> {
    let sql = "SELECT kind, tag FROM suppression_tag WHERE suppression_id = $1 AND hashed = 0";
    kinds_and_tags(&database.rows(sql, &[Cell::from(entry.bytes())]).await?)
}

fn kinds_and_tags(found: &[Returned]) -> Result<Vec<(String, Tag)>, Error> {
    found.iter().map(|r| Ok((r.text(0)?, read_tag(r.bytes(1)?)?))).collect()
}

/// What stood at an account before a suppress, as the list keeps it for the lift of a request.
pub(super) async fn prior(
    database: &Database,
    sealer: &Sealer,
    lift: RequestId,
    account: &str,
) -> Result<Option<Value>, Error> {
    let request = [Cell::from(lift.bytes())];
    let found = database.rows("SELECT body FROM request WHERE id = $1", &request).await?;
    let named = match found.first() {
        Some(row) => rows::read_request(&row.text(0)?)?.listed,
        None => None,
    };
    let by_name = "SELECT s.id, s.wrapped_key, s.wrapped_by, a.prior FROM suppression s JOIN suppression_account a ON a.suppression_id = s.id \
         WHERE s.id = $1 AND a.account = $2 AND a.prior IS NOT NULL AND s.wrapped_by <> ''";
    let by_person = "SELECT s.id, s.wrapped_key, s.wrapped_by, a.prior FROM tag mine JOIN suppression_tag x ON x.tag = mine.tag AND x.hashed = 0 JOIN suppression s ON s.id = x.suppression_id JOIN suppression_account a ON a.suppression_id = s.id \
         WHERE mine.request_id = $1 AND mine.drives = 1 AND mine.shared = 0 AND a.account = $2 AND a.prior IS NOT NULL AND s.wrapped_by <> '' ORDER BY s.id LIMIT 1";
    let found = match &named {
        Some(named) => {
            database.rows(by_name, &[Cell::from(named.entry.bytes()), account.into()]).await?
        }
        None => database.rows(by_person, &[Cell::from(lift.bytes()), account.into()]).await?,
    };
    let Some(row) = found.first() else { return Ok(None) };
    let entry = SuppressionId(row.id(0)?);
    let key =
        sealer.entry_key(entry, &WrappedKey { bytes: row.bytes(1)?, wrapped_by: row.text(2)? })?;
    sealer.open_entry(&key, entry, &prior_field(account), &row.bytes(3)?).map(Some)
}

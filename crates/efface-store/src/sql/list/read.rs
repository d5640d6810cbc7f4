//! Entries of the suppression list: found and opened.

use std::collections::{BTreeSet, HashMap};

use efface_core::{
    ControllerId, Identifier, RequestId, Scope, SuppressionId, Timestamp,
    request::Request,
    subject::{Value, same_person},
    suppression::{EntryState, Kind, Suppression},
};
use efface_vault::{RequestKey, WrappedKey};

use super::{PERSON, Person, prior_field};
use crate::{
    Error, OnList,
    hot::{Batch, Cell, Returned},
    sql::{
        Database,
        company::{Tag, read_tag},
        rows,
        seal::{ClassifyOnly, Sealer},
    },
};

/// What an entry keeps of its person, as it is stored.
pub(super) struct Kept {
    sealed: Option<Vec<u8>>,
    wrapped: WrappedKey,
}

/// An entry's key and the identifiers sealed under it; nothing where none is kept.
pub(crate) struct OpenedEntry {
    pub key: Option<RequestKey>,
    pub identifiers: Vec<Identifier>,
}

impl Kept {
    pub(super) fn open(&self, sealer: &Sealer, entry: SuppressionId) -> Result<OpenedEntry, Error> {
        let (false, Some(sealed)) = (self.wrapped.bytes.is_empty(), &self.sealed) else {
            return Ok(OpenedEntry { key: None, identifiers: vec![] });
        };
        let key = sealer.entry_key(entry, &self.wrapped)?;
        let text = sealer.open_entry(&key, entry, PERSON, sealed)?;
        let person: Person = serde_json::from_str(text.expose())
            .map_err(|e| Error::corrupt(format!("entry {entry}"), e.classify_only()))?;
        Ok(OpenedEntry { key: Some(key), identifiers: person.identifiers })
    }
}

pub(crate) const KEPT: (&str, &str) = (
    "SELECT s.id, s.sealed, s.wrapped_key, s.wrapped_by FROM (VALUES {rows}) AS x CROSS JOIN suppression s ON s.id = x.column1",
    "SELECT s.id, s.sealed, s.wrapped_key, s.wrapped_by FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM suppression WHERE suppression.id = x.id OFFSET 0) AS s",
);

pub(super) async fn kept(
    database: &Database,
    ids: impl Iterator<Item = SuppressionId>,
) -> Result<HashMap<SuppressionId, Kept>, Error> {
    let ids: BTreeSet<SuppressionId> = ids.collect();
    let batch = Batch::ids(ids.iter().map(SuppressionId::bytes));
    let found = database.rows_by_batch(KEPT.0, KEPT.1, &batch).await?;
    found
        .iter()
        .map(|row| {
            let wrapped = WrappedKey { bytes: row.bytes(2)?, wrapped_by: row.text(3)? };
            Ok((SuppressionId(row.id(0)?), Kept { sealed: row.opt_bytes(1)?, wrapped }))
        })
        .collect()
}

/// Opens what an entry keeps.
pub(crate) async fn open(
    database: &Database,
    sealer: &Sealer,
    entry: SuppressionId,
) -> Result<OpenedEntry, Error> {
    let kept = kept(database, std::iter::once(entry)).await?;
    kept.get(&entry).ok_or_else(|| not_found(entry))?.open(sealer, entry)
}

pub(crate) fn not_found(entry: SuppressionId) -> Error {
    Error::NotFound { what: "entry", id: entry.to_string(), list: "suppression" }
}

pub(crate) fn read_entry(row: &Returned, column: usize) -> Result<Suppression, Error> {
    rows::decode("entry", &row.text(column)?)
}

pub(crate) async fn entry(
    database: &Database,
    id: SuppressionId,
) -> Result<Option<Suppression>, Error> {
    Ok(entries(database, std::iter::once(id)).await?.remove(&id))
}

/// A request's identifiers as the blind index keeps them.
#[derive(Default)]
struct Tags {
    all: Vec<(String, Tag)>,
    /// Those that may drive a call: they find the person's entries.
    proved: Vec<Tag>,
}

pub(crate) const TAGS: (&str, &str) = (
    "SELECT t.request_id, t.kind, t.tag, t.drives FROM (VALUES {rows}) AS x CROSS JOIN tag t ON t.request_id = x.column1 WHERE t.shared = 0",
    "SELECT t.request_id, t.kind, t.tag, t.drives FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM tag WHERE tag.request_id = x.id OFFSET 0) AS t WHERE t.shared = 0",
);

pub(crate) const LISTED: (&str, &str) = (
    "SELECT t.tag, s.body FROM (VALUES {rows}) AS x CROSS JOIN suppression_tag t ON t.tag = x.column1 CROSS JOIN suppression s ON s.id = t.suppression_id WHERE s.state <> 'lifted'",
    "SELECT t.tag, s.body FROM unnest($1::bytea[]) AS x(tag) CROSS JOIN LATERAL (SELECT * FROM suppression_tag WHERE suppression_tag.tag = x.tag OFFSET 0) AS t CROSS JOIN LATERAL (SELECT * FROM suppression WHERE suppression.id = t.suppression_id OFFSET 0) AS s WHERE s.state <> 'lifted'",
);

/// Entries that are not lifted, by the tags that find them.
pub(crate) async fn by_tags<'a>(
    database: &Database,
    tags: impl IntoIterator<Item = &'a Tag>,
) -> Result<HashMap<Tag, Vec<Suppression>>, Error> {
    let distinct: BTreeSet<&Tag> = tags.into_iter().collect();
    let mut batch = Batch::default();
    for tag in distinct {
        batch.push([Cell::from(tag)]);
    }
    let mut found: HashMap<Tag, Vec<Suppression>> = HashMap::new();
    for row in database.rows_by_batch(LISTED.0, LISTED.1, &batch).await? {
        let entry = rows::decode("entry", &row.text(1)?)?;
        found.entry(read_tag(row.bytes(0)?)?).or_default().push(entry);
    }
    Ok(found)
}

pub(super) const NAMED: (&str, &str) = (
    "SELECT s.id, s.body FROM (VALUES {rows}) AS x CROSS JOIN suppression s ON s.id = x.column1",
    "SELECT s.id, s.body FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM suppression WHERE suppression.id = x.id OFFSET 0) AS s",
);

pub(crate) const TAGS_OF_ENTRIES: (&str, &str) = (
    "SELECT t.suppression_id, t.kind, t.tag FROM (VALUES {rows}) AS x CROSS JOIN suppression_tag t ON t.suppression_id = x.column1 WHERE t.hashed = 0",
    "SELECT t.suppression_id, t.kind, t.tag FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM suppression_tag WHERE suppression_tag.suppression_id = x.id OFFSET 0) AS t WHERE t.hashed = 0",
);

/// For each request the entry that it names, or the oldest in force of the same person.
pub(in crate::sql) async fn on_list(
    database: &Database,
    requests: &[Request],
    now: Timestamp,
) -> Result<Vec<OnList>, Error> {
    let named = requests.iter().filter_map(|r| r.listed.as_ref()).map(|l| l.entry);
    let named = entries(database, named).await?;
    let searching = || requests.iter().filter(|r| r.listed.is_none());
    let tags = tags_of(database, searching().map(|r| r.id)).await?;
    let found = by_tags(database, tags.values().flat_map(|t| &t.proved)).await?;
    let candidates = found.values().flatten().map(|e| e.id);
    let theirs = tags_of_entries(database, candidates).await?;
    let nobody = Tags::default();
    let mut first: HashMap<(Tag, &ControllerId, Scope, Kind), RequestId> = HashMap::new();
    let mut out = Vec::with_capacity(requests.len());
    for request in requests {
        if let Some(listed) = &request.listed {
            out.push(named.get(&listed.entry).cloned().map_or(OnList::Absent, OnList::entry));
            continue;
        }
        let mine = tags.get(&request.id).unwrap_or(&nobody);
        let fits = |e: &&Suppression| {
            e.controller == request.controller
                && e.scope == request.listed_for()
                && e.kind == request.listed_as()
                && e.state == EntryState::InForce
                && e.in_force(now)
                && theirs.get(&e.id).is_some_and(|tags| same_person(&mine.all, tags))
        };
        let of_them = mine.proved.iter().filter_map(|tag| found.get(tag)).flatten();
        let known = of_them.filter(fits).min_by_key(|e| e.id).cloned();
        let goes_first = mine.proved.iter().fold(true, |so_far, tag| {
            let (scope, kind) = (request.listed_for(), request.listed_as());
            let of_tag = first.entry((*tag, &request.controller, scope, kind));
            *of_tag.or_insert(request.id) == request.id && so_far
        });
        out.push(match known {
            _ if !goes_first => OnList::AfterAnother,
            Some(entry) => OnList::entry(entry),
            None => OnList::Absent,
        });
    }
    Ok(out)
}

async fn tags_of(
    database: &Database,
    ids: impl Iterator<Item = RequestId>,
) -> Result<HashMap<RequestId, Tags>, Error> {
    let ids: BTreeSet<RequestId> = ids.collect();
    let batch = Batch::ids(ids.iter().map(RequestId::bytes));
    let mut tags: HashMap<RequestId, Tags> = HashMap::new();
    for row in database.rows_by_batch(TAGS.0, TAGS.1, &batch).await? {
        let of = tags.entry(RequestId(row.id(0)?)).or_default();
        let tag = read_tag(row.bytes(2)?)?;
        of.all.push((row.text(1)?, tag));
        if row.int(3)? != 0 {
            of.proved.push(tag);
        }
    }
    Ok(tags)
}

async fn entries(
    database: &Database,
    ids: impl Iterator<Item = SuppressionId>,
) -> Result<HashMap<SuppressionId, Suppression>, Error> {
    let ids: BTreeSet<SuppressionId> = ids.collect();
    let batch = Batch::ids(ids.iter().map(SuppressionId::bytes));
    let found = database.rows_by_batch(NAMED.0, NAMED.1, &batch).await?;
    found.iter().map(|row| Ok((SuppressionId(row.id(0)?), read_entry(row, 1)?))).collect()
}

pub(in crate::sql) async fn tags_of_entries(
    database: &Database,
    ids: impl Iterator<Item = SuppressionId>,
) -> Result<HashMap<SuppressionId, Vec<(String, Tag)>>, Error> {
    let ids: BTreeSet<SuppressionId> = ids.collect();
    let batch = Batch::ids(ids.iter().map(SuppressionId::bytes));
    let mut out: HashMap<_, Vec<_>> = HashMap::new();
    for row in database.rows_by_batch(TAGS_OF_ENTRIES.0, TAGS_OF_ENTRIES.1, &batch).await? {
        let tags = out.entry(SuppressionId(row.id(0)?)).or_default();
        tags.push((row.text(1)?, read_tag(row.bytes(2)?)?));
    }
    Ok(out)
}

/// The oldest of these entries that is about the person with these tags.
pub(crate) async fn same(
    database: &Database,
    mine: &[(String, Tag)],
    found: Vec<Suppression>,
) -> Result<Option<Suppression>, Error> {
    let theirs = tags_of_entries(database, found.iter().map(|e| e.id)).await?;
    let is_same = |e: &Suppression| theirs.get(&e.id).is_some_and(|tags| same_person(mine, tags));
    Ok(found.into_iter().filter(is_same).min_by_key(|e| e.id))
}

pub(crate) const PRIORS: (&str, &str) = (
    "SELECT s.id, s.wrapped_key, s.wrapped_by, a.prior FROM (VALUES {rows}) AS x CROSS JOIN suppression_tag t ON t.tag = x.column1 CROSS JOIN suppression s ON s.id = t.suppression_id CROSS JOIN suppression_account a ON a.suppression_id = s.id AND a.account = x.column2 WHERE t.hashed = 0 AND a.prior IS NOT NULL AND s.wrapped_by <> ''",
    "SELECT s.id, s.wrapped_key, s.wrapped_by, a.prior FROM unnest($1::bytea[], $2::text[]) AS x(tag, account) CROSS JOIN LATERAL (SELECT * FROM suppression_tag WHERE suppression_tag.tag = x.tag OFFSET 0) AS t CROSS JOIN LATERAL (SELECT * FROM suppression WHERE suppression.id = t.suppression_id OFFSET 0) AS s CROSS JOIN LATERAL (SELECT * FROM suppression_account WHERE suppression_account.suppression_id = s.id AND suppression_account.account = x.account OFFSET 0) AS a WHERE t.hashed = 0 AND a.prior IS NOT NULL AND s.wrapped_by <> ''",
);

/// What stood at an account before a suppress, as the list keeps it for the lift of a request.
pub(in crate::sql) async fn prior(
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
    let found = match &named {
        Some(named) => {
            let sql = "SELECT s.id, s.wrapped_key, s.wrapped_by, a.prior FROM suppression s JOIN suppression_account a ON a.suppression_id = s.id \
                 WHERE s.id = $1 AND a.account = $2 AND a.prior IS NOT NULL AND s.wrapped_by <> ''";
            database.rows(sql, &[Cell::from(named.entry.bytes()), account.into()]).await?
        }
        None => {
            let tags = tags_of(database, std::iter::once(lift)).await?;
            let mut batch = Batch::default();
            for tag in tags.values().flat_map(|t| &t.proved) {
                batch.push([Cell::from(tag), account.into()]);
            }
            database.rows_by_batch(PRIORS.0, PRIORS.1, &batch).await?
        }
    };
    let mut oldest = None;
    for row in &found {
        let id = row.id(0)?;
        if oldest.is_none_or(|(known, _)| id < known) {
            oldest = Some((id, row));
        }
    }
    let Some((_, row)) = oldest else { return Ok(None) };
    let entry = SuppressionId(row.id(0)?);
    let key =
        sealer.entry_key(entry, &WrappedKey { bytes: row.bytes(1)?, wrapped_by: row.text(2)? })?;
    sealer.open_entry(&key, entry, &prior_field(account), &row.bytes(3)?).map(Some)
}

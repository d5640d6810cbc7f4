//! Entries as they are saved outside, and their tags as they come back.

use std::collections::{BTreeMap, HashMap};

use efface_core::{
    SuppressionId,
    restore::{SavedEntry, SavedTag},
};

use super::read::{NAMED, read_entry};
use crate::{
    Error,
    hot::{Batch, Cell, Returned},
    sql::{Database, company::Tag},
};

/// Entries read at once.
const ASKED: usize = 1_000;

pub(crate) const TAGS: (&str, &str) = (
    "SELECT t.kind, t.tag, t.hashed, t.suppression_id FROM (VALUES {rows}) AS x CROSS JOIN suppression_tag t ON t.suppression_id = x.column1",
    "SELECT t.kind, t.tag, t.hashed, t.suppression_id FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM suppression_tag WHERE suppression_tag.suppression_id = x.id OFFSET 0) AS t",
);

/// A saved tag as a row of its entry.
pub(super) fn cells(entry: SuppressionId, saved: &SavedTag) -> Result<[Cell; 4], Error> {
    let mut tag: Tag = [0; 32];
    hex::decode_to_slice(&saved.tag, &mut tag).map_err(|e| Error::corrupt("saved tag", e))?;
    let kind = Cell::from(saved.kind.as_str());
    Ok([Cell::from(&tag), entry.bytes().into(), kind, saved.hashed.into()])
}

fn read(row: &Returned) -> Result<SavedTag, Error> {
    let tag = hex::encode(row.bytes(1)?);
    Ok(SavedTag { kind: row.text(0)?, tag, hashed: row.int(2)? != 0 })
}

/// Every tag of an entry, as it is saved outside.
pub(crate) async fn saved_tags(
    database: &Database,
    entry: SuppressionId,
) -> Result<Vec<SavedTag>, Error> {
    let sql = "SELECT kind, tag, hashed FROM suppression_tag WHERE suppression_id = $1";
    let found = database.rows(sql, &[Cell::from(entry.bytes())]).await?;
    let mut tags = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    tags.sort_unstable();
    Ok(tags)
}

/// These entries as they stand now; one that is not there is left out.
pub(crate) async fn saved_entries(
    database: &Database,
    ids: &[SuppressionId],
) -> Result<BTreeMap<SuppressionId, SavedEntry>, Error> {
    let mut saved = BTreeMap::new();
    for some in ids.chunks(ASKED) {
        let asked = || Batch::ids(some.iter().map(SuppressionId::bytes));
        let mut tags: HashMap<SuppressionId, Vec<SavedTag>> = HashMap::new();
        for row in database.rows_by_batch(TAGS.0, TAGS.1, &asked()).await? {
            tags.entry(SuppressionId(row.id(3)?)).or_default().push(read(&row)?);
        }
        for row in database.rows_by_batch(NAMED.0, NAMED.1, &asked()).await? {
            let entry = read_entry(&row, 1)?;
            let mut tags = tags.remove(&entry.id).unwrap_or_default();
            tags.sort_unstable();
            saved.insert(entry.id, SavedEntry::of(&entry, tags));
        }
    }
    Ok(saved)
}

//! People of a vendor's own list, held against the suppression list by their tags. Nothing of them is
//! kept.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use efface_core::{
    AccountId, Identifier, Scope, SuppressionId, Timestamp,
    desk::{Choice, Subject},
    scan::Known,
    subject::same_person,
    suppression::{Observed, Suppression},
    watch::Watch,
};

use crate::{
    Error, ListHit,
    hot::{Batch, Cell},
    sql::{
        Database,
        company::{Tag, read_tag},
        list, rows,
        seal::Sealer,
    },
};

/// Tags asked for in one statement.
const ASKED: usize = 4_000;

pub(crate) const NAMED: (&str, &str) = (
    "SELECT t.tag, s.body FROM (VALUES {rows}) AS x CROSS JOIN suppression_tag t ON t.tag = x.column1 AND t.hashed = 0 JOIN suppression s ON s.id = t.suppression_id WHERE s.state <> 'lifted'",
    "SELECT t.tag, s.body FROM unnest($1::bytea[]) AS x(tag) CROSS JOIN LATERAL (SELECT * FROM suppression_tag WHERE suppression_tag.tag = x.tag AND suppression_tag.hashed = 0 OFFSET 0) AS t JOIN suppression s ON s.id = t.suppression_id WHERE s.state <> 'lifted'",
);

/// One page of people.
pub(super) struct Page<'a> {
    pub account: &'a AccountId,
    pub controller: &'a str,
    pub scope: Scope,
    pub people: &'a [Vec<Identifier>],
    pub now: Timestamp,
}

type Tagged = Vec<(String, Tag)>;

/// The hits of a page, in the order of its people; of several entries the oldest speaks.
pub(super) async fn hits(
    database: &Database,
    sealer: &Sealer,
    page: &Page<'_>,
) -> Result<Vec<ListHit>, Error> {
    let tagged = |person: &Vec<Identifier>| -> Tagged {
        person.iter().map(|i| (i.kind.word(), sealer.tag(i))).collect()
    };
    let people: Vec<Tagged> = page.people.iter().map(tagged).collect();
    let named = named(database, page, &people).await?;
    let mut tags_of: HashMap<SuppressionId, Tagged> = HashMap::new();
    let mut hits = vec![];
    for (person, mine) in people.iter().enumerate() {
        let candidates: BTreeMap<SuppressionId, &Suppression> = mine
            .iter()
            .filter_map(|(_, tag)| named.get(tag))
            .flatten()
            .map(|e| (e.id, e))
            .collect();
        for (id, entry) in candidates {
            let theirs = match tags_of.entry(id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(list::tags_of(database, id).await?),
            };
            if same_person(mine, theirs) {
                let known = known(database, page.account, entry.clone()).await?;
                hits.push(ListHit { person, known });
                break;
            }
        }
    }
    Ok(hits)
}

/// The entries in force that any of these tags leads to.
async fn named(
    database: &Database,
    page: &Page<'_>,
    people: &[Tagged],
) -> Result<HashMap<Tag, Vec<Suppression>>, Error> {
    let distinct: std::collections::BTreeSet<&Tag> =
        people.iter().flatten().map(|(_, tag)| tag).collect();
    let distinct: Vec<&Tag> = distinct.into_iter().collect();
    let mut named: HashMap<Tag, Vec<Suppression>> = HashMap::new();
    for some in distinct.chunks(ASKED) {
        let mut batch = Batch::default();
        for tag in some {
            batch.push([Cell::from(*tag)]);
        }
        for row in database.rows_by_batch(NAMED.0, NAMED.1, &batch).await? {
            let entry = list::read_entry(&row, 1)?;
            let speaks = entry.controller.as_str() == page.controller
                && entry.scope == page.scope
                && entry.in_force(page.now);
            if speaks {
                named.entry(read_tag(row.bytes(0)?)?).or_default().push(entry);
            }
        }
    }
    Ok(named)
}

async fn known(
    database: &Database,
    account: &AccountId,
    entry: Suppression,
) -> Result<Known, Error> {
    let cells = [Cell::from(entry.id.bytes()), account.as_str().into()];
    let sql = "SELECT observed FROM suppression_account WHERE suppression_id = $1 AND account = $2";
    let found = database.rows(sql, &cells).await?;
    let observed = found.first().map(|row| row.text(0)).transpose()?;
    let observed = observed.map(|word| word.parse::<Observed>()).transpose();
    let observed = observed.map_err(|e| Error::corrupt("entry", e))?;
    let watch = match entry.source {
        None => None,
        Some(source) => {
            let sql = "SELECT body FROM watch WHERE request_id = $1 AND account = $2 ORDER BY task_id DESC LIMIT 1";
            let cells = [Cell::from(source.bytes()), account.as_str().into()];
            let found = database.rows(sql, &cells).await?;
            found.first().map(|row| rows::decode::<Watch>("watch", &row.text(0)?)).transpose()?
        }
    };
    let subject = Subject::Listed { entry: entry.id, account: account.clone() };
    let of_subject = [Cell::word(subject.kind()), subject.id().into()];
    let sql = "SELECT id FROM desk WHERE subject_kind = $1 AND subject_id = $2 AND closed_at IS NULL LIMIT 1";
    let on_desk = !database.rows(sql, &of_subject).await?.is_empty();
    let sql = "SELECT coalesce(closed_how, '') FROM desk WHERE subject_kind = $1 AND subject_id = $2 AND closed_at IS NOT NULL ORDER BY id DESC LIMIT 1";
    let found = database.rows(sql, &of_subject).await?;
    let how = found.first().map(|row| row.text(0)).transpose()?;
    let explained = how.and_then(|how| how.parse::<Choice>().ok()?.explanation());
    Ok(Known { entry, observed, watch, on_desk, explained })
}

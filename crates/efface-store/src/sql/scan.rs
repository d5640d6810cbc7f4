//! People of a vendor's own list, held against the suppression list by their tags. Nothing of them is
//! kept.

use std::collections::BTreeMap;

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
    hot::Cell,
    sql::{Database, company::Tag, list, rows, seal::Sealer},
};

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
    let tags = people.iter().flatten().map(|(_, tag)| tag);
    let mut named = list::by_tags(database, tags).await?;
    for entries in named.values_mut() {
        entries.retain(|entry| {
            entry.controller.as_str() == page.controller
                && entry.scope == page.scope
                && entry.in_force(page.now)
        });
    }
    let candidates = named.values().flatten().map(|entry| entry.id);
    let tags_of = list::tags_of_entries(database, candidates).await?;
    let mut hits = vec![];
    for (person, mine) in people.iter().enumerate() {
        let candidates: BTreeMap<SuppressionId, &Suppression> = mine
            .iter()
            .filter_map(|(_, tag)| named.get(tag))
            .flatten()
            .map(|e| (e.id, e))
            .collect();
        for (id, entry) in candidates {
            if tags_of.get(&id).is_some_and(|theirs| same_person(mine, theirs)) {
                let known = known(database, page.account, entry.clone()).await?;
                hits.push(ListHit { person, known });
                break;
            }
        }
    }
    Ok(hits)
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

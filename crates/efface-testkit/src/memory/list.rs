//! The suppression list kept in memory.

use std::collections::{BTreeMap, BTreeSet};

use efface_core::{
    AccountId, Identifier, RequestId,
    request::Request,
    subject::{Value, same_person},
    suppression::{Observed, Stand, Suppression},
};
use efface_store::{Error, Listing, OnList};

use super::rows::Rows;

/// An entry with what it keeps.
#[derive(Clone, Debug)]
pub(super) struct StoredEntry {
    pub entry: Suppression,
    pub identifiers: Vec<Identifier>,
    /// By kind.
    pub tags: Vec<(String, [u8; 32])>,
    /// With the state before a suppress.
    pub accounts: BTreeMap<AccountId, (Stand, Option<Value>)>,
}

impl Rows {
    pub(super) fn on_list(&self, requests: &[Request]) -> Vec<OnList> {
        let asked = |one: &Request| {
            let tags = self.tags.values();
            let proved = tags.filter(|t| t.request == one.id && !t.shared && t.drives);
            let tags: BTreeSet<[u8; 32]> = proved.map(|t| t.tag).collect();
            (tags, one.controller.clone(), one.listed_for(), one.listed_as())
        };
        let mut before = vec![];
        let mut out = vec![];
        for request in requests {
            let (tags, controller, scope, kind) = asked(request);
            let meets = |(id, (t, c, s, k)): &(RequestId, (BTreeSet<[u8; 32]>, _, _, _))| {
                *id != request.id
                    && (c, s, k) == (&controller, &scope, &kind)
                    && !t.is_disjoint(&tags)
            };
            let goes_first = request.listed.is_some() || !before.iter().any(meets);
            out.push(match self.entry_for(request) {
                _ if !goes_first => OnList::AfterAnother,
                Some(entry) => OnList::entry(entry),
                None => OnList::Absent,
            });
            if request.listed.is_none() {
                before.push((request.id, (tags, controller, scope, kind)));
            }
        }
        out
    }

    fn entry_for(&self, request: &Request) -> Option<Suppression> {
        if let Some(listed) = &request.listed {
            return self.suppressions.get(&listed.entry).map(|e| e.entry.clone());
        }
        let personal = self.tags.values().filter(|t| t.request == request.id && !t.shared);
        let mine: Vec<_> = personal.clone().map(|t| (t.kind.clone(), t.tag)).collect();
        let proved: Vec<_> = personal.filter(|t| t.drives).map(|t| t.tag).collect();
        let fits = |e: &&StoredEntry| {
            e.entry.controller == request.controller
                && e.entry.scope == request.listed_for()
                && e.entry.kind == request.listed_as()
                && e.entry.state.word() == "in_force"
                && e.tags.iter().any(|(_, tag)| proved.contains(tag))
                && same_person(&mine, &e.tags)
        };
        self.suppressions.values().find(fits).map(|e| e.entry.clone())
    }

    /// What stood at an account before a suppress, as the list keeps it.
    pub(super) fn prior_on_list(&self, lift: RequestId, account: &AccountId) -> Option<Value> {
        let kept = |e: &StoredEntry| e.accounts.get(account).and_then(|(_, prior)| prior.clone());
        let named = self.requests.get(&lift).and_then(|r| r.request.listed.as_ref());
        if let Some(named) = named {
            return self.suppressions.get(&named.entry).and_then(kept);
        }
        let mine = self.tags.values().filter(|t| t.request == lift && t.drives && !t.shared);
        let mine: Vec<[u8; 32]> = mine.map(|t| t.tag).collect();
        let is_theirs = |e: &&StoredEntry| e.tags.iter().any(|(_, tag)| mine.contains(tag));
        self.suppressions.values().filter(is_theirs).find_map(kept)
    }

    /// Refuses a listing whose entry has changed meanwhile, or whose person is forgotten.
    pub(super) fn check_listing(&self, listing: &Listing) -> Result<(), Error> {
        let known = self.suppressions.get(&listing.entry.id).map_or(0, |e| e.entry.version);
        if known != listing.read_version {
            return Err(Error::Stale { tasks: vec![] });
        }
        match listing.from {
            Some(id) if self.request(id)?.is_forgotten => Err(Error::Forgotten(id)),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn list(&mut self, listing: Listing) {
        let Listing { entry, from, identifiers, stands, is_empty, .. } = listing;
        let mut tags = vec![];
        let mut people = identifiers;
        let mut priors = BTreeMap::new();
        if let Some(from) = from {
            let mine = self.tags.values().filter(|t| t.request == from);
            tags.extend(mine.map(|t| (t.kind.clone(), t.tag)));
            people.extend(
                self.requests.get(&from).into_iter().flat_map(|r| r.dossier.identifiers.clone()),
            );
            for task in self.tasks.values().filter(|t| t.row.task.request == from) {
                if let Some(prior) = &task.prior {
                    priors.entry(task.row.task.account.clone()).or_insert_with(|| prior.clone());
                }
            }
        }
        let stored = self.suppressions.entry(entry.id).or_insert_with(|| StoredEntry {
            entry: entry.clone(),
            identifiers: vec![],
            tags: vec![],
            accounts: BTreeMap::new(),
        });
        stored.entry = entry;
        for tag in tags {
            if !stored.tags.contains(&tag) {
                stored.tags.push(tag);
            }
        }
        for one in people {
            if !stored.identifiers.iter().any(|k| k.kind == one.kind && k.normal == one.normal) {
                stored.identifiers.push(one);
            }
        }
        for stand in stands {
            let known = stored.accounts.get(&stand.account);
            if known.is_some_and(|(before, _)| before.since > stand.since) {
                continue;
            }
            let new = priors.get(&stand.account).cloned();
            let prior = match (stand.observed, known) {
                (Observed::NotTold, _) => None,
                (_, Some((before, kept))) if before.observed != Observed::NotTold => {
                    kept.clone().or(new)
                }
                (_, _) => new,
            };
            stored.accounts.insert(stand.account.clone(), (stand, prior));
        }
        if is_empty {
            stored.identifiers.clear();
            stored.tags.clear();
            stored.accounts.values_mut().for_each(|(_, prior)| *prior = None);
        }
    }
}

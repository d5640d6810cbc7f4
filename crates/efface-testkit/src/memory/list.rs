//! The suppression list kept in memory.

use std::collections::{BTreeMap, BTreeSet};

use efface_core::{
    AccountId, ControllerId, Identifier, RequestId, Scope, Timestamp,
    desk::{Choice, Subject},
    request::Request,
    restore::{Saved, SavedEntry, SavedTag},
    scan::Known,
    subject::{Value, same_person},
    suppression::{Observed, Stand, Suppression},
};
use efface_store::{Error, ListHit, Listing, OnList};

use super::{rows::Rows, tag};

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
    pub(super) fn on_list(&self, requests: &[Request], now: Timestamp) -> Vec<OnList> {
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
            out.push(match self.entry_for(request, now) {
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

    fn entry_for(&self, request: &Request, now: Timestamp) -> Option<Suppression> {
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
                && e.entry.in_force(now)
                && e.tags.iter().any(|(_, tag)| proved.contains(tag))
                && same_person(&mine, &e.tags)
        };
        self.suppressions.values().find(fits).map(|e| e.entry.clone())
    }

    /// What is saved outside of these entries.
    pub(super) fn save_entries(&self, saved: &mut Saved) {
        for id in saved.suppressions.keys() {
            let Some(stored) = self.suppressions.get(id) else { continue };
            let tag = |(kind, tag): &(String, [u8; 32])| SavedTag {
                kind: kind.clone(),
                tag: hex::encode(tag),
                hashed: false,
            };
            let tags = stored.tags.iter().map(tag).collect();
            saved.entries.insert(*id, SavedEntry::of(&stored.entry, tags));
        }
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

    /// Of whom among these people an entry in force speaks.
    pub(super) fn list_hits(
        &self,
        account: &AccountId,
        controller: &ControllerId,
        scope: Scope,
        people: &[Vec<Identifier>],
        now: Timestamp,
    ) -> Vec<ListHit> {
        let tagged = |i: &Identifier| (i.kind.word(), tag(i));
        let mut hits = vec![];
        for (person, identifiers) in people.iter().enumerate() {
            let mine: Vec<_> = identifiers.iter().map(tagged).collect();
            let speaks = |e: &&StoredEntry| {
                e.entry.controller == *controller
                    && e.entry.scope == scope
                    && e.entry.in_force(now)
                    && same_person(&mine, &e.tags)
            };
            if let Some(stored) = self.suppressions.values().find(speaks) {
                hits.push(ListHit { person, known: self.known(account, stored) });
            }
        }
        hits
    }

    fn known(&self, account: &AccountId, stored: &StoredEntry) -> Known {
        let subject = Subject::Listed { entry: stored.entry.id, account: account.clone() };
        let of_subject = || self.desk.values().filter(|item| item.subject == subject);
        let closed = of_subject().filter_map(|item| item.closed.as_ref()).next_back();
        let watches = self.watches.values().filter(|w| w.watch.account == *account);
        let mut watches = watches.filter(|w| Some(w.watch.request) == stored.entry.source);
        Known {
            entry: stored.entry.clone(),
            observed: stored.accounts.get(account).map(|(stand, _)| stand.observed),
            watch: watches.next_back().map(|w| w.watch.clone()),
            on_desk: of_subject().any(|item| item.closed.is_none()),
            explained: closed.and_then(|c| c.how.parse::<Choice>().ok()?.explanation()),
        }
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
        let Listing { entry, from, identifiers, tags: more, stands, is_empty, .. } = listing;
        let mut tags = vec![];
        for saved in more.iter().filter(|saved| !saved.hashed) {
            let mut tag = [0; 32];
            if hex::decode_to_slice(&saved.tag, &mut tag).is_ok() {
                tags.push((saved.kind.clone(), tag));
            }
        }
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
        for one in &people {
            let tag = (one.kind.word(), tag(one));
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
            let id = stored.entry.id;
            self.desk.retain(
                |_, item| !matches!(&item.subject, Subject::Listed { entry, .. } if *entry == id),
            );
            stored.identifiers.clear();
            stored.tags.clear();
            stored.accounts.values_mut().for_each(|(_, prior)| *prior = None);
        }
    }
}

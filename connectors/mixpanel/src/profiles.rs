//! What profiles tell of the people looked for. Pure.

use std::collections::BTreeSet;

use efface_connector::{IdentifierKind, Item, Presence};

use crate::{
    people::ids_of,
    wire::{Profile, Profiles},
};

/// What was asked, and what came back; `None` where nothing was asked.
pub struct Seen<'p> {
    pub by_id: Option<&'p Profiles>,
    pub by_email: Option<&'p Profiles>,
}

/// Addresses of a person, typed and normal.
pub fn emails_of(item: &Item) -> Vec<String> {
    let mut emails: Vec<String> = vec![];
    for email in item.of_kind(&IdentifierKind::Email) {
        for text in [email.normal.expose(), email.typed.expose()] {
            if !emails.iter().any(|other| other == text) {
                emails.push(text.to_owned());
            }
        }
    }
    emails
}

/// Profiles that answer to nobody's id: an alias was asked for, and the vendor shows the profile
/// under its first id. Whose it is cannot be told.
pub fn strays(seen: &Seen<'_>, asked: &BTreeSet<String>) -> bool {
    let known = |profile: &Profile| asked.contains(&profile.distinct_id);
    seen.by_id.is_some_and(|profiles| !profiles.all.iter().all(known))
}

/// Whether one person has a profile.
pub fn presence(item: &Item, kinds: &[IdentifierKind], seen: &Seen<'_>, strays: bool) -> Presence {
    let ids = ids_of(item, kinds);
    let emails = emails_of(item);
    if ids.is_empty() && emails.is_empty() {
        return Presence::CannotTell;
    }
    let (mut records, mut matched_by) = (BTreeSet::new(), vec![]);
    let mut add = |profile: &Profile, kind: &IdentifierKind| {
        records.insert(profile.distinct_id.clone());
        if !matched_by.contains(kind) {
            matched_by.push(kind.clone());
        }
    };
    for profile in seen.by_id.iter().flat_map(|profiles| &profiles.all) {
        for (kind, _) in ids.iter().filter(|(_, id)| *id == profile.distinct_id) {
            add(profile, kind);
        }
    }
    for profile in seen.by_email.iter().flat_map(|profiles| &profiles.all) {
        if profile.email.as_ref().is_some_and(|email| emails.contains(email)) {
            add(profile, &IdentifierKind::Email);
        }
    }
    let own = |record: &String| ids.iter().any(|(_, id)| id == record);
    let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
    if count > 1 && !records.iter().all(own) {
        return Presence::Ambiguous { records: count };
    }
    if count > 0 {
        return Presence::Present { records: count, matched_by };
    }
    let whole = |asked: bool, profiles: Option<&Profiles>| {
        !asked || profiles.is_some_and(|profiles| profiles.complete)
    };
    let all_seen = whole(!ids.is_empty(), seen.by_id) && whole(!emails.is_empty(), seen.by_email);
    if all_seen && !strays { Presence::Absent } else { Presence::CannotTell }
}

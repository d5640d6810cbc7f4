//! Entries of the suppression list, as they are saved beside a checkpoint and written again: the keyed
//! tags that find the person, and nothing that names them. What was sealed of an entry is not saved.

use serde::{Deserialize, Serialize};

use crate::{
    ControllerId, RequestId, Scope, SuppressionId, Timestamp,
    suppression::{self, EntryState, Event, Kind, Reason, Refusal, Suppression},
};

/// A keyed tag of an entry; the key that makes it lies in the database, sealed under the master key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SavedTag {
    pub kind: String,
    /// Hexadecimal.
    pub tag: String,
    /// Made of a hash that a caller may bring, rather than of the identifier.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hashed: bool,
}

/// An entry without what people typed about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedEntry {
    pub controller: ControllerId,
    pub scope: Scope,
    pub kind: Kind,
    pub reason: Reason,
    pub since: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RequestId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it was lifted; one whose lift is under way is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lifted: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<SavedTag>,
}

impl SavedEntry {
    #[must_use]
    pub fn of(entry: &Suppression, tags: Vec<SavedTag>) -> Self {
        Self {
            controller: entry.controller.clone(),
            scope: entry.scope,
            kind: entry.kind,
            reason: entry.reason,
            since: entry.since,
            source: entry.source,
            expires_at: entry.expires_at,
            lifted: matches!(entry.state, EntryState::Lifted { .. }),
            tags,
        }
    }
}

/// Who is said to have known that the person wants it.
const CONSENT: &str = "on record: lifted before the database was set back";
const NOTE: &str = "written again after the database was set back; the identifiers are lost";

/// What the older copy is to do about a saved entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// What happens to it.
    pub event: &'static str,
    pub entry: Suppression,
    /// Tags it must have; those of the older copy stay.
    pub tags: Vec<SavedTag>,
}

impl Again {
    /// The version the entry was read at; none when it is new.
    #[must_use]
    pub const fn read_version(&self) -> u32 {
        self.entry.version - 1
    }

    #[must_use]
    pub const fn is_lift(&self) -> bool {
        matches!(self.entry.state, EntryState::Lifted { .. })
    }
}

/// What follows from a saved entry for the older copy, which knows it as `known`, by `tags`. An entry
/// that the copy does not know comes back with its tags alone; of one that was added and lifted since
/// the copy nothing is left to do, nor of one that stands there as it was saved.
///
/// # Errors
/// When the entry's rules refuse the move.
pub fn again(
    id: SuppressionId,
    saved: &SavedEntry,
    known: Option<(&Suppression, &[SavedTag])>,
    by: &str,
    now: Timestamp,
) -> Result<Option<Again>, Refusal> {
    let Some((known, tags)) = known else {
        let nothing_left = saved.lifted || saved.tags.is_empty();
        return Ok((!nothing_left).then(|| Again {
            event: "written again",
            entry: anew(id, saved, by),
            tags: saved.tags.clone(),
        }));
    };
    let missing: Vec<SavedTag> =
        saved.tags.iter().filter(|tag| !tags.contains(tag)).cloned().collect();
    let lift = |event: &Event| {
        let entry = suppression::apply(known, event, now)?;
        Ok(Some(Again { event: "lifted again", entry, tags: vec![] }))
    };
    match (&known.state, saved.lifted) {
        (EntryState::Lifted { .. }, _) => Ok(None),
        (EntryState::InForce, true) => {
            lift(&Event::Lifted { by: by.to_owned(), consent: CONSENT.into() })
        }
        (EntryState::Lifting { request, .. }, true) => {
            lift(&Event::LiftEnded { request: *request })
        }
        (EntryState::InForce | EntryState::Lifting { .. }, false) if missing.is_empty() => Ok(None),
        (EntryState::InForce | EntryState::Lifting { .. }, false) => {
            let entry = suppression::apply(known, &Event::Told, now)?;
            Ok(Some(Again { event: "tags written again", entry, tags: missing }))
        }
    }
}

fn anew(id: SuppressionId, saved: &SavedEntry, by: &str) -> Suppression {
    Suppression {
        id,
        version: 1,
        controller: saved.controller.clone(),
        scope: saved.scope,
        kind: Kind::HashOnly,
        reason: saved.reason,
        note: (saved.kind == Kind::Sealed).then(|| NOTE.to_owned()),
        legal_basis: None,
        source: saved.source,
        since: saved.since,
        by: by.to_owned(),
        expires_at: saved.expires_at,
        state: EntryState::InForce,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn tag(n: u8) -> SavedTag {
        SavedTag { kind: "email".into(), tag: hex::encode([n; 32]), hashed: n.is_multiple_of(2) }
    }

    fn saved(lifted: bool, tags: &[SavedTag]) -> SavedEntry {
        SavedEntry {
            controller: ControllerId::new("default").expect("name"),
            scope: Scope::Marketing,
            kind: Kind::Sealed,
            reason: Reason::Added,
            since: NOW,
            source: None,
            expires_at: None,
            lifted,
            tags: tags.to_vec(),
        }
    }

    #[test]
    fn an_entry_comes_back_with_its_tags_and_a_lifted_one_stays_lifted() {
        let id = SuppressionId(Uuid::from_u128(1));
        let request = RequestId(Uuid::from_u128(2));
        let known = anew(id, &saved(false, &[]), "test");
        let lifting =
            EntryState::Lifting { request, by: "ada".into(), at: NOW, consent: "form 7".into() };
        let lifting = Suppression { state: lifting, ..known.clone() };
        let over = EntryState::Lifted { at: NOW, by: "ada".into(), consent: "form 7".into() };
        let over = Suppression { state: over, ..known.clone() };
        let (one, both) = ([tag(1)], [tag(1), tag(2)]);
        for (saved, known, want) in [
            (saved(false, &both), None, Some(("written again", "in_force", 2))),
            (saved(false, &[]), None, None),
            (saved(true, &[]), None, None),
            (saved(false, &one), Some((&known, &one[..])), None),
            (
                saved(false, &both),
                Some((&known, &one[..])),
                Some(("tags written again", "in_force", 1)),
            ),
            (
                saved(false, &both),
                Some((&lifting, &one[..])),
                Some(("tags written again", "lifting", 1)),
            ),
            (saved(true, &[]), Some((&known, &one[..])), Some(("lifted again", "lifted", 0))),
            (saved(true, &[]), Some((&lifting, &one[..])), Some(("lifted again", "lifted", 0))),
            (saved(true, &[]), Some((&over, &[][..])), None),
            (saved(false, &both), Some((&over, &[][..])), None),
        ] {
            let got = again(id, &saved, known, "ada", NOW).expect("the rules allow it");
            let got = got.as_ref().map(|a| (a.event, a.entry.state.word(), a.tags.len()));
            assert_eq!(got, want, "{saved:?} {known:?}");
        }
        let back =
            again(id, &saved(false, &both), None, "ada", NOW).expect("allowed").expect("one");
        assert_eq!((back.entry.kind, back.read_version()), (Kind::HashOnly, 0));
    }
}

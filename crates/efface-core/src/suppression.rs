//! The suppression list: who is to be left alone from now on, whether each account was told so, and
//! what a request that ends leaves there.
//!
//! An entry outlives the request it comes from. A *sealed* one keeps the identifiers, because a vendor
//! that is connected later must still be told; a *hash-only* one keeps nothing but blind-index tags, so
//! that somebody who was erased is recognised when they are brought in again.

mod account;
mod after;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ControllerId, Identifier, IdentifierKind, RequestId, Scope, SuppressionId, Timestamp,
    action::words, brakes::proves_nothing,
};

pub use account::{Desired, Observed, Stand, drifts, observed};
pub use after::{Noted, after, concerns_the_list};

words! {
    /// What an entry keeps of the person.
    Kind, "kind of entry" {
        /// The identifiers, under a key of the entry's own.
        Sealed = "sealed",
        /// Keyed tags alone: it recognises, and tells nobody.
        HashOnly = "hash_only",
    }
}

words! {
    /// Why somebody stands on the list.
    Reason, "reason of an entry" {
        /// A request that suppressed has closed.
        Requested = "requested",
        /// A plain erasure has closed.
        Erased = "erased",
        /// A colleague put them there.
        Added = "added",
        /// They came with a file.
        Imported = "imported",
    }
}

/// Where an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EntryState {
    InForce,
    /// A request gives back at the accounts what was suppressed there; until it closes the entry
    /// stands.
    Lifting {
        request: RequestId,
        by: String,
        at: Timestamp,
        consent: String,
    },
    Lifted {
        at: Timestamp,
        by: String,
        /// What proves that the person wants it.
        consent: String,
    },
}

impl EntryState {
    /// Every word, in the order of life.
    pub const WORDS: [&'static str; 3] = ["in_force", "lifting", "lifted"];

    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::InForce => "in_force",
            Self::Lifting { .. } => "lifting",
            Self::Lifted { .. } => "lifted",
        }
    }
}

/// The part of an entry that is not personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    pub id: SuppressionId,
    /// Rises with every change; each writer names the version it read.
    pub version: u32,
    pub controller: ControllerId,
    pub scope: Scope,
    pub kind: Kind,
    pub reason: Reason,
    /// In the words of whoever added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<String>,
    /// The request it comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<RequestId>,
    pub since: Timestamp,
    pub by: String,
    /// From then on it speaks for nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    pub state: EntryState,
}

impl Suppression {
    /// Whether the person is suppressed: until a lift has closed, and not past the entry's end.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> bool {
        let ended = self.expires_at.is_some_and(|at| at <= now);
        !ended && !matches!(self.state, EntryState::Lifted { .. })
    }

    /// What should be so at every account.
    #[must_use]
    pub fn desired(&self, now: Timestamp) -> Desired {
        if self.in_force(now) { Desired::Suppressed } else { Desired::NotSuppressed }
    }
}

/// What can happen to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The same wish again, open-ended or until then; the longer of the two holds.
    Renewed {
        until: Option<Timestamp>,
    },
    /// What an account was told has changed.
    Told,
    LiftAsked {
        request: RequestId,
        by: String,
        consent: String,
    },
    /// The lift's request has closed.
    LiftEnded {
        request: RequestId,
    },
    /// The lift's request ended without anything being done.
    LiftGivenUp {
        request: RequestId,
    },
    /// Nobody was told, so there is nobody to tell otherwise.
    Lifted {
        by: String,
        consent: String,
    },
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Renewed { .. } => "renewed",
            Self::Told => "told",
            Self::LiftAsked { .. } => "lift asked",
            Self::LiftEnded { .. } | Self::Lifted { .. } => "lifted",
            Self::LiftGivenUp { .. } => "lift given up",
        }
    }
}

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry that is {state} cannot take the event {event:?}{}{hint}", if hint.is_empty() { "" } else { ": " })]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
    pub hint: &'static str,
}

/// The one door of an entry.
///
/// # Errors
/// [`Refusal`] naming state and event; a lift without a consent that says something is refused.
pub fn apply(entry: &Suppression, event: &Event, now: Timestamp) -> Result<Suppression, Refusal> {
    use EntryState as S;
    let refusal = |hint| Refusal { state: entry.state.word(), event: event.word(), hint };
    let speaks = |consent: &str| {
        if proves_nothing(consent) {
            return Err(refusal(
                "it takes a consent reference: name the record of the person's new consent",
            ));
        }
        Ok(consent.trim().to_owned())
    };
    let state = match (&entry.state, event) {
        (S::InForce, Event::Renewed { .. }) => S::InForce,
        (state, Event::Told) => state.clone(),
        (S::InForce, Event::LiftAsked { request, by, consent }) => {
            S::Lifting { request: *request, by: by.clone(), at: now, consent: speaks(consent)? }
        }
        (S::InForce, Event::Lifted { by, consent }) => {
            S::Lifted { at: now, by: by.clone(), consent: speaks(consent)? }
        }
        (S::Lifting { request, by, consent, .. }, Event::LiftEnded { request: ended })
            if request == ended =>
        {
            S::Lifted { at: now, by: by.clone(), consent: consent.clone() }
        }
        (S::Lifting { request, .. }, Event::LiftGivenUp { request: ended }) if request == ended => {
            S::InForce
        }
        (S::Lifting { .. }, Event::LiftAsked { .. } | Event::Lifted { .. }) => {
            return Err(refusal("a lift is under way already"));
        }
        (S::Lifted { .. }, Event::LiftAsked { .. } | Event::Lifted { .. }) => {
            return Err(refusal("it is lifted already"));
        }
        (S::InForce, Event::LiftEnded { .. } | Event::LiftGivenUp { .. })
        | (
            S::Lifting { .. },
            Event::Renewed { .. } | Event::LiftEnded { .. } | Event::LiftGivenUp { .. },
        )
        | (
            S::Lifted { .. },
            Event::Renewed { .. } | Event::LiftEnded { .. } | Event::LiftGivenUp { .. },
        ) => return Err(refusal("")),
    };
    let expires_at = match event {
        Event::Renewed { until } => entry.expires_at.zip(*until).map(|(a, b)| a.max(b)),
        Event::Told
        | Event::LiftAsked { .. }
        | Event::LiftEnded { .. }
        | Event::LiftGivenUp { .. }
        | Event::Lifted { .. } => entry.expires_at,
    };
    Ok(Suppression { version: entry.version + 1, state, expires_at, ..entry.clone() })
}

/// What a caller may hash on their own side: SHA-256 of the normal form, lower-case hexadecimal, of an
/// e-mail address or a telephone number. `None` for kinds that nobody else would hash alike.
#[must_use]
pub fn client_hash(identifier: &Identifier) -> Option<String> {
    match identifier.kind {
        IdentifierKind::Email | IdentifierKind::Phone => {
            Some(hex::encode(Sha256::digest(identifier.normal.expose().as_bytes())))
        }
        IdentifierKind::UserId
        | IdentifierKind::AnonymousId
        | IdentifierKind::DeviceId
        | IdentifierKind::AdvertisingId
        | IdentifierKind::Vendor(_) => None,
    }
}

/// Reads a hash that was made on the caller's side: 64 hexadecimal digits.
#[must_use]
pub fn parse_client_hash(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let mut bytes = [0; 32];
    hex::decode_to_slice(&text, &mut bytes).ok().map(|()| text)
}

#[cfg(test)]
mod tests;

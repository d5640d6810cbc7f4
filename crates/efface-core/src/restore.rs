//! A database that was set back to an older copy: what is saved outside beside each checkpoint, so
//! that a lost history can be gone round, and what it makes of the tasks the older copy shows as open.
//!
//! Each checkpoint has one [`Saved`], read out of the very leaves it adds to the one before. Whoever
//! has an older copy joins those that follow it. Together they stay as small as what happened, however
//! long the log is, and those from before the oldest backup can go. Nobody is named in one: it holds
//! ids, words of the program's own, the changes people made to accounts and keys, and the keyed tags of
//! the suppression list.

mod entries;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    LaneId, OrderId, RequestId, SuppressionId, TaskAction, Timestamp,
    journal::About,
    manifest::{ActionCard, EffectClass},
    request::{DenialCode, Ending, Request, RequestState},
};

pub use entries::{Again, SavedEntry, SavedTag, again};

/// The format written; readers take this one.
pub const FORMAT: u16 = 1;

/// How a request ended, as far as it is saved: no names, no notes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Ended {
    Closed { ending: Ending, at: Timestamp },
    Denied { code: DenialCode, at: Timestamp },
    Cancelled { at: Timestamp },
    Expired { at: Timestamp },
    Duplicate { of: RequestId },
}

/// Who is said to have decided what is known from the record alone.
const ON_RECORD: &str = "on record";

impl Ended {
    /// `None` while the request is open.
    #[must_use]
    pub const fn of(state: &RequestState) -> Option<Self> {
        match state {
            RequestState::Received
            | RequestState::Identified
            | RequestState::Released { .. }
            | RequestState::Running { .. } => None,
            RequestState::Closed { ending, at } => Some(Self::Closed { ending: *ending, at: *at }),
            RequestState::Denied { code, at, .. } => Some(Self::Denied { code: *code, at: *at }),
            RequestState::Cancelled { at, .. } => Some(Self::Cancelled { at: *at }),
            RequestState::Expired { at } => Some(Self::Expired { at: *at }),
            RequestState::Duplicate { of } => Some(Self::Duplicate { of: *of }),
        }
    }

    /// The request's state again.
    #[must_use]
    pub fn state(&self) -> RequestState {
        let by = || ON_RECORD.to_owned();
        match self {
            Self::Closed { ending, at } => RequestState::Closed { ending: *ending, at: *at },
            Self::Denied { code, at } => {
                RequestState::Denied { code: *code, note: String::new(), by: by(), at: *at }
            }
            Self::Cancelled { at } => RequestState::Cancelled { by: by(), at: *at },
            Self::Expired { at } => RequestState::Expired { at: *at },
            Self::Duplicate { of } => RequestState::Duplicate { of: *of },
        }
    }
}

/// What must not be lost of a request. One with nothing to tell stands there because a hold ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forgotten: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_error: bool,
}

impl Fate {
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            ended: Ended::of(&request.state),
            forgotten: request.forgotten_at.is_some(),
            held: request.hold.is_some(),
            in_error: request.in_error.is_some(),
        }
    }
}

/// The newest order a lane has sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastOrder {
    pub number: u64,
    pub order: OrderId,
    pub sent_at: Timestamp,
}

/// What was done to an account or a key, in the program's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub at: Timestamp,
    pub what: String,
    pub change: String,
}

/// What one checkpoint saves: everything in the leaves from `from` to `size` that nobody may forget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    pub format: u16,
    /// The checkpoint it belongs to: log, leaves covered, root (hex), and when it was signed.
    pub log: String,
    pub size: u64,
    pub root: String,
    pub at: Timestamp,
    /// Leaves covered by the checkpoint before.
    pub from: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub orders: BTreeMap<LaneId, LastOrder>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filed: Vec<RequestId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<RequestId, Fate>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accounts: Vec<Change>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Change>,
    /// Entries of the suppression list that were added or changed, and what happened to them last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressions: BTreeMap<SuppressionId, String>,
    /// The same entries as they stood when this was saved; what older versions saved has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub entries: BTreeMap<SuppressionId, SavedEntry>,
}

/// A saved file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it has format {0}; this version reads {FORMAT}")]
    Newer(u16),
    #[error("it was altered, or another installation wrote it")]
    NotOurs,
}

impl Saved {
    /// Takes one leaf, in the order of the log.
    pub fn take(&mut self, at: Timestamp, about: &About) {
        match about {
            About::RequestFiled { request, .. } => self.filed.push(request.id),
            About::RequestMoved { event, after, .. } => {
                let fate = Fate::of(after);
                if fate != Fate::default() || event.contains("hold ended") {
                    self.requests.insert(after.id, fate);
                }
            }
            About::OrderSent { order } => {
                let last = LastOrder { number: order.number, order: order.id, sent_at: at };
                take_order(&mut self.orders, order.lane.clone(), last);
            }
            About::AccountChanged { account, change, by } if by != "worker" => {
                // what follows a colon was typed by somebody
                let word = change.split(':').next().unwrap_or_default();
                self.accounts.push(Change { at, what: account.clone(), change: word.into() });
            }
            About::KeyChanged { key, change, .. } => {
                self.keys.push(Change { at, what: key.clone(), change: change.clone() });
            }
            About::SuppressionMoved { event, entry, .. } => {
                self.suppressions.insert(entry.id, event.clone());
            }
            About::AccountChanged { .. }
            | About::OrderAnswered { .. }
            | About::OrderUnknown { .. }
            | About::ReceiptPolled { .. }
            | About::RecallWanted { .. }
            | About::RecallAsked { .. }
            | About::LookedUp { .. }
            | About::LateAnswer { .. }
            | About::TasksMoved { .. }
            | About::DeskClosed { .. }
            | About::ImportTaken { .. }
            | About::LogBegun { .. }
            | About::Restored { .. }
            | About::WatchMoved { .. }
            | About::ListScanned { .. }
            | About::RecordEnded { .. }
            | About::Note { .. } => {}
        }
    }

    /// Adds what a later checkpoint saved; where both speak, the later one is right.
    pub fn join(&mut self, later: Self) {
        self.log = later.log;
        self.size = later.size;
        self.root = later.root;
        self.at = self.at.max(later.at);
        for (lane, last) in later.orders {
            take_order(&mut self.orders, lane, last);
        }
        self.filed.extend(later.filed);
        self.requests.extend(later.requests);
        self.accounts.extend(later.accounts);
        self.keys.extend(later.keys);
        self.suppressions.extend(later.suppressions);
        self.entries.extend(later.entries);
    }

    /// The file: one line of JSON, and one with its keyed digest. `digest` is the installation's own.
    #[must_use]
    pub fn to_text(&self, digest: impl Fn(&[u8]) -> String) -> String {
        let body = serde_json::to_string(self).unwrap_or_default();
        let digest = digest(&bound(&body));
        format!("{body}\n{digest}\n")
    }

    /// Reads a file back.
    ///
    /// # Errors
    /// [`Error`]; nothing of a file that was altered is used.
    pub fn read(text: &str, digest: impl Fn(&[u8]) -> String) -> Result<Self, Error> {
        let mut lines = text.lines();
        let (Some(body), Some(stated), None) = (lines.next(), lines.next(), lines.next()) else {
            return Err(Error::Unreadable("it does not have two lines".into()));
        };
        if digest(&bound(body)) != stated {
            return Err(Error::NotOurs);
        }
        let unreadable = |error: serde_json::Error| Error::Unreadable(error.to_string());
        let value: serde_json::Value = serde_json::from_str(body).map_err(unreadable)?;
        let format = value.get("format").and_then(serde_json::Value::as_u64).unwrap_or(0);
        if format != u64::from(FORMAT) {
            return Err(Error::Newer(u16::try_from(format).unwrap_or(u16::MAX)));
        }
        serde_json::from_value(value).map_err(unreadable)
    }
}

fn take_order(orders: &mut BTreeMap<LaneId, LastOrder>, lane: LaneId, last: LastOrder) {
    if orders.get(&lane).is_none_or(|known| known.number < last.number) {
        orders.insert(lane, last);
    }
}

/// A digest of this is of no use for anything else.
fn bound(body: &str) -> Vec<u8> {
    [b"saved beside a checkpoint\n", body.as_bytes()].concat()
}

/// Whether an action can be carried out once more at no cost, whatever was sent of it: each of its
/// steps may be repeated. Of an account that left the settings nobody knows.
#[must_use]
pub fn is_harmless(action: TaskAction, card: Option<&ActionCard>) -> bool {
    match action {
        TaskAction::LookUp | TaskAction::Resolve => true,
        TaskAction::Suppress
        | TaskAction::Erase
        | TaskAction::EraseAndSuppress
        | TaskAction::Lift => card.is_some_and(|card| {
            card.steps.iter().all(|step| match step.class {
                EffectClass::ReadOnly | EffectClass::NaturallyIdempotent => true,
                // the key was the lost order's own
                EffectClass::KeyIdempotent { .. }
                | EffectClass::Wasteful
                | EffectClass::AtMostOnce => false,
            })
        }),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn digest(bytes: &[u8]) -> String {
        hex::encode(crate::journal::leaf_hash(bytes))
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn request(n: u128) -> RequestId {
        RequestId(Uuid::from_u128(n))
    }

    fn saved() -> Saved {
        let mut saved = Saved { format: FORMAT, size: 7, from: 3, at: at(9), ..Saved::default() };
        let ended = Some(Ended::Closed { ending: Ending::Partly { met: 1, of: 2 }, at: at(5) });
        saved.requests.insert(request(1), Fate { ended, forgotten: true, ..Fate::default() });
        saved.filed.push(request(2));
        saved
    }

    #[test]
    fn what_is_saved_reads_back_and_one_changed_byte_is_refused() {
        let text = saved().to_text(digest);
        assert_eq!(Saved::read(&text, digest).expect("reads"), saved());
        for n in 0..text.len() - 1 {
            let mut bytes = text.clone().into_bytes();
            bytes[n] ^= 1;
            let Ok(touched) = String::from_utf8(bytes) else { continue };
            assert!(Saved::read(&touched, digest).is_err(), "byte {n}");
        }
        let newer = Saved { format: 9, ..saved() }.to_text(digest);
        assert!(matches!(Saved::read(&newer, digest), Err(Error::Newer(9))));
        assert!(matches!(Saved::read(&text, |_| "other".into()), Err(Error::NotOurs)));
    }

    #[test]
    fn of_two_checkpoints_the_later_one_is_right() {
        let lane = LaneId::new("crm").expect("a lane");
        let order = |number| LastOrder {
            number,
            order: OrderId(Uuid::from_u128(u128::from(number))),
            sent_at: at(1),
        };
        let held = Fate { held: true, ..Fate::default() };
        let mut first = Saved { size: 3, ..saved() };
        first.requests.insert(request(4), held);
        first.orders.insert(lane.clone(), order(9));
        let mut later = Saved { from: 3, size: 12, at: at(20), ..Saved::default() };
        later.requests.insert(request(4), Fate::default());
        later.orders.insert(lane.clone(), order(4));
        first.join(later);
        assert_eq!((first.size, first.at), (12, at(20)));
        assert_eq!(first.requests.get(&request(4)), Some(&Fate::default()));
        assert_eq!(first.orders.get(&lane), Some(&order(9)));
        assert!(first.requests.contains_key(&request(1)));
    }

    #[test]
    fn an_end_becomes_the_same_state_again() {
        let by = || ON_RECORD.to_owned();
        for state in [
            RequestState::Closed { ending: Ending::Completed, at: at(1) },
            RequestState::Cancelled { by: by(), at: at(2) },
            RequestState::Expired { at: at(3) },
            RequestState::Duplicate { of: request(3) },
            RequestState::Denied {
                code: DenialCode::Excessive,
                note: String::new(),
                by: by(),
                at: at(4),
            },
        ] {
            assert_eq!(Ended::of(&state).map(|ended| ended.state()), Some(state));
        }
        assert_eq!(Ended::of(&RequestState::Received), None);
    }
}

//! A database that was set back to an older copy, as it is remembered: when it was noticed, what was
//! lost, how far it was brought up to what is saved, and who let it go on.

use std::collections::BTreeMap;

use efface_core::{
    LaneId, RequestId, SuppressionId, Timestamp,
    restore::{Change, LastOrder, Saved},
};
use efface_ledger::Checkpoint;
use serde::{Deserialize, Serialize};

/// What the anchor folder has and this database has not.
#[derive(Clone, Debug)]
pub struct LostHistory {
    /// The newest checkpoint kept outside, and its signed note.
    pub checkpoint: Checkpoint,
    pub note: String,
    /// Everything saved since the older copy, joined.
    pub saved: Saved,
    /// Leaves of which nothing is saved, from and to.
    pub uncovered: Vec<(u64, u64)>,
}

/// How far a restoration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestoreStage {
    /// The new log stands and every account is paused; requests are gone through.
    Begun,
    /// Every request was gone through; nothing is sent before a person releases it.
    Applied,
    Released,
}

impl RestoreStage {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Applied => "applied",
            Self::Released => "released",
        }
    }

    pub(crate) fn read(word: &str) -> Option<Self> {
        [Self::Begun, Self::Applied, Self::Released].into_iter().find(|s| s.word() == word)
    }
}

/// What does not change about a restoration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    pub id: uuid::Uuid,
    pub begun_at: Timestamp,
    pub begun_by: String,
    /// The new log's name.
    pub log: String,
    /// The verifier key of the log before.
    pub before: String,
    /// The signed note of its newest checkpoint kept outside.
    pub checkpoint: String,
    /// How many leaves that covers, and how many the older copy had.
    pub covered: u64,
    pub leaves: u64,
    /// When the older copy was last written to.
    pub copy_of: Timestamp,
    /// Until when something is saved; none where nothing was.
    pub saved_until: Option<Timestamp>,
    /// Leaves of which nothing is saved.
    pub uncovered: Vec<(u64, u64)>,
    /// Requests filed since the copy that this database does not know.
    pub lost_requests: u64,
    /// What people did to accounts and keys since the copy.
    pub accounts: Vec<Change>,
    pub keys: Vec<Change>,
    /// Entries of the suppression list added or changed since the copy, and what happened to them last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub suppressions: BTreeMap<SuppressionId, String>,
}

/// What was done with the requests so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreProgress {
    /// The last request gone through.
    pub done_to: Option<RequestId>,
    /// Requests that had ended, were forgotten, were held.
    pub ended: u64,
    pub forgotten: u64,
    pub held: u64,
    /// Tasks that may be sent once more, and tasks put before a person.
    pub harmless: u64,
    pub desk: u64,
    /// Open requests whose key is gone.
    pub unreadable: u64,
    pub released_by: Option<String>,
    pub released_at: Option<Timestamp>,
}

/// A restoration as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreRow {
    pub restore: Restore,
    pub stage: RestoreStage,
    pub progress: RestoreProgress,
}

/// What a unit writes about a restoration.
#[derive(Clone, Debug)]
pub enum RestoreWrite {
    /// A new log begins; refused when another has begun since.
    Begin {
        restore: Box<Restore>,
        /// The name that the log had, and the new key, sealed (hex).
        old_log: String,
        sealed_key: String,
        orders: Vec<(LaneId, LastOrder)>,
    },
    /// Refused when the row is not as it was read.
    Go { read: Box<RestoreRow>, stage: RestoreStage, progress: RestoreProgress },
}

/// Why accounts are paused until a restoration is released.
pub const RESTORE_PAUSE: &str = "set back to an older copy, not released yet";

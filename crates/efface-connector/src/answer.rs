//! What a vendor answered, person by person.

use std::time::Duration;

use efface_core::{
    Identifier, IdentifierKind, Provenance, Timestamp, evidence::Evidence, manifest::StepId,
    subject::Value,
};

use crate::{ConnectorError, ItemId, Memo, Receipt, Secret};

/// The answer to an order. An item in neither list, or in both, is Unknown.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub items: Vec<(ItemId, ItemAnswer)>,
    pub accepted: Vec<Accepted>,
}

/// The answer for one person.
#[derive(Clone, Debug)]
pub enum ItemAnswer {
    /// Done, by the vendor's own word (a forwarder's "finished" carries `Evidence::forwarded`).
    Confirmed(Evidence),
    /// Done, and this is the state before, kept for honest lifting (suppress and lift).
    ConfirmedWithPrior {
        evidence: Evidence,
        prior: Memo,
    },
    NothingFound {
        asked: Vec<IdentifierKind>,
        evidence: Evidence,
    },
    /// On to a step: the next one, the next record, the next audience.
    Next {
        step: StepId,
        memo: Memo,
        evidence: Evidence,
    },
    StillGoing {
        poll_after: Duration,
    },
    Discovered {
        identifiers: Vec<Identifier>,
        evidence: Evidence,
    },
    /// A person picks; the pick comes back as memo.
    Choose {
        candidates: Vec<Candidate>,
        evidence: Evidence,
    },
    Blocked {
        reason: String,
        hint: String,
        recheck_after: Duration,
    },
    Failed(ConnectorError),
    NotSent,
}

/// One of several records that may be the person; `label` shows no more than a handler may see.
#[derive(Clone, Debug)]
pub struct Candidate {
    pub label: String,
    pub step: StepId,
    pub memo: Memo,
}

/// People the vendor has taken on.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub items: Vec<(ItemId, Option<Memo>)>,
    /// `None`: nothing can be polled; the task waits for `done_within`, then is looked up.
    pub receipt: Option<Receipt>,
    pub poll_after: Duration,
    pub done_within: Duration,
    pub evidence: Evidence,
}

/// Whether a person is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Present { records: u32, matched_by: Vec<IdentifierKind> },
    Ambiguous { records: u32 },
    CannotTell,
}

/// One page of the people a vendor holds.
#[derive(Clone, Debug)]
pub struct Page {
    /// The identifiers of each; one of whom nothing can be compared has none.
    pub people: Vec<Vec<Identifier>>,
    /// What the next page is asked for with; none after the last.
    pub next: Option<Value>,
}

/// Whom a vendor holds.
#[derive(Clone, Debug)]
pub enum Listed {
    Page(Page),
    NotOffered,
}

/// An identifier as a vendor's list shows it; nothing where it shows none that could be one.
#[must_use]
pub fn shown(kind: IdentifierKind, text: &str) -> Option<Identifier> {
    Identifier::parse(kind, text, Provenance::Stated, None).ok()
}

/// Whether a key may do a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Yes,
    No,
    CannotTell,
}

/// What a probe learns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The vendor's own id of the account, if it tells; pinned when the account is enabled.
    pub account_id: Option<String>,
    /// The vendor's own name of the account, if it tells.
    pub account_name: Option<String>,
    /// Where the vendor tells no id: the part of the key that names its project or itself and opens
    /// nothing alone. Its keyed digest is pinned instead; it is never shown.
    pub key_name: Option<Secret>,
    /// What the key may do, in the vendor's words.
    pub may: Vec<(String, Right)>,
    pub key_expires: Option<Timestamp>,
    pub evidence: Evidence,
}

/// Whether a lost order arrived.
#[derive(Clone, Debug)]
pub enum Found {
    /// It did; this is its answer.
    Arrived(Answer),
    /// It certainly did not.
    NeverArrived,
    CannotTell,
}

/// Whether an accepted order was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recalled {
    Recalled(Evidence),
    TooLate(Evidence),
    NotOffered,
}

/// A callback as it came in.
#[derive(Clone, Debug)]
pub struct Inbound {
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub received_at: Timestamp,
}

/// What a callback means.
#[derive(Clone, Debug)]
pub enum Received {
    /// A hint: poll now.
    PollNow {
        vendor_reference: String,
    },
    NotOffered,
}

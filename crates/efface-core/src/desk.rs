//! What waits for a person, why, and what that person may decide.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, DeskId, EvidenceLevel, LaneId, OrderId, RequestId, SuppressionId, TaskId, Timestamp,
    action::words, suppression::Kind, watch::Explanation,
};

/// Whose matter a desk item is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    Task(TaskId),
    Order(OrderId),
    Request(RequestId),
    Account(AccountId),
    Lane(LaneId),
    /// A person of the suppression list at one account.
    Listed {
        entry: SuppressionId,
        account: AccountId,
    },
}

impl Subject {
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Order(_) => "order",
            Self::Request(_) => "request",
            Self::Account(_) => "account",
            Self::Lane(_) => "lane",
            Self::Listed { .. } => "entry",
        }
    }

    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Task(id) => id.to_string(),
            Self::Order(id) => id.to_string(),
            Self::Request(id) => id.to_string(),
            Self::Account(id) => id.to_string(),
            Self::Lane(id) => id.to_string(),
            Self::Listed { entry, account } => format!("{entry} at {account}"),
        }
    }
}

/// Why something waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The vendor refuses for good.
    Refused { code: String },
    /// The connector says a person is needed.
    NeedsPerson { reason: String },
    /// More than one record, or records that disagree.
    AmbiguousMatch,
    /// Several candidates; one must be picked.
    Choose { candidates: Vec<String> },
    /// The task would end with less evidence than the account's floor asks.
    BelowFloor {
        reached: EvidenceLevel,
        floor: EvidenceLevel,
        forwarded: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promised_by: Option<Timestamp>,
    },
    /// Confirmed three times and still seen there.
    StillPresent,
    /// A worker died three times while carrying it.
    Poison,
    /// The answer was lost and a repeat could do harm.
    UnknownOutcome,
    /// The database was set back, what was sent since is not known, and a repeat could do harm.
    SetBack,
    /// Past the vendor's own bound; polled on.
    Slow,
    /// Retries are spent; tried once a day.
    Spent { failures: u32 },
    /// An identifier turned out to belong to more than one person.
    SharedIdentifier,
    /// Nothing proves who the person is, and the request is about to expire.
    ProofMissing { expires_at: Timestamp },
    /// No vendor knew the person: a typo?
    NobodyFound,
    /// The vendor refuses the account's key.
    CredentialsRefused { status: u16 },
    /// The key answers as another account than the one pinned.
    OtherAccount { pinned: String, answers_as: String },
    /// The account's daily ceiling of people is reached.
    CeilingReached { people: u32 },
    /// Settings are wrong (project, list or URL unknown at the vendor).
    SettingsWrong { detail: String },
    /// The breaker has been open for long.
    VendorOutage,
    /// A watch sees a person again who was erased; `verified_before` when a look had found nobody.
    SeenAgain { verified_before: bool },
    /// A watch ended without having been able to look.
    WatchBlind,
    /// Somebody of whom the suppression list speaks is in the vendor's own list; `shown` are masked
    /// identifiers, `verified_before` when a look had found nobody there.
    OnTheList { kind: Kind, verified_before: bool, shown: Vec<String> },
}

words! {
    /// What a person may decide.
    Choice, "decision" {
        Retry = "retry",
        Attest = "attest",
        Waive = "waive",
        Pick = "pick",
        AcceptLower = "accept-lower",
        NoMatch = "no-match",
        Resume = "resume",
        Dismiss = "dismiss",
        ReturnedByOwnAct = "returned-by-own-act",
        ReImported = "re-imported",
        NeverErased = "never-erased",
    }
}

impl Choice {
    /// The explanation it gives, where it gives one.
    #[must_use]
    pub const fn explanation(self) -> Option<Explanation> {
        match self {
            Self::ReturnedByOwnAct => Some(Explanation::ReturnedByOwnAct),
            Self::ReImported => Some(Explanation::ReImported),
            Self::NeverErased => Some(Explanation::NeverErased),
            Self::Retry
            | Self::Attest
            | Self::Waive
            | Self::Pick
            | Self::AcceptLower
            | Self::NoMatch
            | Self::Resume
            | Self::Dismiss => None,
        }
    }
}

impl Reason {
    /// A short word for lists.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::NeedsPerson { .. } => "needs_person",
            Self::AmbiguousMatch => "ambiguous_match",
            Self::Choose { .. } => "choose",
            Self::BelowFloor { .. } => "below_floor",
            Self::StillPresent => "still_present",
            Self::Poison => "poison",
            Self::UnknownOutcome => "unknown_outcome",
            Self::SetBack => "set_back",
            Self::Slow => "slow",
            Self::Spent { .. } => "retries_spent",
            Self::SharedIdentifier => "shared_identifier",
            Self::ProofMissing { .. } => "proof_missing",
            Self::NobodyFound => "nobody_found",
            Self::CredentialsRefused { .. } => "credentials_refused",
            Self::OtherAccount { .. } => "other_account",
            Self::CeilingReached { .. } => "ceiling_reached",
            Self::SettingsWrong { .. } => "settings_wrong",
            Self::VendorOutage => "vendor_outage",
            Self::SeenAgain { .. } => "seen_again",
            Self::WatchBlind => "watch_blind",
            Self::OnTheList { .. } => "on_the_list",
        }
    }

    /// One sentence: what happened and what a person can do about it.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Refused { code } => format!("the vendor refuses this for good ({code}); mend it there and retry, attest what was done by hand, or waive with a reason"),
            Self::NeedsPerson { reason } => format!("a person is needed: {reason}"),
            Self::AmbiguousMatch => "more than one record answers to this person; look at the vendor, then retry with a better identifier, attest or waive".into(),
            Self::Choose { candidates } => format!("{} records may be this person; pick one", candidates.len()),
            Self::BelowFloor { reached, floor, forwarded, promised_by } => format!(
                "ended at evidence level {reached}{}, below the floor {floor}{}; accept it for this task, lower the account's floor by a standing decision, or attest",
                if *forwarded { " (forwarded)" } else { "" },
                promised_by.map_or_else(String::new, |at| format!(
                    ", and the vendor's promise (by {}) is all there is",
                    at.utc_date()
                )),
            ),
            Self::StillPresent => "the vendor confirmed three times and still shows the person; take it up with the vendor, then retry or attest".into(),
            Self::Poison => "a worker died three times while carrying this; look at its log before you retry".into(),
            Self::UnknownOutcome => "the answer was lost and a repeat could do harm; look at the vendor: retry says it did not arrive, attest says it did".into(),
            Self::SetBack => "the database was set back to an older copy: this may have been sent since, and a repeat could do harm; look at the vendor: retry sends it, attest says it was done".into(),
            Self::Slow => "past the vendor's own bound; polling goes on, ask the vendor".into(),
            Self::Spent { failures } => format!("{failures} tries failed; tried once a day from now on"),
            Self::SharedIdentifier => "an identifier of this person was also filed for another; add a personal one, then retry, or waive".into(),
            Self::ProofMissing { expires_at } => format!("waits for a proof of identity and expires on {}: ask the person for one and identify, or deny", expires_at.utc_date()),
            Self::NobodyFound => "no vendor knows this person: check for a typo and amend, or close as no match".into(),
            Self::CredentialsRefused { status } => format!("the vendor refuses the account's key (HTTP {status}); put a valid key into the settings, then resume"),
            Self::OtherAccount { pinned, answers_as } => format!("the key answers as {answers_as:?} but {pinned:?} is pinned; put the right key into the settings, or, if the key was changed on purpose, enable the account again (`efface connector enable`)"),
            Self::CeilingReached { people } => format!("{people} people today is the account's ceiling; nobody more is reached, tomorrow neither, before a person resumes the account"),
            Self::SettingsWrong { detail } => format!("the account's settings do not fit the vendor: {detail}; correct them, then resume"),
            Self::VendorOutage => "the vendor has been failing for long; its tasks wait, nothing is lost".into(),
            Self::SeenAgain { verified_before: true } => "the person was gone from this vendor and is there again: came back by their own act, or was imported again from somewhere; look at the vendor's record and say which. Nothing is sent by itself; if they should go again, file a new request".into(),
            Self::SeenAgain { verified_before: false } => "the person is at this vendor although it said it erased them, and nobody has seen them gone: perhaps never erased; look at the vendor's record and say which. Nothing is sent by itself; if they were never erased, file a new request and take it up with the vendor".into(),
            Self::WatchBlind => "the watch after the request ended without a last look, because the vendor could not be asked; look there yourself, then dismiss".into(),
            Self::OnTheList { kind, verified_before, shown } => {
                let what = match (kind, verified_before) {
                    (Kind::HashOnly, true) => "was erased and gone, and is in the vendor's list again",
                    (Kind::HashOnly, false) => "was erased, and is in the vendor's list: perhaps never erased there, or back since",
                    (Kind::Sealed, _) => "stands on the suppression list, and is in the list of a vendor that was not told",
                };
                format!("somebody ({}) {what}; look at the vendor's record and say how they come to be there. Nothing is sent by itself; if they should go, file a new request", shown.join(", "))
            }
        }
    }

    /// What a person may decide here.
    #[must_use]
    pub const fn choices(&self) -> &'static [Choice] {
        use Choice as C;
        match self {
            Self::Refused { .. }
            | Self::NeedsPerson { .. }
            | Self::AmbiguousMatch
            | Self::StillPresent
            | Self::Poison
            | Self::SharedIdentifier
            | Self::UnknownOutcome
            | Self::SetBack => &[C::Retry, C::Attest, C::Waive],
            Self::Choose { .. } => &[C::Pick, C::Attest, C::Waive],
            Self::BelowFloor { .. } => &[C::AcceptLower, C::Attest, C::Waive, C::Retry],
            Self::Slow
            | Self::Spent { .. }
            | Self::VendorOutage
            | Self::ProofMissing { .. }
            | Self::WatchBlind => &[C::Dismiss],
            Self::SeenAgain { verified_before: true }
            | Self::OnTheList { kind: Kind::Sealed, .. }
            | Self::OnTheList { verified_before: true, .. } => {
                &[C::ReturnedByOwnAct, C::ReImported, C::NeverErased]
            }
            Self::SeenAgain { verified_before: false }
            | Self::OnTheList { kind: Kind::HashOnly, verified_before: false, .. } => {
                &[C::NeverErased, C::ReturnedByOwnAct, C::ReImported]
            }
            Self::NobodyFound => &[C::NoMatch, C::Dismiss],
            Self::CredentialsRefused { .. }
            | Self::OtherAccount { .. }
            | Self::CeilingReached { .. }
            | Self::SettingsWrong { .. } => &[C::Resume],
        }
    }

    /// Whether the item stands beside a task that goes on by itself.
    #[must_use]
    pub const fn stands_beside(&self) -> bool {
        matches!(self, Self::Slow | Self::Spent { .. } | Self::VendorOutage)
    }
}

/// A thing that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeskItem {
    pub id: DeskId,
    pub subject: Subject,
    pub reason: Reason,
    pub opened_at: Timestamp,
    pub closed: Option<Closed>,
}

/// How a desk item ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    pub at: Timestamp,
    pub by: String,
    /// What was decided, or "the cause went away".
    pub how: String,
}

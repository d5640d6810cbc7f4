//! What one account was told about an entry, and whether that is as it should be.

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, EvidenceLevel, Outcome, TaskAction, TaskId, Timestamp, action::words, task::Task,
};

words! {
    /// What should be so at an account.
    Desired, "desired state" {
        Suppressed = "suppressed",
        NotSuppressed = "not_suppressed",
    }
}

words! {
    /// What is known of an account.
    Observed, "observed state" {
        /// Not told yet, or given back.
        NotTold = "not_told",
        /// A request that tells it is under way.
        Told = "told",
        /// The vendor was told and cannot confirm, or has not.
        Instructed = "instructed",
        Confirmed = "confirmed",
        Verified = "verified",
        /// Done by hand, with a person's word for it.
        Attested = "attested",
        /// The vendor does not hold the person; none is created in order to suppress.
        NotHeld = "not_held",
        /// The vendor offers nothing that fits the scope.
        Unsupported = "unsupported",
        /// A named person decided that it is not told.
        Waived = "waived",
    }
}

impl Observed {
    /// Whether something there would have to be given back.
    #[must_use]
    pub const fn is_told(self) -> bool {
        match self {
            Self::Told | Self::Instructed | Self::Confirmed | Self::Verified | Self::Attested => {
                true
            }
            Self::NotTold | Self::NotHeld | Self::Unsupported | Self::Waived => false,
        }
    }
}

/// One account's part of an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stand {
    pub account: AccountId,
    pub observed: Observed,
    pub since: Timestamp,
    /// The task that saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
}

/// Whether what is differs from what should be, so that somebody has to act.
#[must_use]
pub const fn drifts(desired: Desired, observed: Observed) -> bool {
    match desired {
        Desired::Suppressed => matches!(observed, Observed::NotTold),
        Desired::NotSuppressed => observed.is_told(),
    }
}

/// What a settled task tells of its account; `None` when it tells nothing of a suppression.
#[must_use]
pub fn observed(task: &Task) -> Option<Observed> {
    let outcome = task.state.outcome()?;
    match task.action {
        TaskAction::Suppress | TaskAction::EraseAndSuppress => {
            Some(suppressed(outcome, task.evidence))
        }
        TaskAction::Lift => lifted(outcome),
        TaskAction::Resolve | TaskAction::LookUp | TaskAction::Erase => None,
    }
}

fn suppressed(outcome: &Outcome, evidence: EvidenceLevel) -> Observed {
    match outcome {
        Outcome::Suppressed | Outcome::Erased | Outcome::Anonymised => match evidence {
            EvidenceLevel::Verified => Observed::Verified,
            EvidenceLevel::Attested => Observed::Attested,
            EvidenceLevel::Confirmed => Observed::Confirmed,
            EvidenceLevel::None | EvidenceLevel::Instructed | EvidenceLevel::Accepted => {
                Observed::Instructed
            }
        },
        Outcome::Instructed { .. } => Observed::Instructed,
        Outcome::NotFound | Outcome::NotHeld => Observed::NotHeld,
        Outcome::NotSupported => Observed::Unsupported,
        Outcome::Exempt { .. } | Outcome::Waived { .. } => Observed::Waived,
        Outcome::Observed(_)
        | Outcome::Cancelled
        | Outcome::Superseded
        | Outcome::Recalled
        // how the vendor answered is lost
        | Outcome::OnRecord
        | Outcome::Lifted => Observed::NotTold,
    }
}

/// A lift that was not done leaves what was there before.
const fn lifted(outcome: &Outcome) -> Option<Observed> {
    match outcome {
        Outcome::Lifted | Outcome::Instructed { .. } | Outcome::NotFound | Outcome::NotHeld => {
            Some(Observed::NotTold)
        }
        Outcome::Suppressed
        | Outcome::Erased
        | Outcome::Anonymised
        | Outcome::NotSupported
        | Outcome::Exempt { .. }
        | Outcome::Waived { .. }
        | Outcome::Observed(_)
        | Outcome::Cancelled
        | Outcome::Superseded
        | Outcome::Recalled
        | Outcome::OnRecord => None,
    }
}

//! Words follow evidence: instructed < accepted < confirmed < verified, and the words for an end.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{TaskAction, Timestamp, action::words};

words! {
    /// How much stands behind a word.
    EvidenceLevel, "evidence level" {
        None = "none",
        /// The vendor was told; nothing says it listened.
        Instructed = "instructed",
        /// The vendor took it on (a job id, a 202).
        Accepted = "accepted",
        /// The vendor says it is done.
        Confirmed = "confirmed",
        /// A named person says it is done and left a proof; stands beside confirmed.
        Attested = "attested",
        /// Looked again: not there any more.
        Verified = "verified",
    }
}

impl EvidenceLevel {
    /// Position on the ladder; attested stands beside confirmed.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Instructed => 1,
            Self::Accepted => 2,
            Self::Confirmed | Self::Attested => 3,
            Self::Verified => 4,
        }
    }

    #[must_use]
    pub const fn reaches(self, floor: Self) -> bool {
        self.rank() >= floor.rank()
    }

    /// The higher of the two: a level never falls.
    #[must_use]
    pub const fn raised_to(self, other: Self) -> Self {
        if other.rank() > self.rank() { other } else { self }
    }
}

/// What look-ups on an observe account would mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    WouldAct,
    NotFound,
    CannotTell,
}

/// How a task ended. Absorbs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Erased,
    Suppressed,
    Lifted,
    Anonymised,
    /// The vendor was told and cannot confirm; `forwarded` when it passes the request on,
    /// `promised_by` the day until which it promises to be done.
    Instructed {
        forwarded: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        promised_by: Option<Timestamp>,
    },
    NotFound,
    NotSupported,
    /// Under a standing decision: persons without this identifier are not held there.
    NotHeld,
    Observed(Observation),
    Exempt {
        reason: String,
        until: Option<String>,
    },
    Waived {
        by: String,
        reason: String,
    },
    Cancelled,
    Superseded,
    Recalled,
    /// Settled in a history that was lost; the record kept outside tells that its request is over, and
    /// not how each vendor answered.
    OnRecord,
}

impl Outcome {
    /// The word for people; for a task of two actions one answer settles both words.
    #[must_use]
    pub fn word(&self, action: TaskAction) -> &'static str {
        match self {
            Self::Erased if action == TaskAction::EraseAndSuppress => "erased, suppressed",
            Self::Erased => "erased",
            Self::Suppressed => "suppressed",
            Self::Lifted => "lifted",
            Self::Anonymised => "anonymised",
            Self::Instructed { forwarded: true, .. } => "instructed (forwarded)",
            Self::Instructed { forwarded: false, .. } => "instructed",
            Self::NotFound => "not_found",
            Self::NotSupported => "not_supported",
            Self::NotHeld => "not_held",
            Self::Observed(Observation::WouldAct) => "observed (would act)",
            Self::Observed(Observation::NotFound) => "observed (not found)",
            Self::Observed(Observation::CannotTell) => "observed (cannot tell)",
            Self::Exempt { .. } => "exempt",
            Self::Waived { .. } => "waived",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Recalled => "recalled",
            Self::OnRecord => "on record",
        }
    }

    /// The word for a finished action with at least a vendor's confirmation behind it.
    #[must_use]
    pub const fn done(action: TaskAction) -> Self {
        match action {
            TaskAction::Erase | TaskAction::EraseAndSuppress => Self::Erased,
            TaskAction::Suppress => Self::Suppressed,
            TaskAction::Lift => Self::Lifted,
            TaskAction::Resolve | TaskAction::LookUp => Self::Observed(Observation::CannotTell),
        }
    }

    /// The word for anything below confirmed.
    #[must_use]
    pub const fn told(forwarded: bool, promised_by: Option<Timestamp>) -> Self {
        Self::Instructed { forwarded, promised_by }
    }

    /// Until when a vendor that cannot confirm promises to be done.
    #[must_use]
    pub const fn promised_by(&self) -> Option<Timestamp> {
        match self {
            Self::Instructed { promised_by, .. } => *promised_by,
            _ => None,
        }
    }

    /// Whether the person's wish was met at this vendor (or there was nothing to meet).
    #[must_use]
    pub const fn meets_the_wish(&self) -> bool {
        matches!(
            self,
            Self::Erased
                | Self::Suppressed
                | Self::Lifted
                | Self::Anonymised
                | Self::Instructed { .. }
                | Self::NotFound
                | Self::NotHeld
        )
    }

    /// Whether the vendor knew the person.
    #[must_use]
    pub const fn found_somebody(&self) -> bool {
        matches!(
            self,
            Self::Erased
                | Self::Suppressed
                | Self::Lifted
                | Self::Anonymised
                | Self::Instructed { .. }
                | Self::Observed(Observation::WouldAct)
                | Self::Recalled
        )
    }
}

/// What stands behind an answer: no personal data, no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was seen, in the project's words (`204 to delete-permanent`).
    pub what: String,
    /// The vendor's own job or request id.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vendor_reference: Option<String>,
    /// The vendor's published promise, when it cannot confirm.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub promise: Option<String>,
    /// Passed on to others by the vendor; never a confirmation.
    #[serde(skip_serializing_if = "is_false", default)]
    pub forwarded: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen_at: Option<Timestamp>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde's skip_serializing_if hands a reference"
)]
fn is_false(b: &bool) -> bool {
    !b
}

impl Evidence {
    #[must_use]
    pub fn seen(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            vendor_reference: None,
            promise: None,
            forwarded: false,
            seen_at: None,
        }
    }

    #[must_use]
    pub fn reference(mut self, id: impl Into<String>) -> Self {
        self.vendor_reference = Some(id.into());
        self
    }

    #[must_use]
    pub fn promised(mut self, promise: impl Into<String>) -> Self {
        self.promise = Some(promise.into());
        self
    }

    #[must_use]
    pub fn forwarded(mut self) -> Self {
        self.forwarded = true;
        self
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if let Some(reference) = &self.vendor_reference {
            write!(f, " (vendor reference {reference})")?;
        }
        if let Some(promise) = &self.promise {
            write!(f, "; the vendor promises: {promise}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_only_rises() {
        assert_eq!(
            EvidenceLevel::Verified.raised_to(EvidenceLevel::Accepted),
            EvidenceLevel::Verified
        );
        assert_eq!(EvidenceLevel::None.raised_to(EvidenceLevel::Accepted), EvidenceLevel::Accepted);
        assert!(EvidenceLevel::Attested.reaches(EvidenceLevel::Confirmed));
        assert!(!EvidenceLevel::Attested.reaches(EvidenceLevel::Verified));
    }

    #[test]
    fn erased_settles_both_words_where_the_task_is_both() {
        assert_eq!(
            Outcome::done(TaskAction::EraseAndSuppress).word(TaskAction::EraseAndSuppress),
            "erased, suppressed"
        );
        assert_eq!(Outcome::told(true, None).word(TaskAction::Erase), "instructed (forwarded)");
    }
}

//! How a walk ends for one person.

use std::time::Duration;

use efface_core::manifest::StepId;

use crate::{ConnectorError, Evidence, Memo};

/// How one person's task ended.
#[derive(Clone, Debug)]
pub enum End {
    Confirmed {
        evidence: Evidence,
        prior: Option<Memo>,
    },
    NothingFound {
        evidence: Evidence,
    },
    /// Accepted without anything to poll.
    Promised {
        evidence: Evidence,
        done_within: Duration,
    },
    Discovered,
    Choose {
        candidates: usize,
    },
    Blocked {
        reason: String,
    },
    Failed(ConnectorError),
    /// The outcome is not known, and the step may not be repeated.
    Unknown(String),
    /// Still at this step when the rounds were spent or the walk was stopped.
    Unfinished {
        step: StepId,
    },
}

impl End {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Confirmed { .. } => "confirmed",
            Self::NothingFound { .. } => "nothing found",
            Self::Promised { .. } => "promised",
            Self::Discovered => "discovered",
            Self::Choose { .. } => "choose",
            Self::Blocked { .. } => "blocked",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Unfinished { .. } => "unfinished",
        }
    }

    /// Whether the task would be told as done (or as having nothing to do).
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(self, Self::Confirmed { .. } | Self::NothingFound { .. } | Self::Promised { .. })
    }
}

//! What went wrong, by what the caller can do about it.

use std::time::Duration;

use efface_core::Timestamp;

/// Why a person is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NeedsPerson {
    /// Key refused: a matter of the account, not of its tasks.
    #[error("the vendor refuses the key (HTTP {status})")]
    CredentialsRefused { status: u16 },
    /// Project, list or URL unknown: a matter of the account.
    #[error("the settings do not fit the vendor: {detail}")]
    SettingsWrong { detail: String },
    #[error("{reason}")]
    Other { reason: String },
}

/// A call's failure. Not-found is an answer, not an error. Never holds personal data or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectorError {
    /// Definitely not done; worth another try. `Retry-After` is a floor.
    #[error("not done, worth another try: {what}")]
    Retryable { what: String, retry_after: Option<Duration> },
    /// Definitely not done, and a repeat will not help: the vendor refuses the request itself. For
    /// an order of several whose culprit is unnamed the engine halves the order.
    #[error("refused: {code}")]
    Permanent { code: String },
    #[error(transparent)]
    NeedsPerson(NeedsPerson),
    /// The vendor's quota is spent.
    #[error("the vendor's quota is spent")]
    QuotaSpent { until: Option<Timestamp> },
    /// Bytes may have left and no definite answer came back.
    #[error("the outcome is not known: {what}")]
    Unknown { what: String, status: Option<u16> },
}

impl ConnectorError {
    #[must_use]
    pub fn permanent(code: impl Into<String>) -> Self {
        Self::Permanent { code: code.into() }
    }

    #[must_use]
    pub fn unknown(what: impl Into<String>) -> Self {
        Self::Unknown { what: what.into(), status: None }
    }

    #[must_use]
    pub fn settings(detail: impl Into<String>) -> Self {
        Self::NeedsPerson(NeedsPerson::SettingsWrong { detail: detail.into() })
    }

    #[must_use]
    pub fn person(reason: impl Into<String>) -> Self {
        Self::NeedsPerson(NeedsPerson::Other { reason: reason.into() })
    }

    /// Whether the vendor's machinery failed (rather than our request or key): counts for the breaker.
    #[must_use]
    pub const fn is_infrastructure(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::Retryable { retry_after: None, .. })
    }
}

//! Where a task stands, and what each standing carries.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    EvidenceLevel, OrderId, Outcome, ReceiptId, TaskId, Timestamp, desk::Reason, plan::Phase,
};

/// Why a task is blocked; a task carries only its own causes, never its account's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Waits for its phase.
    Phase(Phase),
    /// An earlier task of the same person at the same account comes first.
    Dependency(TaskId),
    /// A legal hold on the request.
    Hold { reason: String },
    /// The account cannot be asked by any identifier we hold.
    MissingIdentifier { needs: Vec<String> },
    /// The vendor says not now (open ticket, active subscription …).
    Vendor { blocker: String, hint: String, recheck_at: Timestamp },
}

/// How the wish to take a task back stands, once its request was cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recall {
    /// Nobody wishes it, or the vendor takes nothing back.
    #[default]
    NotWanted,
    /// The vendor is asked from `at` on; alone, where it refused the task among others.
    Wanted { at: Timestamp, tries: u32, alone: bool },
    /// The vendor was asked in vain: the task runs to its own end.
    InVain,
    /// The vendor was asked, an answer was lost, and what it says now does not tell what became of
    /// that: the task runs to its own end, whichever that is.
    InDoubt,
}

impl Recall {
    fn is_not_wanted(&self) -> bool {
        *self == Self::NotWanted
    }
}

/// What to do about a recall that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskAgain {
    /// Too late, or not offered.
    Never,
    /// The vendor could not be asked, or its answer was lost.
    Later { retry_after: Option<Duration> },
    /// It was refused together with others: the next time alone.
    Alone,
}

/// What a waiting task waits on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsOn {
    /// A receipt that is polled; its next poll stands on the receipt's row.
    Receipt {
        receipt: ReceiptId,
        #[serde(default, skip_serializing_if = "Recall::is_not_wanted")]
        recall: Recall,
    },
    /// Nothing can be polled: the vendor's promise, then a look-up. After a look that settled
    /// nothing the next one is at `look_at`; the promise stays what it was.
    Promise {
        done_by: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        look_at: Option<Timestamp>,
    },
}

/// Where a task stands. A state carries what only it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TaskState {
    Blocked { cause: Cause },
    Ready { due: Timestamp },
    Sending { order: OrderId },
    Unknown { order: OrderId, since: Timestamp },
    Waiting { order: OrderId, on: WaitsOn, since: Timestamp },
    Confirmed { since: Timestamp, verify_at: Timestamp, looks: u32 },
    Desk { reason: Reason },
    Settled { outcome: Outcome, evidence: EvidenceLevel },
}

impl TaskState {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "blocked",
            Self::Ready { .. } => "ready",
            Self::Sending { .. } => "sending",
            Self::Unknown { .. } => "unknown",
            Self::Waiting { .. } => "waiting",
            Self::Confirmed { .. } => "confirmed",
            Self::Desk { .. } => "desk",
            Self::Settled { .. } => "settled",
        }
    }

    #[must_use]
    pub const fn is_settled(&self) -> bool {
        matches!(self, Self::Settled { .. })
    }

    /// Whether the task goes out by itself when its time comes.
    #[must_use]
    pub const fn goes_by_itself(&self) -> bool {
        matches!(self, Self::Ready { .. } | Self::Blocked { cause: Cause::Vendor { .. } })
    }

    /// The receipt the task waits on, where it waits on one.
    #[must_use]
    pub const fn waits_on(&self) -> Option<ReceiptId> {
        match self {
            Self::Waiting { on: WaitsOn::Receipt { receipt, .. }, .. } => Some(*receipt),
            Self::Waiting { on: WaitsOn::Promise { .. }, .. }
            | Self::Blocked { .. }
            | Self::Ready { .. }
            | Self::Sending { .. }
            | Self::Unknown { .. }
            | Self::Confirmed { .. }
            | Self::Desk { .. }
            | Self::Settled { .. } => None,
        }
    }

    /// How the task ended, where it has.
    #[must_use]
    pub const fn promised_by(&self) -> Option<Timestamp> {
        match self.outcome() {
            Some(outcome) => outcome.promised_by(),
            None => None,
        }
    }

    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match self {
            Self::Settled { outcome, .. } => Some(outcome),
            Self::Blocked { .. }
            | Self::Ready { .. }
            | Self::Sending { .. }
            | Self::Unknown { .. }
            | Self::Waiting { .. }
            | Self::Confirmed { .. }
            | Self::Desk { .. } => None,
        }
    }

    /// The order that carries the task, where one does.
    #[must_use]
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Sending { order } | Self::Unknown { order, .. } | Self::Waiting { order, .. } => {
                Some(*order)
            }
            Self::Blocked { .. }
            | Self::Ready { .. }
            | Self::Confirmed { .. }
            | Self::Desk { .. }
            | Self::Settled { .. } => None,
        }
    }
}

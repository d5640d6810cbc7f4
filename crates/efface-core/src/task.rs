//! The task machine: one request × account × action, from planned to settled.
//!
//! [`apply`] is the only door. An illegal move is a typed refusal that names state and event.

mod moves;
mod state;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use self::moves::Next;
pub use self::state::{AskAgain, Cause, Recall, TaskState, WaitsOn};
use crate::{
    AccountId, EvidenceLevel, OrderId, Outcome, ReceiptId, RequestId, Scope, TaskAction, TaskId,
    Timestamp, desk::Reason, manifest::StepId, plan::Phase, retry::RetryPolicy,
};

/// A task as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    pub id: TaskId,
    pub request: RequestId,
    pub account: AccountId,
    pub action: TaskAction,
    pub scope: Option<Scope>,
    /// Rises when a confirmed erasure proves undone and starts again.
    pub generation: u32,
    /// Rises with every change; each writer names the version it read.
    pub version: u32,
    pub step: StepId,
    /// Tries the vendor definitely did not carry out since the last success.
    pub failures: u32,
    /// The best evidence so far; never falls.
    pub evidence: EvidenceLevel,
    /// Whether a changing call for this task has ever been sent.
    pub sent: bool,
    /// The request was cancelled while this was out: it is taken back where the vendor offers that,
    /// or runs to its own end.
    pub cancel_marked: bool,
    pub state: TaskState,
}

/// What the caller knows about the task's account and action.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Evidence below this is a matter for the desk.
    pub floor: EvidenceLevel,
    /// Whether a look-up proves this action.
    pub verified_by_look_up: bool,
    /// How long after a confirmation to look.
    pub verify_after: Duration,
    /// The vendor's own bound.
    pub bound: Duration,
    pub retry: RetryPolicy,
    /// Whether the vendor takes accepted orders back.
    pub recalls: bool,
}

/// An answer about one task, classed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answered {
    Confirmed {
        forwarded: bool,
    },
    NothingFound,
    AcceptedWithReceipt {
        receipt: ReceiptId,
    },
    AcceptedOnPromise {
        done_by: Timestamp,
    },
    StillGoing,
    Next {
        step: StepId,
    },
    Choose {
        candidates: Vec<String>,
    },
    Discovered,
    Blocked {
        blocker: String,
        hint: String,
        recheck_at: Timestamp,
    },
    /// Left out of the call, or refused together with others that must be told apart.
    NotDone,
    /// The account was refused (401, 403, quota): not this task's failure.
    AccountRefused,
    RetryLater {
        retry_after: Option<Duration>,
    },
    Refused {
        code: String,
    },
    NeedsPerson {
        reason: String,
    },
}

/// What a look-up saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    Absent,
    Present,
    Ambiguous,
    CannotTell,
    Failed,
}

/// Everything that can happen to a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    CauseGone,
    Blocked {
        cause: Cause,
    },
    /// The request is held. Told to every open task, so that nobody goes on by what was read before.
    Held {
        reason: String,
    },
    /// The hold is over; what it kept back waits for its phase.
    HoldEnded {
        phase: Phase,
    },
    /// The request was amended after its release, which holds no longer. Told to every open task, as
    /// a hold is.
    ReleaseLost {
        phase: Phase,
    },
    /// `changing`: the order makes a changing call (not a mere read).
    Ordered {
        order: OrderId,
        changing: bool,
    },
    Answered {
        answer: Answered,
    },
    OutcomeUnknown,
    SentAgain,
    Looked {
        seen: Seen,
    },
    PromiseDue,
    PastBound,
    ToDesk {
        reason: Reason,
    },
    Retried {
        by: String,
    },
    Attested {
        by: String,
    },
    Waived {
        by: String,
        reason: String,
    },
    AcceptedLower {
        by: String,
    },
    Exempted {
        reason: String,
        until: Option<String>,
    },
    NotHeld {
        decision: String,
    },
    Cancelled,
    Superseded,
    /// The vendor has taken it back.
    Recalled,
    /// `in_doubt`: an answer to a recall of this task was lost, so that the vendor may have taken it
    /// back all the same.
    RecallFailed {
        again: AskAgain,
        in_doubt: bool,
    },
    /// The database was set back to an older copy, and what was sent since is not known. `harmless`:
    /// each call of the action may be repeated.
    SetBack {
        harmless: bool,
    },
    /// The record kept outside tells that the request is over.
    EndedOnRecord,
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CauseGone => "cause gone",
            Self::Blocked { .. } => "blocked",
            Self::Held { .. } => "held",
            Self::HoldEnded { .. } => "hold ended",
            Self::ReleaseLost { .. } => "release lost",
            Self::Ordered { .. } => "ordered",
            Self::Answered { answer } => match answer {
                Answered::Confirmed { .. } => "confirmed",
                Answered::NothingFound => "nothing found",
                Answered::AcceptedWithReceipt { .. } => "accepted (receipt)",
                Answered::AcceptedOnPromise { .. } => "accepted (promise)",
                Answered::StillGoing => "still going",
                Answered::Next { .. } => "next step",
                Answered::Choose { .. } => "choose",
                Answered::Discovered => "discovered",
                Answered::Blocked { .. } => "vendor blocks",
                Answered::NotDone => "not done",
                Answered::AccountRefused => "account refused",
                Answered::RetryLater { .. } => "retry later",
                Answered::Refused { .. } => "refused",
                Answered::NeedsPerson { .. } => "needs a person",
            },
            Self::OutcomeUnknown => "outcome unknown",
            Self::SentAgain => "sent again",
            Self::Looked { seen } => match seen {
                Seen::Absent => "looked: absent",
                Seen::Present => "looked: present",
                Seen::Ambiguous => "looked: ambiguous",
                Seen::CannotTell => "looked: cannot tell",
                Seen::Failed => "look-up failed",
            },
            Self::PromiseDue => "promise due",
            Self::PastBound => "past the bound",
            Self::ToDesk { .. } => "to the desk",
            Self::Retried { .. } => "retried by a person",
            Self::Attested { .. } => "attested",
            Self::Waived { .. } => "waived",
            Self::AcceptedLower { .. } => "lower evidence accepted",
            Self::Exempted { .. } => "exempted",
            Self::NotHeld { .. } => "not held there",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Recalled => "recalled",
            Self::RecallFailed { .. } => "recall failed",
            Self::SetBack { .. } => "set back",
            Self::EndedOnRecord => "ended on record",
        }
    }
}

/// What else follows from a move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Open a desk item for the task.
    OpenDesk(Reason),
    /// Close the task's open desk items.
    CloseDesk,
    /// The request should be looked at (phases, closing).
    FollowUp,
}

/// The next task and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    pub task: Task,
    pub effects: Vec<Effect>,
}

impl Move {
    /// The same move of a task whose request keeps it back, by a hold or for want of a release: what
    /// would go on by itself waits for the end of that, whatever was answered meanwhile. That end may
    /// have come since the request was read: it is looked at again.
    #[must_use]
    pub fn kept_back(mut self, cause: Option<Cause>) -> Self {
        if let Some(cause) = cause
            && self.task.state.goes_by_itself()
        {
            self.task.state = TaskState::Blocked { cause };
            self.effects.push(Effect::FollowUp);
        }
        self
    }
}

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} cannot take the event {event:?}")]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
}

/// The vendor is asked so often at most to take a task back.
pub const MOST_RECALLS: u32 = 5;

/// Present after the bound so many times, the task goes to the desk.
pub const MOST_GENERATIONS: u32 = 3;

/// The one door: the next state of `task` after `event`.
///
/// # Errors
/// [`Refusal`] naming state and event, when the table has no such move.
pub fn apply(
    task: &Task,
    event: &Event,
    rules: &Rules,
    now: Timestamp,
    random: u64,
) -> Result<Move, Refusal> {
    use TaskState as S;
    let refusal = || Refusal { state: task.state.word(), event: event.word() };
    let to = Next { task, rules, now, random };
    match (&task.state, event) {
        (S::Settled { .. }, _) => Err(refusal()),
        (_, Event::Held { reason }) => {
            let cause = Cause::Hold { reason: reason.clone() };
            Ok(to.state(task.state.clone()).kept_back(Some(cause)))
        }
        (_, Event::ReleaseLost { phase }) => {
            Ok(to.state(task.state.clone()).kept_back(Some(Cause::Phase(*phase))))
        }
        (S::Blocked { cause: Cause::Hold { .. } }, Event::HoldEnded { phase }) => {
            Ok(to.state(S::Blocked { cause: Cause::Phase(*phase) }))
        }
        (_, Event::HoldEnded { .. }) => Ok(to.state(task.state.clone())),

        // what a lost history may have done; what waits on a vendor's own answer learns it from there
        (_, Event::EndedOnRecord) => Ok(to.settled(Outcome::OnRecord, task.evidence)),
        (
            S::Blocked { .. } | S::Ready { .. } | S::Sending { .. } | S::Unknown { .. },
            Event::SetBack { harmless },
        ) => Ok(match harmless {
            true => to.state(task.state.clone()),
            false => to.desk(Reason::SetBack),
        }),

        // doors a person or the request opens, for tasks that have sent nothing
        (S::Blocked { .. }, Event::CauseGone) => Ok(to.ready(now)),
        (S::Blocked { .. } | S::Ready { .. }, Event::Blocked { cause }) => {
            Ok(to.state(S::Blocked { cause: cause.clone() }))
        }
        (S::Blocked { .. } | S::Ready { .. } | S::Desk { .. }, Event::Waived { by, reason }) => {
            Ok(to
                .settled(Outcome::Waived { by: by.clone(), reason: reason.clone() }, task.evidence))
        }
        (
            S::Blocked { .. } | S::Ready { .. } | S::Desk { .. },
            Event::Exempted { reason, until },
        ) => Ok(to.settled(
            Outcome::Exempt { reason: reason.clone(), until: until.clone() },
            task.evidence,
        )),
        (S::Blocked { .. } | S::Ready { .. } | S::Desk { .. }, Event::Attested { .. }) => {
            Ok(to.attested())
        }
        (S::Blocked { cause: Cause::MissingIdentifier { .. } }, Event::NotHeld { .. }) => {
            Ok(to.settled(Outcome::NotHeld, task.evidence))
        }
        (S::Blocked { .. } | S::Ready { .. }, Event::ToDesk { reason }) => {
            Ok(to.desk(reason.clone()))
        }
        (S::Blocked { .. } | S::Ready { .. } | S::Desk { .. }, Event::Cancelled) => {
            Ok(to.settled(Outcome::Cancelled, task.evidence))
        }
        (S::Blocked { .. } | S::Ready { .. } | S::Desk { .. }, Event::Superseded) => {
            Ok(to.settled(Outcome::Superseded, task.evidence))
        }
        (
            S::Sending { .. } | S::Unknown { .. } | S::Waiting { .. } | S::Confirmed { .. },
            Event::Cancelled,
        ) => Ok(to.cancel_marked()),

        // what was cancelled while it was out
        (S::Waiting { on: WaitsOn::Receipt { .. }, .. }, Event::Recalled) if task.cancel_marked => {
            Ok(to.settled(Outcome::Recalled, EvidenceLevel::Confirmed))
        }
        (
            S::Waiting {
                order,
                on: WaitsOn::Receipt { receipt, recall: Recall::Wanted { tries, alone, .. } },
                since,
            },
            Event::RecallFailed { again, in_doubt },
        ) => {
            let vain = if *in_doubt { Recall::InDoubt } else { Recall::InVain };
            let recall = to.recall_again(*tries, *alone, *again, vain);
            let on = WaitsOn::Receipt { receipt: *receipt, recall };
            Ok(to.state(S::Waiting { order: *order, on, since: *since }))
        }

        // the desk
        (S::Desk { .. }, Event::Retried { .. }) => Ok(to.retried()),
        (
            S::Desk { reason: Reason::BelowFloor { reached, forwarded, promised_by, .. } },
            Event::AcceptedLower { .. },
        ) => {
            let outcome = if reached.reaches(EvidenceLevel::Confirmed) {
                Outcome::done(task.action)
            } else {
                Outcome::told(*forwarded, *promised_by)
            };
            Ok(to.settled(outcome, *reached))
        }
        (
            S::Desk { reason: Reason::Choose { .. } },
            Event::Answered { answer: Answered::Next { step } },
        ) => Ok(to.next_step(step)),
        // the answer to a lost order arrived after the desk got it
        (S::Desk { reason: Reason::UnknownOutcome }, Event::Answered { answer }) => {
            Ok(to.answered(None, answer))
        }

        // the lane
        (S::Ready { due }, Event::Ordered { order, changing }) if *due <= now => {
            Ok(to.ordered(*order, *changing))
        }
        (S::Sending { order }, Event::OutcomeUnknown) => {
            Ok(to.state(S::Unknown { order: *order, since: now }))
        }
        (S::Sending { order } | S::Unknown { order, .. }, Event::Answered { answer })
            if *answer != Answered::StillGoing =>
        {
            Ok(to.answered(Some(*order), answer))
        }
        (S::Unknown { order, .. }, Event::SentAgain) => Ok(to.state(S::Sending { order: *order })),
        (
            S::Sending { .. } | S::Unknown { .. },
            Event::ToDesk { reason: reason @ (Reason::UnknownOutcome | Reason::Poison) },
        ) => Ok(to.desk(reason.clone())),
        (S::Waiting { .. }, Event::Answered { answer: Answered::StillGoing }) => {
            Ok(to.state(task.state.clone()))
        }
        (S::Waiting { order, .. }, Event::Answered { answer }) => {
            Ok(to.answered(Some(*order), answer))
        }
        (S::Waiting { .. }, Event::PastBound) => Ok(to.beside(Reason::Slow)),
        (S::Waiting { on: WaitsOn::Promise { done_by, .. }, .. }, Event::PromiseDue)
            if !rules.verified_by_look_up =>
        {
            Ok(to.ends(Outcome::told(false, Some(*done_by)), EvidenceLevel::Accepted))
        }
        (
            S::Waiting { on: WaitsOn::Promise { done_by, .. }, order, since },
            Event::Looked { seen },
        ) => Ok(to.looked_after_promise(*seen, *order, *since, *done_by)),
        (S::Confirmed { since, looks, .. }, Event::Looked { seen }) => {
            Ok(to.looked_after_confirmation(*seen, *since, *looks))
        }
        (S::Ready { .. }, Event::Looked { seen }) if task.action == TaskAction::LookUp => {
            Ok(to.observed(*seen))
        }

        (
            S::Blocked { .. }
            | S::Ready { .. }
            | S::Sending { .. }
            | S::Unknown { .. }
            | S::Waiting { .. }
            | S::Confirmed { .. }
            | S::Desk { .. },
            _,
        ) => Err(refusal()),
    }
}

/// What the lane should do with a task next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Into an order.
    Submit,
    /// Into a look-up.
    LookUp,
    /// Into a question to the vendor to take it back.
    Recall,
    /// Nothing by itself: blocked, with an order or receipt, on the desk, or settled.
    None,
}

/// Queue and time of a task, derived from its state. `None` as time means "now".
#[must_use]
pub fn queue(task: &Task) -> (Queue, Timestamp) {
    match &task.state {
        TaskState::Ready { due } if task.action == TaskAction::LookUp => (Queue::LookUp, *due),
        TaskState::Ready { due } => (Queue::Submit, *due),
        TaskState::Blocked { cause: Cause::Vendor { recheck_at, .. } } => {
            (Queue::Submit, *recheck_at)
        }
        TaskState::Confirmed { verify_at, .. } => (Queue::LookUp, *verify_at),
        TaskState::Waiting { on: WaitsOn::Promise { done_by, look_at }, .. } => {
            (Queue::LookUp, look_at.unwrap_or(*done_by))
        }
        TaskState::Waiting {
            on: WaitsOn::Receipt { recall: Recall::Wanted { at, .. }, .. },
            ..
        } => (Queue::Recall, *at),
        TaskState::Waiting { on: WaitsOn::Receipt { .. }, .. }
        | TaskState::Blocked { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Desk { .. }
        | TaskState::Settled { .. } => (Queue::None, Timestamp::default()),
    }
}

#[cfg(test)]
pub(crate) mod tests;

//! The task machine: one request × account × action, from planned to settled.
//!
//! [`apply`] is the only door. An illegal move is a typed refusal that names state and event.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, EvidenceLevel, OrderId, Outcome, ReceiptId, RequestId, Scope, TaskAction, TaskId,
    Timestamp, desk::Reason, evidence::Observation, manifest::StepId, plan::Phase,
    retry::RetryPolicy,
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

/// What a waiting task waits on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsOn {
    /// A receipt that is polled; its next poll stands on the receipt's row.
    Receipt { receipt: ReceiptId },
    /// Nothing can be polled: the vendor's promise, then a look-up.
    Promise { done_by: Timestamp },
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
    /// The request was cancelled while this was out: it runs to its own end.
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
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::CauseGone => "cause gone",
            Self::Blocked { .. } => "blocked",
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

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task that is {state} cannot take the event {event:?}")]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
}

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
        (S::Blocked { .. } | S::Ready { .. } | S::Desk { .. }, Event::Attested { .. }) => Ok(to
            .settled(Outcome::done(task.action), task.evidence.raised_to(EvidenceLevel::Attested))),
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

        // the desk
        (S::Desk { .. }, Event::Retried { .. }) => Ok(to.retried()),
        (
            S::Desk { reason: Reason::BelowFloor { reached, forwarded, .. } },
            Event::AcceptedLower { .. },
        ) => {
            let outcome = if reached.reaches(EvidenceLevel::Confirmed) {
                Outcome::done(task.action)
            } else {
                Outcome::Instructed { forwarded: *forwarded }
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
        (S::Waiting { on: WaitsOn::Promise { .. }, .. }, Event::PromiseDue)
            if !rules.verified_by_look_up =>
        {
            Ok(to.ends(Outcome::Instructed { forwarded: false }, EvidenceLevel::Accepted))
        }
        (S::Waiting { on: WaitsOn::Promise { .. }, order, since }, Event::Looked { seen }) => {
            Ok(to.looked_after_promise(*seen, *order, *since))
        }
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

struct Next<'a> {
    task: &'a Task,
    rules: &'a Rules,
    now: Timestamp,
    random: u64,
}

impl Next<'_> {
    fn with(&self, change: impl FnOnce(&mut Task), effects: Vec<Effect>) -> Move {
        let mut task = self.task.clone();
        change(&mut task);
        task.version += 1;
        let mut effects = effects;
        let was_on_desk = matches!(self.task.state, TaskState::Desk { .. });
        if was_on_desk && !matches!(task.state, TaskState::Desk { .. }) {
            effects.push(Effect::CloseDesk);
        }
        Move { task, effects }
    }

    fn state(&self, state: TaskState) -> Move {
        self.with(|t| t.state = state, vec![])
    }

    fn ready(&self, due: Timestamp) -> Move {
        self.state(TaskState::Ready { due })
    }

    fn retried(&self) -> Move {
        let now = self.now;
        self.with(
            |t| {
                t.failures = 0;
                t.state = TaskState::Ready { due: now };
            },
            vec![],
        )
    }

    fn ordered(&self, order: OrderId, changing: bool) -> Move {
        self.with(
            |t| {
                t.sent |= changing;
                t.state = TaskState::Sending { order };
            },
            vec![],
        )
    }

    fn cancel_marked(&self) -> Move {
        self.with(|t| t.cancel_marked = true, vec![])
    }

    fn desk(&self, reason: Reason) -> Move {
        let effects = vec![Effect::OpenDesk(reason.clone()), Effect::FollowUp];
        self.with(|t| t.state = TaskState::Desk { reason }, effects)
    }

    fn beside(&self, reason: Reason) -> Move {
        self.with(|_| {}, vec![Effect::OpenDesk(reason)])
    }

    fn settled(&self, outcome: Outcome, evidence: EvidenceLevel) -> Move {
        self.with(
            |t| {
                t.evidence = t.evidence.raised_to(evidence);
                t.state = TaskState::Settled { outcome, evidence: t.evidence };
            },
            vec![Effect::CloseDesk, Effect::FollowUp],
        )
    }

    /// Settles, or goes to the desk when the evidence is below the account's floor.
    fn ends(&self, outcome: Outcome, evidence: EvidenceLevel) -> Move {
        let reached = self.task.evidence.raised_to(evidence);
        if reached.reaches(self.rules.floor) {
            return self.settled(outcome, evidence);
        }
        let forwarded = matches!(outcome, Outcome::Instructed { forwarded: true });
        let mut moved =
            self.desk(Reason::BelowFloor { reached, floor: self.rules.floor, forwarded });
        moved.task.evidence = reached;
        moved
    }

    fn next_step(&self, step: &StepId) -> Move {
        let now = self.now;
        self.with(
            |t| {
                t.step = step.clone();
                t.failures = 0;
                t.state = TaskState::Ready { due: now };
            },
            vec![],
        )
    }

    fn answered(&self, order: Option<OrderId>, answer: &Answered) -> Move {
        let now = self.now;
        match answer {
            Answered::Confirmed { forwarded: true } => {
                self.ends(Outcome::Instructed { forwarded: true }, EvidenceLevel::Instructed)
            }
            Answered::Confirmed { forwarded: false } if self.rules.verified_by_look_up => {
                let verify_at = now.plus(self.rules.verify_after);
                self.with(
                    |t| {
                        t.failures = 0;
                        t.evidence = t.evidence.raised_to(EvidenceLevel::Confirmed);
                        t.state = TaskState::Confirmed { since: now, verify_at, looks: 0 };
                    },
                    vec![Effect::FollowUp],
                )
            }
            Answered::Confirmed { forwarded: false } => {
                self.ends(Outcome::done(self.task.action), EvidenceLevel::Confirmed)
            }
            // nothing to do is an answer, whatever the floor
            Answered::NothingFound => self.settled(Outcome::NotFound, EvidenceLevel::Confirmed),
            Answered::AcceptedWithReceipt { receipt } => {
                self.waiting(order, WaitsOn::Receipt { receipt: *receipt })
            }
            Answered::AcceptedOnPromise { done_by } => {
                self.waiting(order, WaitsOn::Promise { done_by: *done_by })
            }
            Answered::StillGoing => self.state(self.task.state.clone()),
            Answered::Next { step } => self.next_step(step),
            Answered::Choose { candidates } => {
                self.desk(Reason::Choose { candidates: candidates.clone() })
            }
            Answered::Discovered => {
                self.settled(Outcome::done(self.task.action), EvidenceLevel::Confirmed)
            }
            Answered::Blocked { blocker, hint, recheck_at } => self.state(TaskState::Blocked {
                cause: Cause::Vendor {
                    blocker: blocker.clone(),
                    hint: hint.clone(),
                    recheck_at: *recheck_at,
                },
            }),
            Answered::NotDone | Answered::AccountRefused => self.ready(now),
            Answered::RetryLater { retry_after } => self.later(*retry_after),
            Answered::Refused { code } => self.desk(Reason::Refused { code: code.clone() }),
            Answered::NeedsPerson { reason } => {
                self.desk(Reason::NeedsPerson { reason: reason.clone() })
            }
        }
    }

    fn waiting(&self, order: Option<OrderId>, on: WaitsOn) -> Move {
        let now = self.now;
        let Some(order) = order else {
            return self.desk(Reason::NeedsPerson {
                reason: "the vendor accepted an order we no longer hold".into(),
            });
        };
        self.with(
            |t| {
                t.failures = 0;
                t.evidence = t.evidence.raised_to(EvidenceLevel::Accepted);
                t.state = TaskState::Waiting { order, on, since: now };
            },
            vec![Effect::FollowUp],
        )
    }

    fn later(&self, retry_after: Option<Duration>) -> Move {
        let failures = self.task.failures + 1;
        let due = self.rules.retry.next(self.now, failures, retry_after, self.random);
        let effects = if self.rules.retry.spent(failures) {
            vec![Effect::OpenDesk(Reason::Spent { failures })]
        } else {
            vec![]
        };
        self.with(
            |t| {
                t.failures = failures;
                t.state = TaskState::Ready { due };
            },
            effects,
        )
    }

    fn looked_after_confirmation(&self, seen: Seen, since: Timestamp, looks: u32) -> Move {
        let action = self.task.action;
        match seen {
            Seen::Absent => self.settled(Outcome::done(action), EvidenceLevel::Verified),
            Seen::CannotTell => self.ends(Outcome::done(action), EvidenceLevel::Confirmed),
            Seen::Ambiguous => self.desk(Reason::AmbiguousMatch),
            Seen::Present if self.now >= since.plus(self.rules.bound) => self.again_or_desk(),
            Seen::Present | Seen::Failed => {
                let wait = self.rules.verify_after.max(Duration::from_secs(1));
                let verify_at = crate::retry::next_poll(self.now, wait, looks + 1, self.random);
                self.state(TaskState::Confirmed { since, verify_at, looks: looks + 1 })
            }
        }
    }

    fn looked_after_promise(&self, seen: Seen, order: OrderId, since: Timestamp) -> Move {
        match seen {
            Seen::Absent => self.settled(Outcome::done(self.task.action), EvidenceLevel::Verified),
            Seen::CannotTell => {
                self.ends(Outcome::Instructed { forwarded: false }, EvidenceLevel::Accepted)
            }
            Seen::Ambiguous => self.desk(Reason::AmbiguousMatch),
            Seen::Present | Seen::Failed => {
                let late = seen == Seen::Present && self.now >= since.plus(self.rules.bound);
                let wait = self.rules.verify_after.max(Duration::from_secs(3600));
                let done_by = crate::retry::next_poll(self.now, wait, 0, self.random);
                let effects = if late { vec![Effect::OpenDesk(Reason::Slow)] } else { vec![] };
                self.with(
                    |t| {
                        t.state =
                            TaskState::Waiting { order, on: WaitsOn::Promise { done_by }, since }
                    },
                    effects,
                )
            }
        }
    }

    /// Confirmed, yet still there past the bound: begin anew, at most twice.
    fn again_or_desk(&self) -> Move {
        if self.task.generation >= MOST_GENERATIONS {
            return self.desk(Reason::StillPresent);
        }
        let now = self.now;
        self.with(
            |t| {
                t.generation += 1;
                t.state = TaskState::Ready { due: now };
            },
            vec![],
        )
    }

    fn observed(&self, seen: Seen) -> Move {
        let observation = match seen {
            Seen::Absent => Observation::NotFound,
            Seen::Present | Seen::Ambiguous => Observation::WouldAct,
            Seen::CannotTell => Observation::CannotTell,
            Seen::Failed => return self.later(None),
        };
        self.settled(Outcome::Observed(observation), EvidenceLevel::None)
    }
}

/// What the lane should do with a task next, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Into an order.
    Submit,
    /// Into a look-up.
    LookUp,
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
        TaskState::Waiting { on: WaitsOn::Promise { done_by }, .. } => (Queue::LookUp, *done_by),
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

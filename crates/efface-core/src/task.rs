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
    Blocked { cause: Cause },
    /// `changing`: the order makes a changing call (not a mere read).
    Ordered { order: OrderId, changing: bool },
    Answered { answer: Answered },
    OutcomeUnknown,
    SentAgain,
    Looked { seen: Seen },
    PromiseDue,
    PastBound,
    ToDesk { reason: Reason },
    Retried { by: String },
    Attested { by: String },
    Waived { by: String, reason: String },
    AcceptedLower { by: String },
    Exempted { reason: String, until: Option<String> },
    NotHeld { decision: String },
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
        (S::Ready { due }, Event::Ordered { order, changing }) if *due <= now => Ok(to.ordered(*order, *changing)),
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
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    pub fn sample() -> Task {
        Task {
            id: TaskId(Uuid::from_u128(1)),
            request: RequestId(Uuid::from_u128(2)),
            account: AccountId::new("mail").expect("name"),
            action: TaskAction::Erase,
            scope: None,
            generation: 1,
            version: 1,
            step: StepId::named("delete"),
            failures: 0,
            evidence: EvidenceLevel::None,
            sent: false,
            cancel_marked: false,
            state: TaskState::Blocked { cause: Cause::Phase(Phase::Erase) },
        }
    }

    fn rules(floor: EvidenceLevel, look: bool) -> Rules {
        Rules {
            floor,
            verified_by_look_up: look,
            verify_after: Duration::from_secs(60),
            bound: Duration::from_secs(3600),
            retry: RetryPolicy::default(),
        }
    }

    fn order() -> OrderId {
        OrderId(Uuid::from_u128(3))
    }

    /// Walks `events` one second apart and compares the last state.
    fn check(rules: &Rules, events: &[Event], want: &str) -> Task {
        let mut task = sample();
        let mut now = NOW;
        for event in events {
            task = apply(&task, event, rules, now, 0).expect("legal move").task;
            now = now.plus(Duration::from_secs(1));
        }
        assert_eq!(task.state.word(), want, "{:?}", task.state);
        task
    }

    fn answered(answer: Answered) -> Event {
        Event::Answered { answer }
    }

    fn sent() -> Vec<Event> {
        vec![Event::CauseGone, Event::Ordered { order: order(), changing: true }]
    }

    #[test]
    fn erased_and_looked_for_in_vain_is_verified() {
        let rules = rules(EvidenceLevel::Verified, true);
        let events = [
            sent(),
            vec![
                answered(Answered::Confirmed { forwarded: false }),
                Event::Looked { seen: Seen::Absent },
            ],
        ]
        .concat();
        let task = check(&rules, &events, "settled");
        assert_eq!(
            task.state,
            TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Verified }
        );
    }

    #[test]
    fn forwarded_is_instructed_and_below_the_floor_it_waits_on_the_desk() {
        let events = [sent(), vec![answered(Answered::Confirmed { forwarded: true })]].concat();
        check(&rules(EvidenceLevel::Confirmed, false), &events, "desk");
        let task = check(&rules(EvidenceLevel::Instructed, false), &events, "settled");
        assert_eq!(
            task.state,
            TaskState::Settled {
                outcome: Outcome::Instructed { forwarded: true },
                evidence: EvidenceLevel::Instructed
            }
        );
    }

    #[test]
    fn a_promise_without_look_up_ends_as_instructed_with_accepted_evidence() {
        let done_by = NOW.plus(Duration::from_secs(9));
        let events =
            [sent(), vec![answered(Answered::AcceptedOnPromise { done_by }), Event::PromiseDue]]
                .concat();
        let task = check(&rules(EvidenceLevel::Accepted, false), &events, "settled");
        assert_eq!(
            task.state,
            TaskState::Settled {
                outcome: Outcome::Instructed { forwarded: false },
                evidence: EvidenceLevel::Accepted
            }
        );
    }

    #[test]
    fn still_there_past_the_bound_begins_anew_twice_and_then_asks_a_person() {
        let rules = Rules { bound: Duration::ZERO, ..rules(EvidenceLevel::Verified, true) };
        let round = vec![
            Event::Ordered { order: order(), changing: true },
            answered(Answered::Confirmed { forwarded: false }),
            Event::Looked { seen: Seen::Present },
        ];
        let once = [vec![Event::CauseGone], round.clone()].concat();
        assert_eq!(check(&rules, &once, "ready").generation, 2);
        let thrice = [once, round.clone(), round].concat();
        check(&rules, &thrice, "desk");
    }

    #[test]
    fn an_account_refusal_is_not_the_tasks_failure() {
        let rules = rules(EvidenceLevel::Verified, true);
        assert_eq!(
            check(&rules, &[sent(), vec![answered(Answered::AccountRefused)]].concat(), "ready")
                .failures,
            0
        );
        assert_eq!(
            check(
                &rules,
                &[sent(), vec![answered(Answered::RetryLater { retry_after: None })]].concat(),
                "ready"
            )
            .failures,
            1
        );
    }

    #[test]
    fn what_is_out_cannot_be_waived_and_what_is_due_later_cannot_be_ordered() {
        let rules = rules(EvidenceLevel::Verified, true);
        let out = check(&rules, &sent(), "sending");
        let waive = Event::Waived { by: "ada".into(), reason: "x".into() };
        let refusal = apply(&out, &waive, &rules, NOW, 0).expect_err("refused");
        assert_eq!(refusal.to_string(), "a task that is sending cannot take the event \"waived\"");
        let later =
            Task { state: TaskState::Ready { due: NOW.plus(Duration::from_secs(5)) }, ..sample() };
        assert!(apply(&later, &Event::Ordered { order: order(), changing: true }, &rules, NOW, 0).is_err());
        assert!(apply(&out, &Event::Cancelled, &rules, NOW, 0).is_ok_and(|m| m.task.cancel_marked));
    }

    #[test]
    fn a_lost_answer_freezes_and_a_late_one_still_counts() {
        let rules = rules(EvidenceLevel::Confirmed, false);
        let lost = [sent(), vec![Event::OutcomeUnknown]].concat();
        check(&rules, &lost, "unknown");
        check(&rules, &[lost.clone(), vec![Event::SentAgain]].concat(), "sending");
        check(
            &rules,
            &[lost.clone(), vec![answered(Answered::Confirmed { forwarded: false })]].concat(),
            "settled",
        );
        let desk = [lost, vec![Event::ToDesk { reason: Reason::UnknownOutcome }]].concat();
        check(&rules, &desk, "desk");
        check(&rules, &[desk, vec![Event::Retried { by: "ada".into() }]].concat(), "ready");
    }

    fn any_event() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::CauseGone),
            Just(Event::Ordered { order: order(), changing: true }),
            Just(answered(Answered::Confirmed { forwarded: false })),
            Just(answered(Answered::Confirmed { forwarded: true })),
            Just(answered(Answered::NothingFound)),
            Just(answered(Answered::AcceptedWithReceipt {
                receipt: ReceiptId(Uuid::from_u128(4))
            })),
            Just(answered(Answered::AcceptedOnPromise { done_by: NOW })),
            Just(answered(Answered::StillGoing)),
            Just(answered(Answered::Next { step: StepId::named("second") })),
            Just(answered(Answered::Choose { candidates: vec!["a".into(), "b".into()] })),
            Just(answered(Answered::Blocked {
                blocker: "b".into(),
                hint: "h".into(),
                recheck_at: NOW
            })),
            Just(answered(Answered::NotDone)),
            Just(answered(Answered::AccountRefused)),
            (0u64..1000).prop_map(|s| answered(Answered::RetryLater {
                retry_after: Some(Duration::from_secs(s))
            })),
            Just(answered(Answered::Refused { code: "c".into() })),
            Just(answered(Answered::NeedsPerson { reason: "r".into() })),
            Just(Event::OutcomeUnknown),
            Just(Event::SentAgain),
            prop_oneof![
                Just(Seen::Absent),
                Just(Seen::Present),
                Just(Seen::Ambiguous),
                Just(Seen::CannotTell),
                Just(Seen::Failed)
            ]
            .prop_map(|seen| Event::Looked { seen }),
            Just(Event::PromiseDue),
            Just(Event::PastBound),
            Just(Event::ToDesk { reason: Reason::Poison }),
            Just(Event::Retried { by: "p".into() }),
            Just(Event::Attested { by: "p".into() }),
            Just(Event::Waived { by: "p".into(), reason: "r".into() }),
            Just(Event::AcceptedLower { by: "p".into() }),
            Just(Event::Cancelled),
            Just(Event::Superseded),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn every_walk_keeps_the_promises(events in proptest::collection::vec((any_event(), 0u64..100_000, any::<u64>()), 1..50), look: bool) {
            let rules = rules(EvidenceLevel::Confirmed, look);
            let mut task = sample();
            let mut now = NOW;
            let mut replay = crate::journal::Replay::default();
            let entry = |n: u128, change| crate::journal::Entry::new(crate::EntryId(Uuid::from_u128(n)), NOW, "test", crate::journal::About::TasksMoved { cause: "walk".into() }, &[change]);
            let born = entry(0, crate::journal::TaskChange::birth(&task, "planned"));
            replay.take(crate::journal::Entry::read(&born.body, &born.items).expect("reads")).expect("replays");
            for (n, (event, seconds, random)) in events.into_iter().enumerate() {
                now = now.plus(Duration::from_secs(seconds));
                let Ok(moved) = apply(&task, &event, &rules, now, random) else { continue };
                // settled absorbs
                prop_assert!(!task.state.is_settled());
                // a write is always a new version, evidence never falls, sent never unhappens
                prop_assert_eq!(moved.task.version, task.version + 1);
                prop_assert!(moved.task.evidence.rank() >= task.evidence.rank());
                prop_assert!(moved.task.sent || !task.sent);
                // only the desk's own people and answers lead out of the desk
                if matches!(task.state, TaskState::Desk { .. }) && !matches!(moved.task.state, TaskState::Desk { .. }) {
                    prop_assert!(moved.effects.contains(&Effect::CloseDesk));
                }
                // erased is never said below confirmed
                if let TaskState::Settled { outcome: Outcome::Erased, evidence } = &moved.task.state {
                    prop_assert!(evidence.reaches(EvidenceLevel::Confirmed));
                }
                // whoever settles tells the request
                if moved.task.state.is_settled() {
                    prop_assert!(moved.effects.contains(&Effect::FollowUp));
                }
                // every open task is due, ordered, waiting with a time, blocked with a cause, or on the desk
                let (queue, _) = queue(&moved.task);
                let accounted = queue != Queue::None || moved.task.state.order().is_some() || matches!(moved.task.state, TaskState::Blocked { .. } | TaskState::Desk { .. } | TaskState::Settled { .. });
                prop_assert!(accounted);
                task = moved.task;
                let e = entry(n as u128 + 1, crate::journal::TaskChange::of(&task, event.word()));
                replay.take(crate::journal::Entry::read(&e.body, &e.items).expect("reads")).expect("replays");
                prop_assert_eq!(replay.tasks.get(&task.id), Some(&task));
            }
        }
    }
}

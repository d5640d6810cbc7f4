//! The moves of the task machine: what each event makes of a task.

use std::time::Duration;

use super::{
    Answered, AskAgain, Cause, Effect, MOST_GENERATIONS, MOST_RECALLS, Move, Recall, Rules, Seen,
    Task, TaskState, WaitsOn,
};
use crate::{
    EvidenceLevel, OrderId, Outcome, Timestamp, desk::Reason, evidence::Observation,
    manifest::StepId,
};

pub(super) struct Next<'a> {
    pub(super) task: &'a Task,
    pub(super) rules: &'a Rules,
    pub(super) now: Timestamp,
    pub(super) random: u64,
}

/// Whether an order follows by itself.
const fn goes_on(state: &TaskState) -> bool {
    matches!(state, TaskState::Ready { .. } | TaskState::Blocked { .. })
}

impl Next<'_> {
    pub(super) fn with(&self, change: impl FnOnce(&mut Task), effects: Vec<Effect>) -> Move {
        let mut task = self.task.clone();
        change(&mut task);
        task.version += 1;
        let mut effects = effects;
        if task.cancel_marked && !task.sent && goes_on(&task.state) {
            // only a read was out: nothing has begun, and nothing begins any more
            let evidence = task.evidence;
            task.state = TaskState::Settled { outcome: Outcome::Cancelled, evidence };
            effects.extend([Effect::CloseDesk, Effect::FollowUp]);
        }
        let was_on_desk = matches!(self.task.state, TaskState::Desk { .. });
        if was_on_desk && !matches!(task.state, TaskState::Desk { .. }) {
            effects.push(Effect::CloseDesk);
        }
        Move { task, effects }
    }

    pub(super) fn state(&self, state: TaskState) -> Move {
        self.with(|t| t.state = state, vec![])
    }

    pub(super) fn ready(&self, due: Timestamp) -> Move {
        self.state(TaskState::Ready { due })
    }

    pub(super) fn retried(&self) -> Move {
        let now = self.now;
        self.with(
            |t| {
                t.failures = 0;
                t.state = TaskState::Ready { due: now };
            },
            vec![],
        )
    }

    pub(super) fn ordered(&self, order: OrderId, changing: bool) -> Move {
        self.with(
            |t| {
                t.sent |= changing;
                t.state = TaskState::Sending { order };
            },
            vec![],
        )
    }

    /// Marked; what the vendor may still take back is wanted back.
    pub(super) fn cancel_marked(&self) -> Move {
        let wanted = self.recall(true);
        self.with(
            |t| {
                t.cancel_marked = true;
                if let TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } = &mut t.state
                    && *recall == Recall::NotWanted
                {
                    *recall = wanted;
                }
            },
            vec![],
        )
    }

    const fn recall(&self, cancelled: bool) -> Recall {
        if cancelled && self.rules.recalls {
            Recall::Wanted { at: self.now, tries: 0, alone: false }
        } else {
            Recall::NotWanted
        }
    }

    pub(super) fn recall_again(
        &self,
        tries: u32,
        alone: bool,
        again: AskAgain,
        vain: Recall,
    ) -> Recall {
        let tries = tries + 1;
        let next = |after| self.rules.retry.next(self.now, tries + 1, after, self.random);
        match again {
            AskAgain::Never => vain,
            AskAgain::Later { .. } | AskAgain::Alone if tries >= MOST_RECALLS => vain,
            AskAgain::Later { retry_after } => {
                Recall::Wanted { at: next(retry_after), tries, alone }
            }
            // refused alone as well
            AskAgain::Alone if alone => vain,
            AskAgain::Alone => Recall::Wanted { at: next(None), tries, alone: true },
        }
    }

    pub(super) fn desk(&self, reason: Reason) -> Move {
        let effects = vec![Effect::OpenDesk(reason.clone()), Effect::FollowUp];
        self.with(|t| t.state = TaskState::Desk { reason }, effects)
    }

    pub(super) fn beside(&self, reason: Reason) -> Move {
        self.with(|_| {}, vec![Effect::OpenDesk(reason)])
    }

    pub(super) fn settled(&self, outcome: Outcome, evidence: EvidenceLevel) -> Move {
        self.with(
            |t| {
                t.evidence = t.evidence.raised_to(evidence);
                t.state = TaskState::Settled { outcome, evidence: t.evidence };
            },
            vec![Effect::CloseDesk, Effect::FollowUp],
        )
    }

    /// Settles on a person's word: it does not pass for a vendor's confirmation, which a look-up may
    /// have contradicted.
    pub(super) fn attested(&self) -> Move {
        let outcome = Outcome::done(self.task.action);
        let mut moved = self.settled(outcome.clone(), EvidenceLevel::Attested);
        moved.task.evidence = EvidenceLevel::Attested;
        moved.task.state = TaskState::Settled { outcome, evidence: EvidenceLevel::Attested };
        moved
    }

    /// Settles, or goes to the desk when the evidence is below the account's floor.
    pub(super) fn ends(&self, outcome: Outcome, evidence: EvidenceLevel) -> Move {
        let reached = self.task.evidence.raised_to(evidence);
        if reached.reaches(self.rules.floor) {
            return self.settled(outcome, evidence);
        }
        let (forwarded, promised_by) = match outcome {
            Outcome::Instructed { forwarded, promised_by } => (forwarded, promised_by),
            _ => (false, None),
        };
        let floor = self.rules.floor;
        let mut moved = self.desk(Reason::BelowFloor { reached, floor, forwarded, promised_by });
        moved.task.evidence = reached;
        moved
    }

    pub(super) fn next_step(&self, step: &StepId) -> Move {
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

    pub(super) fn answered(&self, order: Option<OrderId>, answer: &Answered) -> Move {
        let now = self.now;
        match answer {
            Answered::Confirmed { forwarded: true } => {
                self.ends(Outcome::told(true, None), EvidenceLevel::Instructed)
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
                let recall = self.recall(self.task.cancel_marked);
                self.waiting(order, WaitsOn::Receipt { receipt: *receipt, recall })
            }
            Answered::AcceptedOnPromise { done_by } => {
                self.waiting(order, WaitsOn::Promise { done_by: *done_by, look_at: None })
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
            // definitely not done, and nobody wishes it any more
            Answered::NotDone | Answered::AccountRefused | Answered::RetryLater { .. }
                if self.task.cancel_marked =>
            {
                self.settled(Outcome::Cancelled, EvidenceLevel::None)
            }
            Answered::NotDone | Answered::AccountRefused => self.ready(now),
            Answered::RetryLater { retry_after } => self.later(*retry_after),
            Answered::Refused { code } => self.desk(Reason::Refused { code: code.clone() }),
            Answered::NeedsPerson { reason } => {
                self.desk(Reason::NeedsPerson { reason: reason.clone() })
            }
        }
    }

    pub(super) fn waiting(&self, order: Option<OrderId>, on: WaitsOn) -> Move {
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

    pub(super) fn later(&self, retry_after: Option<Duration>) -> Move {
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

    pub(super) fn looked_after_confirmation(
        &self,
        seen: Seen,
        since: Timestamp,
        looks: u32,
    ) -> Move {
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

    pub(super) fn looked_after_promise(
        &self,
        seen: Seen,
        order: OrderId,
        since: Timestamp,
        promised_by: Timestamp,
    ) -> Move {
        match seen {
            Seen::Absent => self.settled(Outcome::done(self.task.action), EvidenceLevel::Verified),
            Seen::CannotTell => {
                self.ends(Outcome::told(false, Some(promised_by)), EvidenceLevel::Accepted)
            }
            Seen::Ambiguous => self.desk(Reason::AmbiguousMatch),
            Seen::Present | Seen::Failed => {
                let late = seen == Seen::Present && self.now >= since.plus(self.rules.bound);
                // a failed look is tried again soon; who is still there, ten times within the bound
                let look_at = if seen == Seen::Failed {
                    self.rules.retry.next(self.now, 3, None, self.random)
                } else {
                    let tenth = (self.rules.bound / 10)
                        .clamp(Duration::from_secs(1), Duration::from_secs(86_400));
                    crate::retry::next_poll(self.now, tenth, 0, self.random)
                };
                let effects = if late { vec![Effect::OpenDesk(Reason::Slow)] } else { vec![] };
                self.with(
                    |t| {
                        let on = WaitsOn::Promise { done_by: promised_by, look_at: Some(look_at) };
                        t.state = TaskState::Waiting { order, on, since };
                    },
                    effects,
                )
            }
        }
    }

    /// Confirmed, yet still there past the bound: begin anew, at most twice, and never for who was
    /// cancelled meanwhile.
    pub(super) fn again_or_desk(&self) -> Move {
        if self.task.generation >= MOST_GENERATIONS || self.task.cancel_marked {
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

    pub(super) fn observed(&self, seen: Seen) -> Move {
        let observation = match seen {
            Seen::Absent => Observation::NotFound,
            Seen::Present | Seen::Ambiguous => Observation::WouldAct,
            Seen::CannotTell => Observation::CannotTell,
            Seen::Failed => return self.later(None),
        };
        self.settled(Outcome::Observed(observation), EvidenceLevel::None)
    }
}

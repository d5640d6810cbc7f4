//! After a request is closed its vendors are looked at again: is the person gone for good? A watch
//! looks and tells; it never erases. Whoever is seen again is put before a person.

mod days;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, EvidenceLevel, Outcome, RequestId, TaskId, Timestamp,
    action::words,
    desk::Reason,
    task::{Seen, Task, TaskState},
};

pub use days::{BadDays, Days};

/// A look that fails is tried again so much later.
const TRY_AGAIN: Duration = Duration::from_secs(86_400);
/// So many failures in a row are a look that could not be made.
const MOST_FAILURES: u32 = 5;
/// A watch that was not looked at for so long after its last day ends: what it keeps of a person is
/// not kept for an account that nobody opens again.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(30 * 86_400);

words! {
    /// What became of a watch that saw nobody come back.
    Found, "result of a watch" {
        /// The last look found nobody.
        Absent = "absent",
        /// The last look did not tell.
        NotTold = "not_told",
        /// The last look could not be made.
        NotAsked = "not_asked",
    }
}

words! {
    /// How a person comes to be seen again, as a named person sees it.
    Explanation, "explanation" {
        ReturnedByOwnAct = "returned-by-own-act",
        ReImported = "re-imported",
        NeverErased = "never-erased",
    }
}

/// One look of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    pub at: Timestamp,
    pub seen: Seen,
}

/// A person's explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    pub at: Timestamp,
    pub by: String,
    pub explanation: Explanation,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// Where a watch stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum WatchState {
    Watching {
        next: Timestamp,
    },
    SeenAgain {
        at: Timestamp,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explained: Option<Explained>,
    },
    Ended {
        at: Timestamp,
        found: Found,
    },
}

impl WatchState {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Watching { .. } => "watching",
            Self::SeenAgain { .. } => "seen again",
            Self::Ended { .. } => "ended",
        }
    }
}

/// One person at one account after their request was closed; nothing personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The task that erased; the watch is known by it.
    pub task: TaskId,
    pub request: RequestId,
    pub account: AccountId,
    pub version: u32,
    pub since: Timestamp,
    /// Days after `since` on which a look is still to come.
    pub days: Days,
    /// Whether a look has found nobody there since the erasure.
    pub verified: bool,
    /// Until when the vendor may still hold the person by its own bound, where nothing is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<Look>,
    /// Looks that failed one after the other.
    #[serde(default, skip_serializing_if = "crate::journal::is_zero")]
    pub failures: u32,
    #[serde(flatten)]
    pub state: WatchState,
}

/// What a watch needs to know about its task's account: of one that cannot be looked at, or whose
/// look-up proves nothing about an erasure, there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchable {
    /// How long the vendor may take by its own word.
    pub bound: Duration,
}

/// The watch over a task of a request that closes, settled at `settled_at`; `None` where there is
/// nothing that could come back.
#[must_use]
pub fn begin(
    task: &Task,
    settled_at: Timestamp,
    account: Option<Watchable>,
    days: Days,
    now: Timestamp,
) -> Option<Watch> {
    let account = account.filter(|_| task.action.erases())?;
    let TaskState::Settled { outcome, evidence } = &task.state else { return None };
    let promised_by = match outcome {
        Outcome::Erased | Outcome::Anonymised => None,
        Outcome::Instructed { promised_by, .. } => *promised_by,
        // nobody was there, nothing was done, or a person decided against it: nothing to come undone
        Outcome::NotFound
        | Outcome::NotSupported
        | Outcome::NotHeld
        | Outcome::Observed(_)
        | Outcome::Exempt { .. }
        | Outcome::Waived { .. }
        | Outcome::Cancelled
        | Outcome::Superseded
        | Outcome::Recalled
        // how the vendor answered is lost
        | Outcome::OnRecord
        // of another action
        | Outcome::Suppressed
        | Outcome::Lifted => return None,
    };
    let next = days.first().map(|day| after(now, day))?;
    let verified = *evidence == EvidenceLevel::Verified;
    let bound = promised_by.unwrap_or_else(|| settled_at.plus(account.bound));
    Some(Watch {
        task: task.id,
        request: task.request,
        account: task.account.clone(),
        version: 1,
        since: now,
        days,
        verified,
        bound_until: (!verified && bound > now).then_some(bound),
        looks: vec![],
        failures: 0,
        state: WatchState::Watching { next },
    })
}

fn after(since: Timestamp, day: u8) -> Timestamp {
    since.plus(Duration::from_secs(u64::from(day) * 86_400))
}

impl Watch {
    /// When it looks next, while it does.
    #[must_use]
    pub const fn next(&self) -> Option<Timestamp> {
        match &self.state {
            WatchState::Watching { next } => Some(*next),
            WatchState::SeenAgain { .. } | WatchState::Ended { .. } => None,
        }
    }

    /// When it ends without having looked, while it goes on.
    #[must_use]
    pub fn given_up_at(&self) -> Option<Timestamp> {
        let last = self.days.last().map_or(self.since, |day| after(self.since, day));
        self.next().map(|next| next.max(last).plus(GIVEN_UP_AFTER))
    }

    /// One sentence on how it stands.
    #[must_use]
    pub fn sentence(&self) -> String {
        let looks = match self.looks.len() {
            0 => "not looked yet".to_owned(),
            1 => "looked once".to_owned(),
            n => format!("looked {n} times"),
        };
        match &self.state {
            WatchState::Watching { next } => {
                let last = self.looks.last().map_or("", |look| match look.seen {
                    Seen::Absent => ", nobody there",
                    Seen::Present => ", still there within the vendor's own bound",
                    Seen::Ambiguous => ", more than one record answers",
                    Seen::CannotTell => ", the vendor could not tell",
                    Seen::Failed => ", the vendor did not answer",
                });
                format!("{looks}{last}; again on {}", next.utc_date())
            }
            WatchState::SeenAgain { at, explained: None } => {
                format!("seen again on {}; it waits on the desk", at.utc_date())
            }
            WatchState::SeenAgain { at, explained: Some(told) } => {
                format!("seen again on {}: {} ({})", at.utc_date(), told.explanation, told.by)
            }
            WatchState::Ended { at, found: Found::Absent } => {
                format!("{looks}, nobody came back; ended on {}", at.utc_date())
            }
            WatchState::Ended { at, found: Found::NotTold } => {
                format!("{looks}, the last did not tell; ended on {}", at.utc_date())
            }
            WatchState::Ended { at, found: Found::NotAsked } => {
                format!("{looks}, the last could not be made; ended on {}", at.utc_date())
            }
        }
    }
}

/// What can happen to a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Looked {
        seen: Seen,
    },
    /// The account could not be looked at until long after the last day.
    GivenUp,
    Explained {
        explanation: Explanation,
        by: String,
        note: String,
    },
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Looked { seen: Seen::Absent } => "looked again: absent",
            Self::Looked { seen: Seen::Present } => "looked again: present",
            Self::Looked { seen: Seen::Ambiguous } => "looked again: ambiguous",
            Self::Looked { seen: Seen::CannotTell } => "looked again: cannot tell",
            Self::Looked { seen: Seen::Failed } => "looked again: failed",
            Self::GivenUp => "watch given up",
            Self::Explained { .. } => "explained",
        }
    }
}

/// A watch as it stands after an event, and what is put before a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    pub watch: Watch,
    pub desk: Option<Reason>,
}

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a watch that is {state} cannot be {event}")]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
}

/// The one door of a watch.
///
/// # Errors
/// [`Refusal`] naming state and event.
pub fn apply(watch: &Watch, event: &Event, now: Timestamp) -> Result<Moved, Refusal> {
    let mut next = watch.clone();
    next.version += 1;
    let desk = match (&watch.state, event) {
        (WatchState::Watching { .. }, Event::Looked { seen }) => look(&mut next, *seen, now),
        (WatchState::Watching { .. }, Event::GivenUp) => {
            next.state = WatchState::Ended { at: now, found: Found::NotAsked };
            Some(Reason::WatchBlind)
        }
        (
            WatchState::SeenAgain { at, explained: None },
            Event::Explained { explanation, by, note },
        ) => {
            let told = Explained {
                at: now,
                by: by.clone(),
                explanation: *explanation,
                note: note.clone(),
            };
            next.state = WatchState::SeenAgain { at: *at, explained: Some(told) };
            None
        }
        (
            WatchState::Watching { .. } | WatchState::SeenAgain { .. } | WatchState::Ended { .. },
            _,
        ) => return Err(Refusal { state: watch.state.word(), event: event.word() }),
    };
    Ok(Moved { watch: next, desk })
}

fn look(watch: &mut Watch, seen: Seen, now: Timestamp) -> Option<Reason> {
    if seen == Seen::Failed {
        watch.failures += 1;
        if watch.failures < MOST_FAILURES {
            watch.state = WatchState::Watching { next: now.plus(TRY_AGAIN) };
            return None;
        }
    }
    watch.failures = 0;
    watch.looks.push(Look { at: now, seen });
    watch.days = watch.days.keep(|day| after(watch.since, day) > now);
    let next = watch.days.first().map(|day| after(watch.since, day));
    let found = match seen {
        Seen::Absent => {
            watch.verified = true;
            Found::Absent
        }
        Seen::Present => {
            // by its own word the vendor is not done yet: no news, and one look more when it should be
            if let Some(bound) = watch.bound_until.filter(|at| *at > now && !watch.verified) {
                watch.state = WatchState::Watching { next: next.unwrap_or(bound) };
                return None;
            }
            watch.state = WatchState::SeenAgain { at: now, explained: None };
            return Some(Reason::SeenAgain { verified_before: watch.verified });
        }
        Seen::Ambiguous | Seen::CannotTell => Found::NotTold,
        Seen::Failed => Found::NotAsked,
    };
    watch.state = match next {
        Some(next) => WatchState::Watching { next },
        None => WatchState::Ended { at: now, found },
    };
    (next.is_none() && found == Found::NotAsked).then_some(Reason::WatchBlind)
}

#[cfg(test)]
mod tests;

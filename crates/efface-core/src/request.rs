//! The request machine, and [`advance`]: what a request's tasks make of it.

mod advance;
mod expiry;
mod forget;
mod retention;

use std::time::Duration;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ControllerId, ImportId, RequestAction, RequestId, Scope, SuppressionId, Timestamp,
    action::words, restore::Ended, subject::Relation,
};

pub use advance::{Advance, advance, anything_sent, ending, patience};
pub use expiry::{LEAST_NOTICE, Patience, Unproved, expires_at, notice_at, unproved};
pub use forget::{Forgetting, Keeping, forgetting};
pub use retention::{LEAST_MONTHS, Records, ends_at, kept_until};

words! {
    /// Why a request is denied; each maps to the protocols' own codes.
    DenialCode, "denial code" {
        FraudSuspected = "fraud_suspected",
        IdentityUnverified = "identity_unverified",
        Exempt = "exempt",
        OutOfScopeJurisdiction = "out_of_scope_jurisdiction",
        Excessive = "excessive",
        Other = "other",
    }
}

/// How a request that ran ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The wish was met at every vendor.
    Completed,
    /// At `met` of `of` tasks.
    Partly { met: u32, of: u32 },
    /// No vendor knew the person; a named person looked at it.
    NoMatch,
    /// Look-ups only.
    Observed,
}

/// Where a request stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RequestState {
    Received,
    Identified,
    Released { by: String, at: Timestamp, cooling_until: Timestamp },
    Running { since: Timestamp },
    Closed { ending: Ending, at: Timestamp },
    Denied { code: DenialCode, note: String, by: String, at: Timestamp },
    Cancelled { by: String, at: Timestamp },
    Expired { at: Timestamp },
    Duplicate { of: RequestId },
}

impl RequestState {
    /// Every word, in the order of life.
    pub const WORDS: [&'static str; 9] = [
        "received",
        "identified",
        "released",
        "running",
        "closed",
        "denied",
        "cancelled",
        "expired",
        "duplicate",
    ];

    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Identified => "identified",
            Self::Released { .. } => "released",
            Self::Running { .. } => "running",
            Self::Closed { .. } => "closed",
            Self::Denied { .. } => "denied",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
            Self::Duplicate { .. } => "duplicate",
        }
    }

    /// For people: the ending beside the word.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Closed { ending, .. } => match ending {
                Ending::Completed => "closed: completed".into(),
                Ending::Partly { met, of } => format!("closed: partly ({met} of {of})"),
                Ending::NoMatch => "closed: no match".into(),
                Ending::Observed => "closed: observed".into(),
            },
            Self::Denied { code, .. } => format!("denied: {code}"),
            Self::Duplicate { of } => format!("duplicate of {of}"),
            Self::Received
            | Self::Identified
            | Self::Released { .. }
            | Self::Running { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. } => self.word().into(),
        }
    }

    /// Counts call *closed* every end state.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        match self {
            Self::Received | Self::Identified | Self::Released { .. } | Self::Running { .. } => {
                false
            }
            Self::Closed { .. }
            | Self::Denied { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. }
            | Self::Duplicate { .. } => true,
        }
    }
}

/// The outcome told to the person; this stops the statutory clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    pub at: Timestamp,
    pub by: String,
    pub notice: String,
}

/// A legal hold: nothing new is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
}

/// Filed by mistake: shredding is frozen and an incident sheet is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InError {
    pub at: Timestamp,
    pub by: String,
    pub reason: String,
}

/// What a request has to do with the suppression list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The entry it was filed for, or left.
    pub entry: SuppressionId,
    /// Planned over these accounts alone; over all of its controller's when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<AccountId>,
    /// What proves that the person wants to be taken off the list: with a lift alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<String>,
    /// Since when the entry knows how it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noted_at: Option<Timestamp>,
}

impl Listed {
    /// Filed for an entry, over some accounts alone.
    #[must_use]
    pub const fn for_accounts(entry: SuppressionId, only: Vec<AccountId>) -> Self {
        Self { entry, only, consent: None, noted_at: None }
    }

    /// Filed to take an entry off the list.
    #[must_use]
    pub const fn off_the_list(entry: SuppressionId, consent: String) -> Self {
        Self { entry, only: vec![], consent: Some(consent), noted_at: None }
    }
}

/// The part of a request that is not personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: RequestId,
    pub version: u32,
    pub controller: ControllerId,
    pub action: RequestAction,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    pub relation: Relation,
    pub received_on: Date,
    /// Provisional: received_on + 30 days until rule packs come.
    pub due_on: Date,
    /// End of `due_on` in the controller's zone.
    pub due_at: Timestamp,
    pub filed_at: Timestamp,
    pub filed_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regime: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<ImportId>,
    pub state: RequestState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// How long holds that are over have kept it.
    #[serde(default, skip_serializing_if = "Duration::is_zero")]
    pub held_for: Duration,
    /// Since when the desk says that its proof is missing; holds since then taken off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof_missed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breached_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_error: Option<InError>,
    /// Since when nothing personal of it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forgotten_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

impl Request {
    /// Whether an account is among those it is planned over.
    #[must_use]
    pub fn is_for(&self, account: &AccountId) -> bool {
        self.listed.as_ref().is_none_or(|l| l.only.is_empty() || l.only.contains(account))
    }

    /// Whether it is planned over some of its controller's accounts alone.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.listed.as_ref().is_some_and(|l| !l.only.is_empty())
    }
}

/// What can happen to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    Identified {
        how: String,
        by: String,
    },
    Released {
        by: String,
        cooling_until: Timestamp,
    },
    Started,
    Amended {
        by: String,
    },
    Closed {
        ending: Ending,
    },
    Denied {
        code: DenialCode,
        note: String,
        by: String,
    },
    Cancelled {
        by: String,
    },
    Expired,
    Held {
        by: String,
        reason: String,
    },
    HoldEnded {
        by: String,
    },
    /// The desk was told that nobody has proved it.
    ProofMissed,
    Told {
        by: String,
        notice: String,
    },
    Breached,
    MarkedInError {
        by: String,
        reason: String,
    },
    /// Its key and everything sealed under it were destroyed.
    Forgotten,
    /// The suppression list knows how it ended.
    Listed {
        entry: SuppressionId,
    },
    /// It ended in a history that was lost, as the record kept outside tells.
    EndedOnRecord {
        ended: Ended,
    },
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Identified { .. } => "identified",
            Self::Released { .. } => "released",
            Self::Started => "started",
            Self::Amended { .. } => "amended",
            Self::Closed { .. } => "closed",
            Self::Denied { .. } => "denied",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired => "expired",
            Self::Held { .. } => "held",
            Self::HoldEnded { .. } => "hold ended",
            Self::ProofMissed => "proof missed",
            Self::Told { .. } => "answered",
            Self::Breached => "breached",
            Self::MarkedInError { .. } => "marked in error",
            Self::Forgotten => "forgotten",
            Self::Listed { .. } => "listed",
            Self::EndedOnRecord { .. } => "ended on record",
        }
    }
}

/// "be cancelled": an event's word as a refusal goes on with it.
fn doing(event: &str) -> String {
    match event {
        "hold ended" => "have its hold ended".into(),
        "started" => "start".into(),
        other => format!("be {other}"),
    }
}

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a request that is {state} cannot {}{}", doing(event), if hint.is_empty() { String::new() } else { format!(": {hint}") })]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
    pub hint: &'static str,
}

/// The one door of the request machine.
///
/// # Errors
/// [`Refusal`] naming state and event, with a hint where one helps.
pub fn apply(request: &Request, event: &Event, now: Timestamp) -> Result<Request, Refusal> {
    use RequestState as S;
    let mut next = request.clone();
    next.version += 1;
    let refusal = |hint| Refusal { state: request.state.word(), event: event.word(), hint };
    match (&request.state, event) {
        // facts beside the state
        (S::Received | S::Identified | S::Released { .. }, Event::Told { .. }) => {
            return Err(refusal(
                "nothing was done yet, so there is no outcome to tell; deny it with a reason, or wait until it runs",
            ));
        }
        (_, Event::Told { by, notice }) => match request.told {
            Some(_) => return Err(refusal("the person has been told already")),
            None => next.told = Some(Told { at: now, by: by.clone(), notice: notice.clone() }),
        },
        (state, Event::Forgotten) if state.is_over() => {
            if request.in_error.is_some() {
                return Err(refusal("it was filed in error, and what it did must stay readable"));
            }
            match request.forgotten_at {
                Some(_) => return Err(refusal("it is forgotten already")),
                None => next.forgotten_at = Some(now),
            }
        }
        (state, Event::Listed { entry }) if state.is_over() => match &request.listed {
            Some(Listed { noted_at: Some(_), .. }) => {
                return Err(refusal("the list knows of it already"));
            }
            before => {
                let (only, consent) = before
                    .as_ref()
                    .map(|l| (l.only.clone(), l.consent.clone()))
                    .unwrap_or_default();
                next.listed = Some(Listed { entry: *entry, only, consent, noted_at: Some(now) });
            }
        },
        (_, Event::MarkedInError { .. }) if request.forgotten_at.is_some() => {
            return Err(refusal("nothing personal of it is kept any more"));
        }
        (_, Event::MarkedInError { by, reason }) => {
            next.in_error = Some(InError { at: now, by: by.clone(), reason: reason.clone() })
        }
        (state, Event::Breached) if !state.is_over() || request.told.is_none() => {
            match request.breached_at {
                Some(_) => return Err(refusal("the breach is on record already")),
                None => next.breached_at = Some(now),
            }
        }
        (
            S::Received | S::Identified | S::Released { .. } | S::Running { .. },
            Event::Held { by, reason },
        ) => match request.hold {
            Some(_) => return Err(refusal("it is held already")),
            None => next.hold = Some(Hold { at: now, by: by.clone(), reason: reason.clone() }),
        },
        // of one that is over as well: nothing of it is forgotten before
        (_, Event::HoldEnded { .. }) => match &request.hold {
            None => return Err(refusal("it is not held")),
            // nobody could act on it meanwhile: no clock of ours ran
            Some(hold) => {
                let held = now.since(hold.at);
                next.hold = None;
                next.held_for = next.held_for.saturating_add(held);
                next.proof_missed_at = next.proof_missed_at.map(|at| at.plus(held));
            }
        },
        (S::Received, Event::ProofMissed) => match request.proof_missed_at {
            Some(_) => return Err(refusal("the desk was told already")),
            None => next.proof_missed_at = Some(now),
        },

        // the states
        (S::Received, Event::Identified { .. }) => next.state = S::Identified,
        (S::Received, Event::Released { .. }) => {
            return Err(refusal("nothing proves who the person is; use `request identify` first"));
        }
        (S::Identified, Event::Released { by, cooling_until }) => {
            next.state = S::Released { by: by.clone(), at: now, cooling_until: *cooling_until }
        }
        (S::Released { cooling_until, .. }, Event::Started) => {
            if request.hold.is_some() {
                return Err(refusal("it is on hold"));
            }
            if *cooling_until > now {
                return Err(refusal("it is cooling off"));
            }
            next.state = S::Running { since: now };
        }
        // whoever amends after release releases again
        // whoever amends has cleared the desk: it is told anew, and for as long
        (S::Received | S::Identified, Event::Amended { .. }) => next.proof_missed_at = None,
        (S::Released { .. } | S::Running { .. }, Event::Amended { .. }) => {
            next.state = S::Identified
        }
        (S::Running { .. }, Event::Closed { ending }) => {
            next.state = S::Closed { ending: *ending, at: now }
        }
        (S::Received | S::Identified | S::Released { .. }, Event::Denied { code, note, by }) => {
            next.state = S::Denied { code: *code, note: note.clone(), by: by.clone(), at: now };
        }
        (S::Running { .. }, Event::Denied { .. }) => {
            return Err(refusal("it is under way; cancel it, then tell the person what was done"));
        }
        (S::Received | S::Identified | S::Released { .. }, Event::Cancelled { by }) => {
            next.state = S::Cancelled { by: by.clone(), at: now }
        }
        // the caller has made sure that nothing was sent
        (S::Running { .. }, Event::Cancelled { by }) => {
            next.state = S::Cancelled { by: by.clone(), at: now }
        }
        (
            S::Received | S::Identified | S::Released { .. } | S::Running { .. },
            Event::EndedOnRecord { ended },
        ) => next.state = ended.state(),
        (S::Received, Event::Expired) => next.state = S::Expired { at: now },

        (
            S::Received
            | S::Identified
            | S::Released { .. }
            | S::Running { .. }
            | S::Closed { .. }
            | S::Denied { .. }
            | S::Cancelled { .. }
            | S::Expired { .. }
            | S::Duplicate { .. },
            _,
        ) => return Err(refusal("")),
    }
    Ok(next)
}

#[cfg(test)]
pub(crate) mod tests;

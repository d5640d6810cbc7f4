//! When what is personal of a request is forgotten.

use std::time::Duration;

use super::{Ending, Request, RequestState};
use crate::{RequestAction, Timestamp};

/// How long the personal part of a request is kept after it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// Once the person was told: time for questions and disputes.
    pub after_answer: Duration,
    /// While nobody has put on record that the person was told.
    pub unanswered: Duration,
}

impl Keeping {
    pub const DEFAULT: Self = Self {
        after_answer: Duration::from_secs(7 * 86_400),
        unanswered: Duration::from_secs(90 * 86_400),
    };
}

/// What to do with the personal part of a request that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgetting {
    Later(Timestamp),
    Due,
}

/// `None` where nothing is forgotten by itself: the request is not over, it is on hold, it was marked
/// as filed in error, it is forgotten already, or it suppressed somebody and the suppression list has not
/// taken up yet what an honest lift needs.
#[must_use]
pub fn forgetting(request: &Request, keeping: Keeping, now: Timestamp) -> Option<Forgetting> {
    let is_listed = request.listed.as_ref().is_some_and(|l| l.noted_at.is_some());
    let ended_at = match &request.state {
        RequestState::Received
        | RequestState::Identified
        | RequestState::Released { .. }
        | RequestState::Running { .. } => return None,
        RequestState::Closed { at, ending } => match request.action {
            RequestAction::Suppress | RequestAction::EraseAndSuppress
                if *ending != Ending::Observed && !is_listed =>
            {
                return None;
            }
            RequestAction::Suppress
            | RequestAction::EraseAndSuppress
            | RequestAction::Erase
            | RequestAction::Lift => *at,
        },
        RequestState::Denied { at, .. }
        | RequestState::Cancelled { at, .. }
        | RequestState::Expired { at } => *at,
        RequestState::Duplicate { .. } => request.filed_at,
    };
    if request.in_error.is_some() || request.hold.is_some() || request.forgotten_at.is_some() {
        return None;
    }
    let at = match &request.told {
        Some(told) => ended_at.max(told.at).plus(keeping.after_answer),
        None => ended_at.plus(keeping.unanswered),
    };
    Some(if now >= at { Forgetting::Due } else { Forgetting::Later(at) })
}

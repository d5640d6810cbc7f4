//! What becomes of a request that nobody proves.

use std::time::Duration;

use super::{Request, RequestState};
use crate::Timestamp;

/// The desk says at least so long that a proof is missing before a request expires, whatever the
/// settings say and however late they say it.
pub const LEAST_NOTICE: Duration = Duration::from_secs(7 * 86_400);

/// How long an unproved request is kept, and for how long of that the desk says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub whole: Duration,
    pub notice: Duration,
}

impl Patience {
    /// The last third is the notice, and never less than [`LEAST_NOTICE`].
    #[must_use]
    pub fn of(whole: Duration) -> Self {
        Self { whole, notice: (whole / 3).max(LEAST_NOTICE) }
    }
}

/// What to do with a request that still waits for a proof of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproved {
    /// Look again then.
    Later(Timestamp),
    /// The desk is to be told: the request expires then.
    Notice { expires_at: Timestamp },
    /// The desk has been told, and it expires then.
    Told { expires_at: Timestamp },
    /// Its time is over, and so is the notice's.
    Over,
}

/// When the desk is told of a request that was filed `filed_at`.
#[must_use]
pub fn notice_at(filed_at: Timestamp, patience: Patience) -> Timestamp {
    filed_at.plus(patience.whole.saturating_sub(patience.notice))
}

/// When a request expires: not before its time, and not before its notice has stood for long
/// enough. Time under hold counts for neither.
#[must_use]
pub fn expires_at(request: &Request, patience: Patience, now: Timestamp) -> Timestamp {
    let filed_at = request.filed_at.plus(request.held_for);
    let told_at = request.proof_missed_at.unwrap_or_else(|| now.max(notice_at(filed_at, patience)));
    filed_at.plus(patience.whole).max(told_at.plus(patience.notice))
}

/// `None` for a request that is proved, over, or on hold: nothing of it is on this clock.
#[must_use]
pub fn unproved(request: &Request, patience: Patience, now: Timestamp) -> Option<Unproved> {
    if request.state != RequestState::Received || request.hold.is_some() {
        return None;
    }
    let expires_at = expires_at(request, patience, now);
    let notice_at = notice_at(request.filed_at.plus(request.held_for), patience);
    Some(match request.proof_missed_at {
        Some(_) if now >= expires_at => Unproved::Over,
        Some(_) => Unproved::Told { expires_at },
        None if now >= notice_at => Unproved::Notice { expires_at },
        None => Unproved::Later(notice_at),
    })
}

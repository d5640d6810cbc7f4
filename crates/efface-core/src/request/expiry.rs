//! What becomes of a request that nobody proves.

use std::time::Duration;

use super::{Request, RequestState};
use crate::Timestamp;

/// What to do with a request that still waits for a proof of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproved {
    /// Look again then.
    Later(Timestamp),
    /// A person should ask for the proof, for it expires then.
    Notice { expires_at: Timestamp },
    /// Its time is over.
    Over,
}

/// When a request expires that was filed `filed_at`, and from when on the desk says so: for the last
/// third of the time.
#[must_use]
pub fn expiry(filed_at: Timestamp, patience: Duration) -> (Timestamp, Timestamp) {
    (filed_at.plus(patience - patience / 3), filed_at.plus(patience))
}

/// `None` for a request that is proved, over, or on hold: nothing of it is on this clock.
#[must_use]
pub fn unproved(request: &Request, patience: Duration, now: Timestamp) -> Option<Unproved> {
    if request.state != RequestState::Received || request.hold.is_some() {
        return None;
    }
    let (notice_at, expires_at) = expiry(request.filed_at, patience);
    Some(if now >= expires_at {
        Unproved::Over
    } else if now >= notice_at {
        Unproved::Notice { expires_at }
    } else {
        Unproved::Later(notice_at)
    })
}

//! The order: lane × account × action × step × items. At most one changing call; frozen when its
//! answer is lost.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, LaneId, OrderId, ReceiptId, TaskAction, TaskId, Timestamp,
    journal::is_zero,
    manifest::{EffectClass, StepId},
};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum OrderState {
    /// Committed; the call may be out.
    Sending,
    /// The answer was lost; looked into from `look_at`.
    Unknown { since: Timestamp, look_at: Timestamp },
    /// Answered for every item.
    Answered,
    /// Waits on a person's desk as one entry.
    Desk,
}

impl OrderState {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Unknown { .. } => "unknown",
            Self::Answered => "answered",
            Self::Desk => "desk",
        }
    }
}

/// An order as it is stored. Items are never regrouped before a definite answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    pub id: OrderId,
    pub lane: LaneId,
    /// Rises per lane.
    pub number: u64,
    pub account: AccountId,
    pub action: TaskAction,
    pub step: StepId,
    pub class: EffectClass,
    pub items: Vec<TaskId>,
    /// Idempotency key; stays with the order however often it is sent.
    pub key: String,
    /// Keyed digest of the request that is sent, hex; equal on every repeat.
    pub body_digest: String,
    pub first_sent_at: Timestamp,
    /// How often it was sent again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeats: u32,
    /// How often its owner was lost or panicked.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub recoveries: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recovered_at: Vec<Timestamp>,
    pub state: OrderState,
}

/// A vendor's promise to go on working.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredReceipt {
    pub id: ReceiptId,
    pub order: OrderId,
    pub lane: LaneId,
    pub account: AccountId,
    /// The connector's own format and content; no personal data.
    pub format: u16,
    pub body: String,
    pub polls: u32,
    pub poll_after: Duration,
    pub next_poll: Timestamp,
    /// Past this the wait is the desk's matter too.
    pub bound_at: Timestamp,
    pub slow_told: bool,
    /// All its items ended.
    pub done: bool,
    /// The vendor was asked to take people of it back, and has not answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_back: Option<AskedBack>,
}

/// A recall whose answer is not known: the call is out, or its answer was lost. Written before the
/// call leaves, so that whoever comes next knows of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedBack {
    pub at: Timestamp,
    pub people: Vec<TaskId>,
}

/// What to do with an order whose answer is lost, after `find` could not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// The same order again: whole, same body, same key.
    SendAgain,
    /// One desk entry for the order.
    Desk,
}

/// By class (architecture: idempotent and within key life → again; wasteful → once more; else desk).
#[must_use]
pub fn resolve(
    class: EffectClass,
    first_sent_at: Timestamp,
    repeats: u32,
    now: Timestamp,
) -> Resolution {
    match class {
        EffectClass::ReadOnly | EffectClass::NaturallyIdempotent => Resolution::SendAgain,
        EffectClass::KeyIdempotent { key_lifetime } if now < first_sent_at.plus(key_lifetime) => {
            Resolution::SendAgain
        }
        EffectClass::Wasteful if repeats == 0 => Resolution::SendAgain,
        EffectClass::KeyIdempotent { .. } | EffectClass::Wasteful | EffectClass::AtMostOnce => {
            Resolution::Desk
        }
    }
}

/// What to do with an order whose owner was lost for the third time in 72 h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    /// Not yet poisonous.
    Healthy,
    /// Items go back and are ordered in halves.
    Halve,
    /// A single item, or a class that may not be regrouped: to the desk.
    Desk,
}

/// Lost owners and panics within this window count together.
pub const POISON_WINDOW: Duration = Duration::from_secs(72 * 3600);

#[must_use]
pub fn poison(order: &Order, now: Timestamp) -> Poison {
    let recent = order.recovered_at.iter().filter(|at| now.since(**at) <= POISON_WINDOW).count();
    if recent < 3 {
        return Poison::Healthy;
    }
    match order.class {
        EffectClass::ReadOnly | EffectClass::NaturallyIdempotent if order.items.len() > 1 => {
            Poison::Halve
        }
        EffectClass::ReadOnly
        | EffectClass::NaturallyIdempotent
        | EffectClass::KeyIdempotent { .. }
        | EffectClass::Wasteful
        | EffectClass::AtMostOnce => Poison::Desk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Timestamp = Timestamp::from_millis(0);

    #[test]
    fn a_lost_answer_is_resolved_by_class() {
        let hour = Duration::from_secs(3600);
        let key = EffectClass::KeyIdempotent { key_lifetime: hour };
        for (class, repeats, after, want) in [
            (EffectClass::ReadOnly, 9, hour * 99, Resolution::SendAgain),
            (EffectClass::NaturallyIdempotent, 9, hour * 99, Resolution::SendAgain),
            (key, 5, hour / 2, Resolution::SendAgain),
            (key, 0, hour * 2, Resolution::Desk),
            (EffectClass::Wasteful, 0, hour, Resolution::SendAgain),
            (EffectClass::Wasteful, 1, hour, Resolution::Desk),
            (EffectClass::AtMostOnce, 0, hour, Resolution::Desk),
        ] {
            assert_eq!(
                resolve(class, SENT, repeats, SENT.plus(after)),
                want,
                "{class:?} after {repeats} repeats"
            );
        }
    }
}

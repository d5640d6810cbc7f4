//! What words mean.

use efface_core::{Outcome, manifest::EffectClass};

#[must_use]
pub fn class_word(class: EffectClass) -> &'static str {
    match class {
        EffectClass::ReadOnly => "read only",
        EffectClass::NaturallyIdempotent => "naturally idempotent",
        EffectClass::KeyIdempotent { .. } => "idempotent by key",
        EffectClass::Wasteful => "wasteful",
        EffectClass::AtMostOnce => "at most once",
    }
}

/// Whether an outcome says that a vendor did something to the person.
pub(super) const fn says_done(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Erased | Outcome::Suppressed | Outcome::Lifted | Outcome::Anonymised => true,
        Outcome::Instructed { .. }
        | Outcome::NotFound
        | Outcome::NotSupported
        | Outcome::NotHeld
        | Outcome::Observed(_)
        | Outcome::Exempt { .. }
        | Outcome::Waived { .. }
        | Outcome::Cancelled
        | Outcome::Superseded
        | Outcome::Recalled
        | Outcome::OnRecord => false,
    }
}

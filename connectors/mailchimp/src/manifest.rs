//! Mailchimp's card.

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, ListCard, Lists, LookUpCard,
    Manifest, Pace, Reversibility, SideEffect, Step, StepId, SuppressEffect, SuppressOrder,
    TaskAction,
};

/// Asks each audience for the person.
pub const FIND: StepId = StepId::named("find");
/// Deletes the person for good in one audience.
pub const DELETE: StepId = StepId::named("delete");
/// Unsubscribes the person in one audience.
pub const UNSUBSCRIBE: StepId = StepId::named("unsubscribe");
/// Asks the person, by the vendor's mail, to confirm a subscription in one audience.
pub const INVITE: StepId = StepId::named("invite");

/// People per look-up; each costs a call for every audience.
pub const LOOK_UP_BATCH: u32 = 10;

/// Members on one page of an audience.
pub const LIST_PAGE: u32 = 1000;

pub fn manifest() -> Manifest {
    Manifest {
        id: "mailchimp",
        title: "Mailchimp Marketing",
        category: "email",
        actions: vec![
            erase(TaskAction::Erase, None),
            erase(TaskAction::EraseAndSuppress, Some(SuppressEffect::MarketingMail)),
            suppress(),
            lift(),
        ],
        suppress_order: SuppressOrder::With,
        look_up: Some(LookUpCard { batch_items: LOOK_UP_BATCH, by: vec![IdentifierKind::Email] }),
        lists: Lists::InPages(ListCard { page_items: LIST_PAGE, by: vec![IdentifierKind::Email] }),
        finds: false,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 10.0, calls_in_flight: 8 },
        quota: Some("10 connections at a time per user; 429 or a bare 403 beyond"),
        hosts: &["*.api.mailchimp.com"],
        body_cap_bytes: 1_048_576,
        keeps: &[
            "the mark by which the vendor refuses to import the address again",
            "campaign reports as sums without persons",
            "customers and orders of connected shops",
            "Mailchimp Transactional (a product of its own)",
        ],
        scopes: &["an API key of a user who may manage contacts"],
        documentation: "https://mailchimp.com/developer/marketing/api/list-members/",
        read_on: "2026-11-22",
    }
}

fn step(id: StepId, class: EffectClass) -> Step {
    Step { id, class, batch_items: 1, batch_bytes: 1024 }
}

/// Deleting for good also keeps the address from being imported again, so that one call answers
/// for both words.
fn erase(action: TaskAction, stops: Option<SuppressEffect>) -> ActionCard {
    ActionCard {
        action,
        steps: vec![
            step(FIND, EffectClass::ReadOnly),
            step(DELETE, EffectClass::NaturallyIdempotent),
        ],
        keyed_by: vec![IdentifierKind::Email],
        stops,
        side_effects: vec![SideEffect::BlocksReentry],
        reversibility: Reversibility::Irreversible,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Verified,
        verified_by_look_up: true,
        tells_absence: true,
    }
}

fn suppress() -> ActionCard {
    ActionCard {
        action: TaskAction::Suppress,
        steps: vec![
            step(FIND, EffectClass::ReadOnly),
            step(UNSUBSCRIBE, EffectClass::NaturallyIdempotent),
        ],
        keyed_by: vec![IdentifierKind::Email],
        stops: Some(SuppressEffect::MarketingMail),
        side_effects: vec![],
        reversibility: Reversibility::ByLift,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: true,
    }
}

fn lift() -> ActionCard {
    ActionCard {
        action: TaskAction::Lift,
        steps: vec![
            step(FIND, EffectClass::ReadOnly),
            // a repeat sends the person another mail
            step(INVITE, EffectClass::Wasteful),
        ],
        keyed_by: vec![IdentifierKind::Email],
        stops: None,
        side_effects: vec![SideEffect::ContactsThePerson],
        reversibility: Reversibility::ByThePersonOnly,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: true,
    }
}

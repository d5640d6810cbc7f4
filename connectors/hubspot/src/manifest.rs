//! HubSpot's card.

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, ListCard, Lists, LookUpCard,
    Manifest, Pace, Reversibility, SideEffect, Step, StepId, SuppressEffect, SuppressOrder,
    TaskAction,
};

/// Searches for the records of several people at once.
pub const FIND: StepId = StepId::named("find");
/// Deletes one record for good.
pub const DELETE: StepId = StepId::named("delete");
/// Reads what a person is subscribed to now.
pub const STATE: StepId = StepId::named("state");
/// Opts one address out of all marketing mail.
pub const UNSUBSCRIBE: StepId = StepId::named("unsubscribe");
/// Subscribes one address again to one type of mail.
pub const RESUBSCRIBE: StepId = StepId::named("resubscribe");

/// People in one search order and in one look-up.
pub const SEARCH_BATCH: u32 = 20;

/// People on one page of the list.
pub const LIST_PAGE: u32 = 100;

/// The namespace of HubSpot's own record ids.
pub fn record_id() -> IdentifierKind {
    IdentifierKind::Vendor("hubspot".into())
}

pub fn manifest(purge_days: u16, lifts: bool) -> Manifest {
    let mut actions = vec![erase(purge_days), suppress(lifts)];
    if lifts {
        actions.push(lift());
    }
    Manifest {
        id: "hubspot",
        title: "HubSpot",
        category: "crm",
        actions,
        // the record, and with it what could be unsubscribed, goes with the erasure
        suppress_order: SuppressOrder::Before,
        look_up: Some(LookUpCard { batch_items: SEARCH_BATCH, by: keys() }),
        lists: Lists::InPages(ListCard { page_items: LIST_PAGE, by: keys() }),
        finds: false,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        // searches are limited to 5 a second for the whole account, other calls to 10
        pace: Pace { calls_per_second: 4.0, calls_in_flight: 4 },
        quota: Some("calls a day by plan; 100 calls in 10 seconds; 5 searches a second"),
        hosts: &["api.hubapi.com"],
        body_cap_bytes: 4_194_304,
        keeps: &[
            "the deleted addresses on a blocklist, main and further ones alike",
            "analytics without persons",
            "deals, companies, tickets and quotes the contact was associated with",
            "files attached to such records",
            "what is not yet purged, for up to 30 days, out of reach for users and API",
        ],
        scopes: &[
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "communication_preferences.read_write",
        ],
        documentation: "https://developers.hubspot.com/docs/api-reference/crm-contacts-v3/basic/post-crm-v3-objects-contacts-gdpr-delete",
        read_on: "2026-11-22",
    }
}

fn keys() -> Vec<IdentifierKind> {
    vec![IdentifierKind::Email, record_id()]
}

fn find() -> Step {
    Step { id: FIND, class: EffectClass::ReadOnly, batch_items: SEARCH_BATCH, batch_bytes: 16_384 }
}

fn step(id: StepId, class: EffectClass) -> Step {
    Step { id, class, batch_items: 1, batch_bytes: 4096 }
}

fn erase(purge_days: u16) -> ActionCard {
    let days = u64::from(purge_days);
    ActionCard {
        action: TaskAction::Erase,
        steps: vec![find(), step(DELETE, EffectClass::NaturallyIdempotent)],
        keyed_by: keys(),
        stops: None,
        side_effects: vec![SideEffect::BlocksReentry, SideEffect::EraseRemovesSuppression],
        reversibility: Reversibility::Irreversible,
        // nothing tells when the purge is over before the vendor's bound
        latency: Latency::days(days, days, days),
        highest: EvidenceLevel::Verified,
        verified_by_look_up: true,
        tells_absence: true,
    }
}

fn suppress(lifts: bool) -> ActionCard {
    ActionCard {
        action: TaskAction::Suppress,
        steps: vec![
            find(),
            step(STATE, EffectClass::ReadOnly),
            step(UNSUBSCRIBE, EffectClass::NaturallyIdempotent),
        ],
        keyed_by: keys(),
        stops: Some(SuppressEffect::MarketingMail),
        side_effects: vec![],
        reversibility: if lifts { Reversibility::ByLift } else { Reversibility::ByThePersonOnly },
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
            step(STATE, EffectClass::ReadOnly),
            step(RESUBSCRIBE, EffectClass::NaturallyIdempotent),
        ],
        keyed_by: keys(),
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::ByThePersonOnly,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: true,
    }
}

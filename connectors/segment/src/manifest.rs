//! Segment's card; forwarding to destinations and the look-up depend on the settings.

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, Lists, LookUpCard, Manifest,
    Pace, Reversibility, SideEffect, Step, StepId, SuppressEffect, SuppressOrder, TaskAction,
};

/// Reads who is on the workspace's suppression list already.
pub const READ_SUPPRESSED: StepId = StepId::named("read_suppressed");
/// Sorts out whose suppression efface may lift; makes no call.
pub const PICK: StepId = StepId::named("pick");
/// Creates the regulation.
pub const REGULATE: StepId = StepId::named("regulate");

/// Most user ids in one regulation.
pub const BATCH_IDS: u32 = 5_000;
/// Largest body of a regulation.
pub const BATCH_BYTES: u32 = 4_000_000;

/// People per look-up; each of their identifiers is a call.
const LOOK_UP_BATCH: u32 = 10;

/// Room for ten listed regulations of the largest size.
const BODY_CAP: u64 = 48 * 1_048_576;

pub fn manifest(forwards: bool, looks_up: bool) -> Manifest {
    Manifest {
        id: "segment",
        title: "Twilio Segment",
        category: "analytics",
        actions: vec![
            erase(forwards),
            erase_and_suppress(forwards),
            card(TaskAction::Suppress, vec![read(READ_SUPPRESSED), regulate()]),
            card(TaskAction::Lift, vec![read(PICK), regulate()]),
        ],
        suppress_order: SuppressOrder::With,
        look_up: looks_up.then(|| LookUpCard {
            batch_items: LOOK_UP_BATCH,
            by: vec![IdentifierKind::UserId, IdentifierKind::Email],
        }),
        lists: Lists::Cannot(
            "Segment offers no list of profiles: one is read by an identifier that is known already",
        ),
        finds: true,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 5.0, calls_in_flight: 4 },
        quota: Some(
            "110,000 users a calendar month, counted apart for Segment-only regulations and for those that go to destinations; 600 regulations a minute",
        ),
        hosts: &[
            "api.segmentapis.com",
            "eu1.api.segmentapis.com",
            "profiles.segment.com",
            "profiles.euw1.segment.com",
        ],
        body_cap_bytes: BODY_CAP,
        keeps: keeps(forwards),
        scopes: &["a Public API token made by a Workspace Owner, able to create regulations"],
        documentation: "https://docs.segmentapis.com/tag/Deletion-and-Suppression",
        read_on: "2026-11-22",
    }
}

fn keeps(forwards: bool) -> &'static [&'static str] {
    const ANONYMOUS: &str = "events without a user id (anonymous ids alone)";
    const DEVICE: &str = "what device-mode destinations received straight from the device";
    const LISTED: &str = "the regulation with its user ids, for 90 days, and the suppression list";
    if forwards {
        &[
            ANONYMOUS,
            DEVICE,
            LISTED,
            "whatever a destination does not delete: Segment only passes the request on",
        ]
    } else {
        &[
            ANONYMOUS,
            DEVICE,
            LISTED,
            "connected warehouses, storage buckets and all destinations, which are not asked",
        ]
    }
}

fn read(id: StepId) -> Step {
    Step { id, class: EffectClass::ReadOnly, batch_items: BATCH_IDS, batch_bytes: 1024 }
}

/// There is no idempotency key: a repeat makes a second regulation, which harms nobody and counts
/// against the quota.
fn regulate() -> Step {
    Step {
        id: REGULATE,
        class: EffectClass::Wasteful,
        batch_items: BATCH_IDS,
        batch_bytes: BATCH_BYTES,
    }
}

/// A card of an action that Segment carries out in its own systems.
fn card(action: TaskAction, steps: Vec<Step>) -> ActionCard {
    ActionCard {
        action,
        steps,
        keyed_by: vec![IdentifierKind::UserId],
        stops: (action == TaskAction::Suppress).then_some(SuppressEffect::Collection),
        side_effects: vec![],
        reversibility: Reversibility::ByLift,
        latency: Latency::days(1, 30, 30),
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: false,
    }
}

fn erase(forwards: bool) -> ActionCard {
    deletes(card(TaskAction::Erase, vec![regulate()]), forwards)
}

fn erase_and_suppress(forwards: bool) -> ActionCard {
    let steps = vec![read(READ_SUPPRESSED), regulate()];
    let stops = Some(SuppressEffect::Collection);
    deletes(ActionCard { stops, ..card(TaskAction::EraseAndSuppress, steps) }, forwards)
}

/// A destination's "finished" is "passed on": with destinations nothing better than accepted is
/// reached for certain.
fn deletes(card: ActionCard, forwards: bool) -> ActionCard {
    let (side_effects, highest) = if forwards {
        let effects = vec![SideEffect::CostsMoney, SideEffect::ForwardsToDestinations];
        (effects, EvidenceLevel::Accepted)
    } else {
        (vec![], EvidenceLevel::Confirmed)
    };
    ActionCard {
        side_effects,
        highest,
        reversibility: Reversibility::Irreversible,
        latency: Latency::days(7, 30, 30),
        ..card
    }
}

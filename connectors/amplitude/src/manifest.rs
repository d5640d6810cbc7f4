//! Amplitude's card.

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, Lists, LookUpCard, Manifest,
    Pace, Reversibility, SideEffect, Step, StepId, SuppressOrder, TaskAction,
};

/// Puts people into the project's next deletion job.
pub const DELETE: StepId = StepId::named("delete");

/// Most ids, of both kinds together, in one request.
pub const MOST_IDS: usize = 100;
/// Room for so many of the longest identifiers, escaped.
pub const MOST_BYTES: u32 = 524_288;

/// The vendor's own id for a person.
pub fn amplitude_id() -> IdentifierKind {
    IdentifierKind::Vendor("amplitude".into())
}

pub fn manifest() -> Manifest {
    Manifest {
        id: "amplitude",
        title: "Amplitude",
        category: "analytics",
        actions: vec![erase()],
        suppress_order: SuppressOrder::Before,
        look_up: Some(LookUpCard {
            // the search takes one identifier, and few searches are allowed
            batch_items: 1,
            by: vec![IdentifierKind::UserId, IdentifierKind::DeviceId, amplitude_id()],
        }),
        lists: Lists::Cannot("Amplitude offers no list of users; its exports tell of events"),
        finds: true,
        recalls: true,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 1.0, calls_in_flight: 4 },
        quota: Some("1 deletion request a second and 360 user searches an hour per project"),
        hosts: &["amplitude.com", "analytics.eu.amplitude.com"],
        // a job lists everybody in it
        body_cap_bytes: 16_777_216,
        keeps: &[
            "events that arrive after the job ran: the person then counts as a new one",
            "copies in warehouses and other destinations, which may be read in again",
            "the person's data in other projects of the organisation",
        ],
        scopes: &["API key and secret key of the project"],
        documentation: "https://amplitude.com/docs/apis/analytics/user-privacy",
        read_on: "2026-11-22",
    }
}

fn erase() -> ActionCard {
    ActionCard {
        action: TaskAction::Erase,
        steps: vec![Step {
            id: DELETE,
            // a repeat deletes nobody more, but mails every admin again
            class: EffectClass::Wasteful,
            batch_items: 100,
            batch_bytes: MOST_BYTES,
        }],
        keyed_by: vec![IdentifierKind::UserId, amplitude_id()],
        stops: None,
        side_effects: vec![SideEffect::MailsAdmins],
        reversibility: Reversibility::Irreversible,
        // thirty days to the deletion, five more for the backups
        latency: Latency::days(30, 35, 35),
        highest: EvidenceLevel::Verified,
        verified_by_look_up: true,
        tells_absence: true,
    }
}

//! Mixpanel's card.

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, ListCard, Lists, LookUpCard,
    Manifest, Pace, Reversibility, Step, StepId, SuppressOrder, TaskAction,
};

use crate::settings::{Compliance, MOST_IDS, Settings};

/// Makes one deletion job.
pub const DELETE: StepId = StepId::named("delete");

/// Largest request.
pub const MOST_BYTES: u32 = 1_048_576;

/// People per look-up: two queries, whatever their number.
pub const LOOK_UP_BATCH: u32 = 50;

/// Profiles on one page, as a rule.
pub const LIST_PAGE: u32 = 1000;

/// A distinct id that was filed as the vendor's own.
pub fn distinct_id() -> IdentifierKind {
    IdentifierKind::Vendor("mixpanel".into())
}

/// Under default settings.
pub fn manifest() -> Manifest {
    let kinds = vec![IdentifierKind::UserId, distinct_id()];
    card(kinds, MOST_IDS, Compliance::Gdpr, false)
}

/// Under an account's settings.
pub fn under(settings: &Settings) -> Manifest {
    card(
        settings.kinds(),
        settings.ids_per_job,
        settings.compliance_type,
        settings.service_account.is_some(),
    )
}

fn card(kinds: Vec<IdentifierKind>, most: usize, law: Compliance, looks_up: bool) -> Manifest {
    let by: Vec<_> = kinds.iter().cloned().chain([IdentifierKind::Email]).collect();
    let lists = if looks_up {
        Lists::InPages(ListCard { page_items: LIST_PAGE, by: by.clone() })
    } else {
        Lists::Cannot("profiles are listed to a service account alone, and none is set up")
    };
    Manifest {
        id: "mixpanel",
        title: "Mixpanel",
        category: "analytics",
        actions: vec![erase(kinds, most)],
        suppress_order: SuppressOrder::Before,
        look_up: looks_up.then_some(LookUpCard { batch_items: LOOK_UP_BATCH, by }),
        lists,
        finds: false,
        recalls: true,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 1.0, calls_in_flight: 1 },
        quota: Some("1 request a second; 60 profile queries an hour"),
        hosts: &["mixpanel.com", "eu.mixpanel.com", "in.mixpanel.com"],
        // a job's status repeats all its distinct ids
        body_cap_bytes: 4_194_304,
        keeps: match law {
            Compliance::Gdpr => &[
                "events that arrive after the deletion",
                "copies in exports, warehouses and other destinations",
                "the vendor's own record of the deletion job",
            ],
            Compliance::Ccpa => &[
                "everything older than the previous year (compliance_type CCPA)",
                "events that arrive after the deletion",
                "copies in exports, warehouses and other destinations",
                "the vendor's own record of the deletion job",
            ],
        },
        scopes: &[
            "OAuth token for the privacy API, of an owner of the project",
            "for look-ups: a service account that may query the project",
        ],
        documentation: "https://docs.mixpanel.com/reference/gdpr-api",
        read_on: "2026-11-22",
    }
}

fn erase(keyed_by: Vec<IdentifierKind>, most: usize) -> ActionCard {
    ActionCard {
        action: TaskAction::Erase,
        steps: vec![Step {
            id: DELETE,
            // there is no key to recognise a repeat by: it makes a second job, which harms nobody
            class: EffectClass::Wasteful,
            batch_items: u32::try_from(most).unwrap_or(u32::MAX),
            batch_bytes: MOST_BYTES,
        }],
        keyed_by,
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: Latency::days(7, 30, 30),
        highest: EvidenceLevel::Confirmed,
        // a look-up sees profiles, and not the events
        verified_by_look_up: false,
        tells_absence: false,
    }
}

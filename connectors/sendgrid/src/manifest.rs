//! SendGrid's card, as it is under the account's settings.

use std::time::Duration;

use efface_connector::{
    ActionCard, EffectClass, EvidenceLevel, IdentifierKind, Latency, Lists, LookUpCard, Manifest,
    Pace, Reversibility, SideEffect, Step, StepId, SuppressEffect, SuppressOrder, TaskAction,
};

use crate::settings::Products;

/// Asks which people are marketing contacts.
pub const FIND: StepId = StepId::named("find");
/// Deletes marketing contacts, as a job.
pub const DELETE_CONTACTS: StepId = StepId::named("delete_contacts");
/// Erases what is held of mail sent to the people.
pub const ERASE_ACTIVITY: StepId = StepId::named("erase_activity");
/// Asks which addresses are globally suppressed.
pub const CHECK: StepId = StepId::named("check");
/// Suppresses addresses globally.
pub const SUPPRESS: StepId = StepId::named("suppress");
/// Takes one address off the global suppressions.
pub const RELEASE: StepId = StepId::named("release");

/// Addresses in one contact search, and contacts in one deletion.
pub const CONTACTS_AT_ONCE: u32 = 100;
/// Addresses in one erase job.
pub const ERASED_AT_ONCE: u32 = 5000;
/// Largest body of an erase job: 256 KB, read in the smaller way.
pub const ERASE_BYTES: u32 = 256_000;
/// People in one check; each address costs a call.
const CHECKED_AT_ONCE: u32 = 10;
/// Addresses in one suppression; the vendor names no limit.
pub const SUPPRESSED_AT_ONCE: u32 = 100;

pub const ACTIVITY_PROMISE: &str = "the vendor deletes personal data of mail sent to the address; \
                                    it names no time and shows no status";
/// After this an erase job is taken for as done as the vendor will ever say.
pub const ACTIVITY_PATIENCE: Duration = Duration::from_secs(7 * 86_400);

pub fn manifest(products: Products) -> Manifest {
    let mut actions = vec![];
    actions.extend(erase(products));
    actions.push(suppress());
    actions.push(lift());
    Manifest {
        id: "sendgrid",
        title: "Twilio SendGrid",
        category: "email",
        actions,
        // a deletion could take a suppression with it; so the suppression comes last
        suppress_order: SuppressOrder::After,
        look_up: products
            .contacts
            .then(|| LookUpCard { batch_items: CONTACTS_AT_ONCE, by: vec![IdentifierKind::Email] }),
        lists: Lists::Cannot(
            "SendGrid shows fifty contacts and exports the rest as files, not in pages",
        ),
        finds: false,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 1.6, calls_in_flight: 4 },
        quota: Some("100 erase jobs a minute; other limits are told with each answer"),
        hosts: &["api.sendgrid.com", "api.eu.sendgrid.com"],
        body_cap_bytes: 4_194_304,
        keeps: &[
            "the global suppression, where one is set",
            "bounces, blocks, invalid addresses and spam reports",
            "group unsubscribes",
            "legacy Marketing Campaigns recipients",
            "subusers' data, unless each is an account of its own",
            "statistics without persons",
        ],
        scopes: &[
            "recipients.erasejob.create",
            "marketing contacts: read and delete",
            "global suppressions: read, create and delete",
        ],
        documentation: "https://www.twilio.com/docs/sendgrid/api-reference/recipients-data-erasure",
        read_on: "2026-11-22",
    }
}

fn step(id: StepId, class: EffectClass, batch_items: u32, batch_bytes: u32) -> Step {
    Step { id, class, batch_items, batch_bytes }
}

fn erase(products: Products) -> Option<ActionCard> {
    let mut steps = vec![];
    if products.contacts {
        steps.push(step(FIND, EffectClass::ReadOnly, CONTACTS_AT_ONCE, 65_536));
        let class = EffectClass::NaturallyIdempotent;
        steps.push(step(DELETE_CONTACTS, class, CONTACTS_AT_ONCE, 1024));
    }
    if products.activity {
        let class = EffectClass::NaturallyIdempotent;
        steps.push(step(ERASE_ACTIVITY, class, ERASED_AT_ONCE, ERASE_BYTES));
    }
    if steps.is_empty() {
        return None;
    }
    Some(ActionCard {
        action: TaskAction::Erase,
        steps,
        keyed_by: vec![IdentifierKind::Email],
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: Latency::days(1, 7, 30),
        // nothing can be asked about an erase job
        highest: if products.activity { EvidenceLevel::Accepted } else { EvidenceLevel::Verified },
        verified_by_look_up: !products.activity,
        tells_absence: !products.activity,
    })
}

fn suppress() -> ActionCard {
    ActionCard {
        action: TaskAction::Suppress,
        steps: vec![
            step(CHECK, EffectClass::ReadOnly, CHECKED_AT_ONCE, 1024),
            step(SUPPRESS, EffectClass::NaturallyIdempotent, SUPPRESSED_AT_ONCE, 65_536),
        ],
        keyed_by: vec![IdentifierKind::Email],
        stops: Some(SuppressEffect::AllMail),
        // the suppression of an address is itself a record of it
        side_effects: vec![SideEffect::CreatesRecordWhenAbsent],
        reversibility: Reversibility::ByLift,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: false,
    }
}

fn lift() -> ActionCard {
    ActionCard {
        action: TaskAction::Lift,
        steps: vec![
            step(CHECK, EffectClass::ReadOnly, CHECKED_AT_ONCE, 1024),
            step(RELEASE, EffectClass::NaturallyIdempotent, 1, 1024),
        ],
        keyed_by: vec![IdentifierKind::Email],
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::ByThePersonOnly,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: false,
    }
}

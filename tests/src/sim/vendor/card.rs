//! The scripted vendors' cards.

use std::time::Duration;

use efface_connector::{
    ActionCard, EffectClass, Latency, Lists, LookUpCard, Manifest, Pace, Reversibility, Step,
    StepId, SuppressEffect, SuppressOrder, TaskAction,
};
use efface_core::IdentifierKind;

use super::highest;

/// What a vendor is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Script {
    /// Done when it answers; a repeat changes nothing. Suppresses, then erases.
    Plain,
    /// Takes jobs, is polled, finds lost orders, takes back. Looked at afterwards.
    Batch,
    /// Takes on and promises; a repeat costs a mail.
    Promise,
    /// A repeat could do harm.
    Once,
    /// Searched first, then deleted by what the search found. Erases, then suppresses.
    Steps,
    /// Knows our key for a day, takes fewer people than it says, finds lost orders.
    Keyed,
}

pub const SCRIPTS: [Script; 6] =
    [Script::Plain, Script::Batch, Script::Promise, Script::Once, Script::Steps, Script::Keyed];

impl Script {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Batch => "batch",
            Self::Promise => "promise",
            Self::Once => "once",
            Self::Steps => "steps",
            Self::Keyed => "keyed",
        }
    }

    /// Two share a pace.
    pub const fn lane(self) -> &'static str {
        match self {
            Self::Plain | Self::Keyed => "shared",
            Self::Batch | Self::Promise | Self::Once | Self::Steps => self.name(),
        }
    }

    const fn order(self) -> SuppressOrder {
        match self {
            Self::Steps => SuppressOrder::After,
            _ => SuppressOrder::Before,
        }
    }
}

pub const SEARCH: StepId = StepId::named("search");
pub const DELETE: StepId = StepId::named("delete");

const DAY: Duration = Duration::from_secs(86_400);

fn step(id: StepId, class: EffectClass, batch_items: u32) -> Step {
    Step { id, class, batch_items, batch_bytes: 1 << 20 }
}

fn card(script: Script, action: TaskAction, steps: Vec<Step>) -> ActionCard {
    let erases = action == TaskAction::Erase;
    let looked_at = erases && matches!(script, Script::Batch | Script::Promise);
    let slow = Latency { typical: DAY, worst: DAY * 3, bound: DAY * 4 };
    ActionCard {
        action,
        steps,
        keyed_by: vec![IdentifierKind::Email],
        stops: (!erases).then_some(SuppressEffect::AllMail),
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: if looked_at { slow } else { Latency::AT_ONCE },
        highest: if erases { highest(script) } else { efface_connector::EvidenceLevel::Confirmed },
        verified_by_look_up: looked_at,
        tells_absence: !looked_at,
    }
}

pub fn manifest(script: Script) -> Manifest {
    let once = |class| vec![step(StepId::named("erase"), class, 1)];
    let by_key = EffectClass::KeyIdempotent { key_lifetime: DAY };
    let erase = match script {
        Script::Plain => vec![step(StepId::named("erase"), EffectClass::NaturallyIdempotent, 4)],
        Script::Batch => vec![step(StepId::named("erase"), by_key, 5)],
        Script::Promise => vec![step(StepId::named("erase"), EffectClass::Wasteful, 2)],
        Script::Once => once(EffectClass::AtMostOnce),
        Script::Steps => {
            vec![step(SEARCH, EffectClass::ReadOnly, 3), step(DELETE, by_key, 1)]
        }
        Script::Keyed => vec![step(StepId::named("erase"), by_key, 3)],
    };
    let mut actions = vec![card(script, TaskAction::Erase, erase)];
    if matches!(script, Script::Plain | Script::Steps) {
        let suppress = vec![step(StepId::named("stop"), EffectClass::NaturallyIdempotent, 3)];
        actions.push(card(script, TaskAction::Suppress, suppress));
    }
    let looks = matches!(script, Script::Batch | Script::Promise);
    Manifest {
        id: script.name(),
        title: script.name(),
        category: "simulated",
        actions,
        suppress_order: script.order(),
        look_up: looks.then(|| LookUpCard { batch_items: 3, by: vec![IdentifierKind::Email] }),
        lists: Lists::Cannot("made up"),
        finds: matches!(script, Script::Batch | Script::Keyed),
        recalls: script == Script::Batch,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 5.0, calls_in_flight: 2 },
        quota: None,
        hosts: &[],
        body_cap_bytes: 1 << 20,
        keeps: &[],
        scopes: &[],
        documentation: "none",
        read_on: "2026-11-22",
    }
}

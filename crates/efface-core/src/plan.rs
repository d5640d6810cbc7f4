//! The plan: which tasks a request becomes, in which phase, and why an account gets none.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ConnectorId, ControllerId, EvidenceLevel, Identifier, IdentifierKind, LaneId,
    Manifest, Outcome, RequestAction, Scope, TaskAction,
    account::Mode,
    evidence::Observation,
    manifest::{ActionCard, StepId, SuppressOrder},
    task::{Cause, TaskState},
};

/// When a task may start; the order of the variants is the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Identity sources tell further identifiers.
    Resolve,
    /// Suppress that goes before erase, and every task of a request that erases nothing.
    Suppress,
    Erase,
    /// Suppress that goes after erase (the erase would remove it).
    SuppressAfter,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolve",
            Self::Suppress => "suppress",
            Self::Erase => "erase",
            Self::SuppressAfter => "suppress after erase",
        })
    }
}

/// The first step of a look-up task.
pub const LOOK_UP_STEP: StepId = StepId::named("look_up");

/// An account as the planner sees it.
#[derive(Clone, Debug)]
pub struct Account {
    pub id: AccountId,
    pub connector: ConnectorId,
    pub controller: ControllerId,
    pub lane: LaneId,
    pub manifest: Arc<Manifest>,
    /// Kinds the account is keyed by; a not-found counts for these alone.
    pub keyed_by: Vec<IdentifierKind>,
    pub mode: Mode,
}

impl Account {
    /// The identifiers that may drive a call of `card` at this account.
    #[must_use]
    pub fn usable<'a>(
        &self,
        card: &ActionCard,
        identifiers: &'a [Identifier],
        irreversible: bool,
    ) -> Vec<&'a Identifier> {
        identifiers
            .iter()
            .filter(|i| card.keyed_by.contains(&i.kind) && self.is_keyed_by(&i.kind))
            .filter(|i| !irreversible || i.drives())
            .collect()
    }

    #[must_use]
    pub fn is_keyed_by(&self, kind: &IdentifierKind) -> bool {
        self.keyed_by.is_empty() || self.keyed_by.contains(kind)
    }

    /// Whether it offers a suppression that fits the scope.
    #[must_use]
    pub fn suppresses(&self, scope: Scope) -> bool {
        let card = self.manifest.action(TaskAction::Suppress);
        card.is_some_and(|c| c.first_step().is_some() && fits(c, Some(scope)))
    }

    /// Whether a person known by these kinds can be told of there by a suppress.
    #[must_use]
    pub fn suppresses_by(&self, kinds: &[IdentifierKind]) -> bool {
        self.manifest
            .action(TaskAction::Suppress)
            .is_some_and(|c| kinds.iter().any(|k| c.keyed_by.contains(k) && self.is_keyed_by(k)))
    }

    /// The highest evidence the account can reach for `action`.
    #[must_use]
    pub fn highest(&self, action: TaskAction) -> EvidenceLevel {
        self.manifest.action(action).map_or(EvidenceLevel::None, |c| c.highest)
    }
}

/// A task to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTask {
    pub account: AccountId,
    pub lane: LaneId,
    pub action: TaskAction,
    pub step: StepId,
    pub state: TaskState,
    /// One sentence for people.
    pub why: String,
}

/// What a plan is made from.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    pub action: RequestAction,
    pub scope: Option<Scope>,
    pub identifiers: &'a [Identifier],
}

/// Plans a request over the accounts of its controller.
#[must_use]
pub fn plan(wish: Wish<'_>, accounts: &[Account]) -> Vec<PlannedTask> {
    accounts.iter().flat_map(|account| plan_account(wish, account)).collect()
}

fn plan_account(wish: Wish<'_>, account: &Account) -> Vec<PlannedTask> {
    if account.mode == Mode::Observe {
        return vec![observe(wish, account)];
    }
    match wish.action {
        RequestAction::Erase => vec![one(wish, account, TaskAction::Erase, Phase::Erase)],
        RequestAction::Suppress => vec![one(wish, account, TaskAction::Suppress, Phase::Suppress)],
        RequestAction::Lift => vec![one(wish, account, TaskAction::Lift, Phase::Suppress)],
        RequestAction::EraseAndSuppress => erase_and_suppress(wish, account),
    }
}

fn erase_and_suppress(wish: Wish<'_>, account: &Account) -> Vec<PlannedTask> {
    let both = account.manifest.action(TaskAction::EraseAndSuppress);
    let both_fits = both.is_some_and(|card| fits(card, wish.scope));
    match account.manifest.suppress_order {
        SuppressOrder::With if both_fits => {
            vec![one(wish, account, TaskAction::EraseAndSuppress, Phase::Erase)]
        }
        SuppressOrder::With | SuppressOrder::Before => {
            vec![
                one(wish, account, TaskAction::Suppress, Phase::Suppress),
                one(wish, account, TaskAction::Erase, Phase::Erase),
            ]
        }
        SuppressOrder::After => vec![
            one(wish, account, TaskAction::Erase, Phase::Erase),
            one(wish, account, TaskAction::Suppress, Phase::SuppressAfter),
        ],
    }
}

fn fits(card: &ActionCard, scope: Option<Scope>) -> bool {
    match (card.stops, scope) {
        (Some(effect), Some(scope)) => effect.fits(scope),
        (None, _) => true,
        (Some(_), None) => false,
    }
}

/// On an observe account a task runs look-ups only.
fn observe(wish: Wish<'_>, account: &Account) -> PlannedTask {
    let planned = |state, why: &str| PlannedTask {
        account: account.id.clone(),
        lane: account.lane.clone(),
        action: TaskAction::LookUp,
        step: LOOK_UP_STEP,
        state,
        why: why.into(),
    };
    let Some(card) = &account.manifest.look_up else {
        let state = TaskState::Settled {
            outcome: Outcome::Observed(Observation::CannotTell),
            evidence: EvidenceLevel::None,
        };
        return planned(state, "observed only, and this vendor cannot be asked");
    };
    let askable =
        wish.identifiers.iter().any(|i| card.by.contains(&i.kind) && account.is_keyed_by(&i.kind));
    if askable {
        planned(
            TaskState::Blocked { cause: Cause::Phase(Phase::Suppress) },
            "observed only: looks the person up, changes nothing",
        )
    } else {
        let needs = needs(&card.by, account);
        let why = format!("cannot be asked: needs {}", needs.join(" or "));
        planned(
            TaskState::Settled {
                outcome: Outcome::Observed(Observation::CannotTell),
                evidence: EvidenceLevel::None,
            },
            &why,
        )
    }
}

fn one(wish: Wish<'_>, account: &Account, action: TaskAction, phase: Phase) -> PlannedTask {
    let planned = |step, state, why: String| PlannedTask {
        account: account.id.clone(),
        lane: account.lane.clone(),
        action,
        step,
        state,
        why,
    };
    let not_supported = |why: String| {
        let state =
            TaskState::Settled { outcome: Outcome::NotSupported, evidence: EvidenceLevel::None };
        planned(StepId::named("none"), state, why)
    };
    let Some((card, first)) =
        account.manifest.action(action).and_then(|c| c.first_step().map(|s| (c, s.clone())))
    else {
        return not_supported(format!("{} offers no {action}", account.manifest.title));
    };
    if matches!(action, TaskAction::Suppress | TaskAction::Lift) && !fits(card, wish.scope) {
        let effect = card.stops.map_or("nothing", crate::manifest::SuppressEffect::word);
        let scope = wish.scope.map_or("none", Scope::word);
        return not_supported(format!(
            "{} {effect}, which does not fit the scope {scope}",
            account.manifest.title
        ));
    }
    if account.usable(card, wish.identifiers, action.erases()).is_empty() {
        let needs = needs(&card.keyed_by, account);
        let proved = if action.erases() { "a proved, personal " } else { "" };
        let why = format!("needs {proved}{}", needs.join(" or "));
        return planned(
            first,
            TaskState::Blocked { cause: Cause::MissingIdentifier { needs } },
            why,
        );
    }
    planned(first, TaskState::Blocked { cause: Cause::Phase(phase) }, format!("can {action}"))
}

fn needs(kinds: &[IdentifierKind], account: &Account) -> Vec<String> {
    kinds.iter().filter(|k| account.is_keyed_by(k)).map(IdentifierKind::word).collect()
}

/// A task's phase, from its action and the vendor's order.
#[must_use]
pub const fn phase_of(action: TaskAction, order: SuppressOrder, request: RequestAction) -> Phase {
    match action {
        TaskAction::Resolve => Phase::Resolve,
        TaskAction::Erase | TaskAction::EraseAndSuppress => Phase::Erase,
        TaskAction::Suppress => match order {
            SuppressOrder::After if matches!(request, RequestAction::EraseAndSuppress) => {
                Phase::SuppressAfter
            }
            SuppressOrder::After | SuppressOrder::Before | SuppressOrder::With => Phase::Suppress,
        },
        TaskAction::LookUp | TaskAction::Lift => Phase::Suppress,
    }
}

//! What the settings say about controllers, accounts and policy, as the store needs it to plan and
//! to brake: no door goes round it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use efface_core::{
    AccountId, ConnectorId, ControllerId, EvidenceLevel, IdentifierKind, LaneId, Manifest,
    RequestAction, TaskAction,
    account::Condition,
    brakes::GuardList,
    plan::{Account, Phase, phase_of},
    request::{Keeping, Patience, Records},
    retry::RetryPolicy,
    task::{Rules, Task},
    watch::{Days, Watchable},
};
use jiff::tz::TimeZone;

/// One controller's rules.
#[derive(Clone, Debug)]
pub struct ControllerRules {
    pub zone: TimeZone,
    pub default_phone_region: Option<String>,
    pub guard: GuardList,
}

/// An account as configured.
#[derive(Clone, Debug)]
pub struct AccountSpec {
    pub id: AccountId,
    pub connector: ConnectorId,
    pub controller: ControllerId,
    pub lane: LaneId,
    pub manifest: Arc<Manifest>,
    pub keyed_by: Vec<IdentifierKind>,
    pub people_per_day: u32,
    /// Shrinks the vendor's waits (polls, promises, bounds) for a stand-in on loopback; 1 for a real
    /// vendor.
    pub time_scale: f64,
}

/// Times and choices that hold for all.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub cooling_off: Duration,
    pub phase_patience: Duration,
    pub due_days: u16,
    /// How long a request may stay without a proof of identity before it expires.
    pub expire_unproved: Patience,
    /// How long what is personal is kept after a request is over.
    pub keeping: Keeping,
    /// Days after a request was closed on which its vendors are looked at again.
    pub watch: Days,
    pub auto_release_suppress: bool,
    pub verify_after: Duration,
    pub retry: RetryPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            cooling_off: Duration::from_secs(24 * 3600),
            phase_patience: Duration::from_secs(72 * 3600),
            due_days: 30,
            expire_unproved: Patience::of(Duration::from_secs(90 * 86_400)),
            keeping: Keeping::DEFAULT,
            watch: Days::DEFAULT,
            auto_release_suppress: true,
            verify_after: Duration::from_secs(600),
            retry: RetryPolicy::default(),
        }
    }
}

/// Everything the settings say that planning and braking need.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pub controllers: BTreeMap<ControllerId, ControllerRules>,
    pub accounts: Vec<AccountSpec>,
    pub policy: Policy,
    /// How long records are kept once nothing personal of them is left.
    pub records: Records,
    /// Controllers of the settings whose days cannot be counted yet: nothing is filed for them.
    pub without_zone: BTreeSet<ControllerId>,
}

impl Directory {
    #[must_use]
    pub fn account(&self, id: &AccountId) -> Option<&AccountSpec> {
        self.accounts.iter().find(|a| a.id == *id)
    }

    /// A vendor's wait under the account's time scale.
    #[must_use]
    pub fn scaled(&self, account: &AccountId, wait: Duration) -> Duration {
        match self.account(account).map(|a| a.time_scale) {
            Some(scale) if (0.0..1.0).contains(&scale) => wait.mul_f64(scale),
            Some(_) | None => wait,
        }
    }

    /// The accounts of a controller as the planner sees them, under their present conditions.
    pub fn planned_accounts(
        &self,
        controller: &ControllerId,
        condition: impl Fn(&AccountId) -> Option<Condition>,
    ) -> Vec<Account> {
        self.accounts
            .iter()
            .filter(|a| a.controller == *controller)
            .map(|a| Account {
                id: a.id.clone(),
                connector: a.connector.clone(),
                controller: a.controller.clone(),
                lane: a.lane.clone(),
                manifest: a.manifest.clone(),
                keyed_by: a.keyed_by.clone(),
                mode: condition(&a.id).map_or(efface_core::account::Mode::Observe, |c| c.mode),
            })
            .collect()
    }

    /// The phase of a task. A task of an account that left the settings waits like an erase.
    #[must_use]
    pub fn phase(&self, task: &Task, request: RequestAction) -> Phase {
        self.account(&task.account)
            .map_or(Phase::Erase, |a| phase_of(task.action, a.manifest.suppress_order, request))
    }

    /// The same where the action of its request is not at hand: the task's own tells it, and a phase
    /// that is too late only waits a little.
    #[must_use]
    pub fn phase_of_task(&self, task: &Task) -> Phase {
        let action =
            if task.action.erases() { RequestAction::Erase } else { RequestAction::Suppress };
        self.phase(task, action)
    }

    /// Whether the vendor would have said so had it not held the person.
    #[must_use]
    pub fn tells_absence(&self, task: &Task) -> bool {
        let card = self.account(&task.account).and_then(|a| a.manifest.action(task.action));
        card.is_some_and(|c| c.tells_absence)
    }

    /// Whether a task's account can be watched, and by which kinds of identifier; not where the
    /// look-up is missing or does not prove this action.
    #[must_use]
    pub fn watchable(&self, task: &Task) -> Option<(Watchable, Vec<IdentifierKind>)> {
        let account = self.account(&task.account)?;
        let look_up = account.manifest.look_up.as_ref()?;
        let card = account.manifest.action(task.action).filter(|c| c.verified_by_look_up)?;
        let kinds = if account.keyed_by.is_empty() { &look_up.by } else { &account.keyed_by };
        let bound = self.scaled(&task.account, card.latency.bound);
        Some((Watchable { bound }, kinds.clone()))
    }

    /// What `apply` needs to know about a task's account and action.
    #[must_use]
    pub fn rules(&self, task: &Task, condition: Option<&Condition>) -> Rules {
        let manifest = self.account(&task.account).map(|a| &a.manifest);
        let card = manifest.and_then(|m| m.action(task.action));
        let highest = card.map_or(EvidenceLevel::None, |c| c.highest);
        Rules {
            floor: condition.map_or(highest, |c| c.floor(task.action, highest)),
            verified_by_look_up: task.action == TaskAction::LookUp
                || card.is_some_and(|c| c.verified_by_look_up),
            verify_after: self.policy.verify_after,
            bound: card.map_or(Duration::ZERO, |c| self.scaled(&task.account, c.latency.bound)),
            retry: self.policy.retry,
            recalls: manifest.is_some_and(|m| m.recalls),
        }
    }
}

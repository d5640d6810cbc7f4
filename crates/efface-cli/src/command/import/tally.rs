//! What an import would do: counted by kind of row, because rows of one kind are planned alike.

use std::collections::{BTreeMap, HashMap};

use efface_core::{
    AccountId, ControllerId, IdentifierKind, RequestAction, Scope, TaskAction, manifest::SideEffect,
};
use efface_store::NewRequest;
use serde::Serialize;

use crate::{command::request::plan::verdict, exit::Failure, wiring::Context};

/// What a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sort {
    controller: ControllerId,
    action: RequestAction,
    scope: Option<Scope>,
    kinds: Vec<IdentifierKind>,
    proved: bool,
}

impl Sort {
    fn of(new: &NewRequest) -> Self {
        let mut kinds: Vec<IdentifierKind> =
            new.identifiers.iter().map(|i| i.kind.clone()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        Self {
            controller: new.controller.clone(),
            action: new.action,
            scope: new.scope,
            kinds,
            proved: new.proof.is_some(),
        }
    }
}

struct Counted {
    sort: Sort,
    /// `(account, action, verdict)`
    plan: Vec<(AccountId, TaskAction, &'static str)>,
    count: u64,
}

/// The kind of a row, to be counted once its fate is known.
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

/// Counts rows by kind.
#[derive(Default)]
pub struct Tally {
    marks: HashMap<Sort, Mark>,
    counted: Vec<Counted>,
}

/// Requests that ask for one thing.
#[derive(Debug, Serialize)]
pub struct ActionCount {
    pub action: &'static str,
    pub scope: Option<&'static str>,
    pub await_release: u64,
    pub await_proof: u64,
}

/// What one account would be asked to do, and for how many people.
#[derive(Debug, Serialize)]
pub struct VendorCount {
    pub account: String,
    pub connector: String,
    pub action: &'static str,
    /// People for whom the vendor is called.
    pub will_act: u64,
    /// People who are only looked up: the account is in observe mode.
    pub looks_only: u64,
    /// People whom no identifier of the row can name there.
    pub lacks_identifier: u64,
    pub not_supported: u64,
    /// People whose requests wait for a proof of identity first.
    pub await_proof: u64,
    pub side_effects: Vec<&'static str>,
}

impl Tally {
    /// The kind of a row; the first of its kind is planned.
    ///
    /// # Errors
    /// What filing would refuse it for.
    pub async fn mark(
        &mut self,
        context: &Context,
        new: &NewRequest,
    ) -> Result<Mark, efface_store::Error> {
        let sort = Sort::of(new);
        if let Some(mark) = self.marks.get(&sort) {
            return Ok(*mark);
        }
        let plan = context.store.plan(new).await?;
        let plan = plan.into_iter().map(|t| {
            let verdict = verdict(t.action, &t.state);
            (t.account, t.action, verdict)
        });
        let mark = Mark(self.counted.len());
        self.counted.push(Counted { sort: sort.clone(), plan: plan.collect(), count: 0 });
        self.marks.insert(sort, mark);
        Ok(mark)
    }

    pub fn count(&mut self, mark: Mark) {
        if let Some(counted) = self.counted.get_mut(mark.0) {
            counted.count += 1;
        }
    }

    /// How many were counted: those that wait for release, those that wait for a proof.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        let sum = |proved: bool| {
            self.counted.iter().filter(|c| c.sort.proved == proved).map(|c| c.count).sum()
        };
        (sum(true), sum(false))
    }

    #[must_use]
    pub fn actions(&self) -> Vec<ActionCount> {
        let mut counts: BTreeMap<(RequestAction, Option<Scope>), (u64, u64)> = BTreeMap::new();
        for one in self.counted.iter().filter(|c| c.count > 0) {
            let slot = counts.entry((one.sort.action, one.sort.scope)).or_default();
            *(if one.sort.proved { &mut slot.0 } else { &mut slot.1 }) += one.count;
        }
        let lines = counts.into_iter().map(|((action, scope), (release, proof))| ActionCount {
            action: action.word(),
            scope: scope.map(Scope::word),
            await_release: release,
            await_proof: proof,
        });
        lines.collect()
    }

    #[must_use]
    pub fn vendors(&self, context: &Context) -> Vec<VendorCount> {
        let mut counts: BTreeMap<(AccountId, TaskAction), VendorCount> = BTreeMap::new();
        for one in self.counted.iter().filter(|c| c.count > 0) {
            for (account, action, verdict) in &one.plan {
                let key = (account.clone(), *action);
                let slot = counts.entry(key).or_insert_with(|| empty(context, account, *action));
                let counter = match (one.sort.proved, *verdict) {
                    (false, _) => &mut slot.await_proof,
                    (true, "can_act") => &mut slot.will_act,
                    (true, "observe") => &mut slot.looks_only,
                    (true, "needs_identifier") => &mut slot.lacks_identifier,
                    (true, _) => &mut slot.not_supported,
                };
                *counter += one.count;
            }
        }
        counts.into_values().collect()
    }
}

fn empty(context: &Context, account: &AccountId, action: TaskAction) -> VendorCount {
    let spec = context.spec(account);
    let card = spec.and_then(|s| s.manifest.action(action));
    VendorCount {
        account: account.to_string(),
        connector: spec.map_or_else(String::new, |s| s.connector.to_string()),
        action: action.word(),
        will_act: 0,
        looks_only: 0,
        lacks_identifier: 0,
        not_supported: 0,
        await_proof: 0,
        side_effects: card
            .map(|c| c.side_effects.iter().copied().map(SideEffect::word).collect())
            .unwrap_or_default(),
    }
}

/// Whether an error of the store concerns this row alone.
#[must_use]
pub const fn is_of_the_row(error: &efface_store::Error) -> bool {
    use efface_store::Error as E;
    match error {
        E::Refused(_)
        | E::Request(_)
        | E::Suppression(_)
        | E::Task(_)
        | E::Stale { .. }
        | E::FiledBefore(_)
        | E::Forgotten(_)
        | E::Ended { .. } => true,
        E::Unavailable(_)
        | E::Database(_)
        | E::LaneLost { .. }
        | E::NotFound { .. }
        | E::Corrupt { .. }
        | E::Journal(_)
        | E::Vault(_)
        | E::NewerSchema { .. }
        | E::NoSchema
        | E::OldSchema { .. }
        | E::ReadOnly(_)
        | E::Unsupported(_) => false,
    }
}

/// The import cannot go on, whatever stands in the file.
#[must_use]
pub fn stopped(line: u64, error: efface_store::Error) -> Failure {
    let why = Failure::from(error);
    let message = format!("the import stopped at line {line}: {why}");
    Failure::new(crate::exit::Exit::Failed, message).hint(
        "once that is mended repeat the same command: rows that are filed are not filed twice",
    )
}

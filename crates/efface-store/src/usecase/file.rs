//! Filing: the brakes, the plan, the sealed dossier.

use std::sync::Arc;

use efface_core::{
    ControllerId, Identifier, ImportId, Provenance, RequestAction, RequestId, Scope, TaskId,
    Timestamp,
    brakes::Guard,
    deadline,
    outside::Chance,
    plan::{Account, PlannedTask, Wish, plan},
    request::{self, Event, Listed, Request, RequestState},
    subject::{Dossier, Relation, Requester},
    task::Task,
};
use jiff::civil::Date;

use crate::{ControllerRules, Directory, Error, Filed, Filing, NewTask, SqlStore};

/// How a requester showed to hold the identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub how: String,
    pub by: String,
}

impl Proof {
    /// # Errors
    /// When it says nothing.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if efface_core::brakes::proves_nothing(&self.how) {
            return Err(Error::Refused(format!(
                "proof {:?} says nothing: write how the identity was proved (\"account login\"), or leave it out and prove it later with `efface request identify`",
                self.how
            )));
        }
        Ok(())
    }
}

/// A request as a door brings it: parsed, not yet planned.
#[derive(Clone, Debug)]
pub struct NewRequest {
    pub controller: ControllerId,
    pub action: RequestAction,
    pub scope: Option<Scope>,
    pub identifiers: Vec<Identifier>,
    /// Applies to every identifier that is not proved otherwise.
    pub proof: Option<Proof>,
    pub requester: Requester,
    /// Today in the controller's zone when `None`.
    pub received_on: Option<Date>,
    pub regime: Option<String>,
    pub channel: Option<String>,
    pub external_reference: Option<String>,
    pub note: Option<String>,
    pub import: Option<ImportId>,
    /// Content hash that makes a repetition harmless.
    pub filing_key: Option<[u8; 32]>,
    pub filed_by: String,
    /// Released in the same breath by this person; cooling-off still runs.
    pub release_by: Option<String>,
    /// For an entry of the suppression list: who stands there needs no new proof.
    pub listed: Option<Listed>,
}

impl NewRequest {
    /// A request by the person themself, everything else open.
    #[must_use]
    pub fn new(
        controller: ControllerId,
        action: RequestAction,
        identifiers: Vec<Identifier>,
        filed_by: &str,
    ) -> Self {
        Self {
            controller,
            action,
            scope: None,
            identifiers,
            proof: None,
            requester: Requester {
                relation: Relation::Oneself,
                contact: None,
                language: None,
                authority: None,
            },
            received_on: None,
            regime: None,
            channel: None,
            external_reference: None,
            note: None,
            import: None,
            filing_key: None,
            filed_by: filed_by.to_owned(),
            release_by: None,
            listed: None,
        }
    }
}

impl SqlStore {
    /// The rules of a controller.
    ///
    /// # Errors
    /// When the settings know no such controller.
    pub fn controller(&self, id: &ControllerId) -> Result<&ControllerRules, Error> {
        self.directory.controller(id)
    }

    /// Files requests; each is told its own fate, and one refusal spoils no other.
    pub async fn file(&self, requests: Vec<NewRequest>) -> Vec<Result<Filed, Error>> {
        let accounts = match self.accounts_by_controller(&requests).await {
            Ok(accounts) => accounts,
            Err(error) => {
                return requests.iter().map(|_| Err(error.told_again())).collect();
            }
        };
        let made: Vec<Result<Filing, Error>> = requests
            .into_iter()
            .map(|new| {
                let accounts = accounts
                    .iter()
                    .find(|(c, _)| *c == new.controller)
                    .map(|(_, a)| a.clone())
                    .unwrap_or_default();
                self.directory.filing(new, accounts, self.now(), &*self.chance)
            })
            .collect();
        let mut refusals = vec![];
        let mut filings = vec![];
        for one in made {
            match one {
                Ok(filing) => {
                    refusals.push(None);
                    filings.push(filing);
                }
                Err(error) => refusals.push(Some(error)),
            }
        }
        let mut filed = self.file_all(filings).await.into_iter();
        refusals
            .into_iter()
            .map(|refusal| {
                refusal.map_or_else(
                    || {
                        filed.next().unwrap_or_else(|| {
                            Err(Error::Unavailable("the store is closing".into()))
                        })
                    },
                    Err,
                )
            })
            .collect()
    }

    async fn accounts_by_controller(
        &self,
        requests: &[NewRequest],
    ) -> Result<Vec<(ControllerId, Arc<Vec<Account>>)>, Error> {
        let rows = self.recent_accounts().await?;
        let mut controllers: Vec<ControllerId> =
            requests.iter().map(|r| r.controller.clone()).collect();
        controllers.sort();
        controllers.dedup();
        let condition = |id: &efface_core::AccountId| {
            rows.iter().find(|r| r.id == *id).map(|r| r.condition.clone())
        };
        Ok(controllers
            .into_iter()
            .map(|c| (c.clone(), Arc::new(self.directory.planned_accounts(&c, condition))))
            .collect())
    }

    /// What filing would plan, without filing.
    ///
    /// # Errors
    /// As filing.
    pub async fn plan(&self, new: &NewRequest) -> Result<Vec<PlannedTask>, Error> {
        self.directory.check(new)?;
        let accounts = self.accounts_by_controller(std::slice::from_ref(new)).await?;
        let identifiers = proved(new);
        let wish = Wish { action: new.action, scope: new.scope, identifiers: &identifiers };
        Ok(accounts.first().map(|(_, accounts)| plan(wish, accounts)).unwrap_or_default())
    }

    pub(crate) fn cooling_until(&self, action: RequestAction, now: Timestamp) -> Timestamp {
        self.directory.cooling_until(action, now)
    }
}

impl Directory {
    /// The rules of a controller.
    ///
    /// # Errors
    /// When the settings know no such controller.
    pub(crate) fn controller(&self, id: &ControllerId) -> Result<&ControllerRules, Error> {
        self.controllers.get(id).ok_or_else(|| {
            if self.without_zone.contains(id) {
                return Error::Refused(without_zone(id));
            }
            let known: Vec<&str> = self.controllers.keys().map(ControllerId::as_str).collect();
            Error::Refused(format!(
                "controller {id} is not in the settings (known: {})",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            ))
        })
    }

    /// The brakes at the door.
    fn check(&self, new: &NewRequest) -> Result<(), Error> {
        let rules = self.controller(&new.controller)?;
        if new.identifiers.is_empty() {
            return Err(Error::Refused(
                "no identifier: give at least one, e.g. an e-mail address".into(),
            ));
        }
        if new.action.needs_scope() && new.scope.is_none() {
            let offered: Vec<&str> = Scope::ALL.iter().map(|s| s.word()).collect();
            return Err(Error::Refused(format!(
                "scope is required for {}: one of {}",
                new.action,
                offered.join(", ")
            )));
        }
        if !new.action.needs_scope() && new.scope.is_some() {
            return Err(Error::Refused(format!(
                "scope does not go with {}; leave it out",
                new.action
            )));
        }
        check_guard(rules, new.action, &new.identifiers)
    }

    /// A request made ready to be written: braked, planned over `accounts`, nothing stored yet.
    ///
    /// # Errors
    /// When a brake at the door refuses.
    pub fn filing(
        &self,
        new: NewRequest,
        accounts: Arc<Vec<Account>>,
        now: Timestamp,
        chance: &dyn Chance,
    ) -> Result<Filing, Error> {
        self.check(&new)?;
        let rules = self.controller(&new.controller)?;
        let today = now.date_in(&rules.zone);
        let received_on = new.received_on.unwrap_or(today);
        let refuse = |e: deadline::BadDate| Error::Refused(e.to_string());
        let due_on =
            deadline::provisional_due(received_on, today, self.policy.due_days).map_err(refuse)?;
        let identifiers = proved(&new);
        let mut request = Request {
            id: RequestId::new(now, chance),
            version: 1,
            controller: new.controller.clone(),
            action: new.action,
            scope: new.scope,
            relation: new.requester.relation,
            received_on,
            due_on,
            due_at: deadline::end_of(due_on, &rules.zone).map_err(refuse)?,
            filed_at: now,
            filed_by: new.filed_by.clone(),
            regime: new.regime.clone(),
            channel: new.channel.clone(),
            import: new.import,
            state: RequestState::Received,
            told: None,
            hold: None,
            held_for: std::time::Duration::ZERO,
            proof_missed_at: None,
            breached_at: None,
            in_error: None,
            forgotten_at: None,
            listed: new.listed.clone(),
        };
        let accounts = of_request(&request, accounts);
        if let Some(proof) = &new.proof {
            proof.check()?;
            request = request::apply(
                &request,
                &Event::Identified { how: proof.how.clone(), by: proof.by.clone() },
                now,
            )?;
        }
        if let (Some(listed), RequestState::Received) = (&new.listed, &request.state) {
            let how = format!("stands on the suppression list: entry {}", listed.entry);
            let proved = Event::Identified { how, by: new.filed_by.clone() };
            request = request::apply(&request, &proved, now)?;
        }
        request = self.release_at_filing(request, &new, now)?;
        let tasks = new_tasks(
            &request,
            plan(
                Wish { action: new.action, scope: new.scope, identifiers: &identifiers },
                &accounts,
            ),
            now,
            chance,
        );
        let mut nonce = [0; 32];
        chance.fill(&mut nonce);
        let dossier = Dossier {
            format: Dossier::FORMAT,
            identifiers,
            requester: new.requester,
            nonce: hex::encode(nonce),
            external_reference: new.external_reference,
            note: new.note,
        };
        Ok(Filing {
            request,
            dossier,
            tasks,
            accounts,
            filing_key: new.filing_key,
            actor: new.filed_by,
        })
    }

    fn release_at_filing(
        &self,
        request: Request,
        new: &NewRequest,
        now: Timestamp,
    ) -> Result<Request, Error> {
        if request.state != RequestState::Identified {
            if new.release_by.is_some() {
                return Err(Error::Refused(
                    "release needs a proof of identity; give `proof`".into(),
                ));
            }
            return Ok(request);
        }
        let policy = &self.policy;
        let by = match &new.release_by {
            Some(by) => by.clone(),
            // many at once are looked at by a person first, whatever they ask for
            None if new.import.is_some() => return Ok(request),
            None if !new.action.erases() && policy.auto_release_suppress => {
                "policy: auto_release_suppress".into()
            }
            None => return Ok(request),
        };
        Ok(request::apply(
            &request,
            &Event::Released { by, cooling_until: self.cooling_until(new.action, now) },
            now,
        )?)
    }

    /// Until when a release made now cools off.
    #[must_use]
    pub fn cooling_until(&self, action: RequestAction, now: Timestamp) -> Timestamp {
        if action.erases() { now.plus(self.policy.cooling_off) } else { now }
    }
}

/// The accounts a request is planned over.
fn of_request(request: &Request, accounts: Arc<Vec<Account>>) -> Arc<Vec<Account>> {
    if !request.is_partial() {
        return accounts;
    }
    Arc::new(accounts.iter().filter(|a| request.is_for(&a.id)).cloned().collect())
}

/// What is missing before anything can be filed for a controller.
fn without_zone(id: &ControllerId) -> String {
    format!(
        "controllers.{id}.time_zone is not set: deadlines are counted in the controller's days; set for example time_zone = \"Europe/Paris\" there"
    )
}

/// The guard list, at every door that takes identifiers.
pub(crate) fn check_guard(
    rules: &ControllerRules,
    action: RequestAction,
    identifiers: &[Identifier],
) -> Result<(), Error> {
    for identifier in identifiers {
        match rules.guard.check(identifier) {
            Ok(()) => {}
            // what can be lifted again may concern a role or a colleague, but never a pattern
            Err(hit)
                if !action.erases()
                    && !matches!(hit.guard, Guard::Wildcard | Guard::Placeholder) => {}
            Err(hit) => return Err(Error::Refused(hit.to_string())),
        }
    }
    Ok(())
}

/// The identifiers with the request's proof applied.
fn proved(new: &NewRequest) -> Vec<Identifier> {
    let mut identifiers = new.identifiers.clone();
    if let Some(proof) = &new.proof {
        for identifier in identifiers.iter_mut().filter(|i| i.provenance == Provenance::Stated) {
            identifier.provenance =
                Provenance::Proved { how: proof.how.clone(), by: proof.by.clone() };
        }
    }
    identifiers
}

pub(crate) fn new_tasks(
    request: &Request,
    planned: Vec<PlannedTask>,
    now: Timestamp,
    chance: &dyn Chance,
) -> Vec<NewTask> {
    planned
        .into_iter()
        .map(|p| NewTask {
            lane: p.lane,
            deadline: request.due_at,
            task: Task {
                id: TaskId::new(now, chance),
                request: request.id,
                account: p.account,
                action: p.action,
                scope: request.scope,
                generation: 1,
                version: 1,
                step: p.step,
                failures: 0,
                evidence: efface_core::EvidenceLevel::None,
                sent: false,
                cancel_marked: false,
                state: p.state,
            },
        })
        .collect()
}

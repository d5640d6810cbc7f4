//! Doors that tell more about a person: identify, amend, replan. What is added meets the company it
//! keeps: a shared identifier is shared for both, an earlier request goes first.

use std::collections::{BTreeMap, HashMap, HashSet, hash_map::Entry as Slot};

use efface_core::{
    AccountId, Identifier, Provenance, RequestId, TaskAction,
    account::Condition,
    desk::{Reason, Subject},
    journal::{About, TaskChange},
    plan::{PlannedTask, Wish, plan},
    request::{self, Event, Request, RequestState},
    subject::Dossier,
    task::{self, Cause, TaskState},
};

use crate::{
    Company, DeskClose, Error, FollowUp, RequestWrite, SqlStore, Store, TaskRow, Unit,
    hot::{Batch, Cell},
    sql::{
        company::{self, Earlier, Met, Stranger, Tag, Writing},
        match_tags_sql, tags_of,
    },
    usecase::{
        Loaded, Proof,
        file::{check_guard, new_tasks},
    },
};

impl SqlStore {
    /// Records a proof of who the person is; the stated identifiers count as proved by it.
    ///
    /// # Errors
    /// When the request is over.
    pub async fn identify(&self, id: RequestId, proof: &Proof) -> Result<Request, Error> {
        self.add(id, vec![], Some(proof), &proof.by).await
    }

    /// Adds identifiers (and a proof); after release this plans anew and needs release again.
    ///
    /// # Errors
    /// When the request is over or the guard list refuses an identifier.
    pub async fn amend(
        &self,
        id: RequestId,
        identifiers: Vec<Identifier>,
        proof: Option<&Proof>,
        by: &str,
    ) -> Result<Request, Error> {
        self.add(id, identifiers, proof, by).await
    }

    async fn add(
        &self,
        id: RequestId,
        identifiers: Vec<Identifier>,
        proof: Option<&Proof>,
        by: &str,
    ) -> Result<Request, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let rules = self.controller(&loaded.request.controller)?;
            check_guard(rules, loaded.request.action, &identifiers)?;
            let (next, words) = self.added(&loaded.request, &identifiers, proof, by)?;
            let mut dossier = self.dossier(id).await?;
            add_identifiers(&mut dossier, &identifiers, proof);
            let mut unit = Unit::default();
            let mut changes = vec![];
            let met = self.keep_company(&mut unit, id, &mut dossier, by).await?;
            let identifiers = &dossier.identifiers;
            self.plan_anew(&mut unit, &mut changes, &loaded, &next, identifiers, &met, by).await?;
            let about = About::RequestMoved {
                event: words.clone(),
                after: Box::new(next.clone()),
                commitments: self.sealer.commitments(&dossier)?,
            };
            unit.entries.push(self.entry(by, about, &changes, Some(id)));
            unit.requests.push(RequestWrite {
                read_version: loaded.request.version,
                request: next.clone(),
                dossier: Some(dossier),
                nobody_found_decided: false,
            });
            unit.desk_closes.push(DeskClose {
                subject: Subject::Request(id),
                reason: None,
                by: by.to_owned(),
                how: words,
                at: self.now(),
            });
            if next.state == RequestState::Received {
                // the desk was cleared: whatever still stands is put there again
                unit.follow_ups.push(FollowUp { request: id, due_at: self.now() });
            }
            self.tell_of_twin(&mut unit, &next, &met, by);
            Ok((unit, next))
        })
        .await
    }

    /// The request with what was told, and the words for it.
    fn added(
        &self,
        request: &Request,
        identifiers: &[Identifier],
        proof: Option<&Proof>,
        by: &str,
    ) -> Result<(Request, String), Error> {
        if let Some(proof) = proof {
            proof.check()?;
        }
        let now = self.now();
        let mut next = request.clone();
        let mut words = vec![];
        if !identifiers.is_empty() {
            next = request::apply(&next, &Event::Amended { by: by.to_owned() }, now)?;
            words.push("amended");
        }
        let identified =
            proof.map(|proof| Event::Identified { how: proof.how.clone(), by: proof.by.clone() });
        match identified {
            Some(event) if next.state == RequestState::Received => {
                next = request::apply(&next, &event, now)?;
                words.push("identified");
            }
            Some(_) | None if identifiers.is_empty() => {
                let event = Event::Identified { how: String::new(), by: String::new() };
                return Err(request::Refusal {
                    state: next.state.word(),
                    event: event.word(),
                    hint: "its identity is proved already; use `request amend` to add identifiers",
                }
                .into());
            }
            Some(_) | None => {}
        }
        Ok((next, words.join(", ")))
    }

    /// Meets the other requests that prove the same identifiers: what is shared is marked, for both.
    async fn keep_company(
        &self,
        unit: &mut Unit,
        id: RequestId,
        dossier: &mut Dossier,
        by: &str,
    ) -> Result<Met, Error> {
        let mut tags = tags_of(&self.sealer, id, dossier);
        let mut asked = Batch::default();
        for tag in tags.iter().filter(|t| t.drives) {
            asked.push([Cell::from(&tag.tag)]);
        }
        let (sqlite, postgres) = match_tags_sql();
        let found = self.database.rows_by_batch(sqlite, postgres, &asked).await?;
        let matches = company::read_matches(&found)?;
        let pairs = company::pairs(id, &tags, &matches);
        let mut theirs: HashMap<RequestId, Vec<(String, Tag)>> = HashMap::new();
        for (_, known) in &pairs {
            if let Slot::Vacant(vacant) = theirs.entry(known.request) {
                vacant.insert(self.tags_of_request(known.request).await?);
            }
        }
        let met = company::meet(&tags, &pairs, &theirs);
        unit.company.push(Company {
            request: id,
            tags: tags.iter().filter(|t| t.drives).map(|t| t.tag).collect(),
            others: pairs.len(),
        });
        company::mark_shared(&self.sealer, dossier, &met.shared);
        for stranger in &met.strangers {
            self.share_with(unit, *stranger, &met.shared, by).await?;
        }
        unit.shared_tags.extend(&met.shared);
        for tag in &mut tags {
            tag.shared = met.shared.contains(&tag.tag);
        }
        unit.new_tags = tags;
        Ok(met)
    }

    async fn tags_of_request(&self, id: RequestId) -> Result<Vec<(String, Tag)>, Error> {
        let sql = "SELECT kind, tag FROM tag WHERE request_id = $1";
        let found = self.database.rows(sql, &[Cell::from(id.bytes())]).await?;
        found.iter().map(|r| Ok((r.text(0)?, company::read_tag(r.bytes(1)?)?))).collect()
    }

    async fn share_with(
        &self,
        unit: &mut Unit,
        id: RequestId,
        tags: &HashSet<Tag>,
        by: &str,
    ) -> Result<(), Error> {
        let Loaded { request, nobody_found_decided, tasks } = self.load(id).await?;
        if request.state.is_over() {
            return Ok(());
        }
        let dossier = self.dossier(id).await?;
        let conditions = self.conditions().await?;
        let accounts =
            self.directory.planned_accounts(&request.controller, |a| conditions.get(a).cloned());
        let tasks = tasks.into_iter().map(|t| t.task).collect();
        let stranger = Stranger { request, nobody_found_decided, dossier, tasks };
        let writing = Writing { sealer: &self.sealer, now: self.now(), actor: by };
        writing.share(unit, stranger, tags, &accounts)
    }

    async fn conditions(&self) -> Result<BTreeMap<AccountId, Condition>, Error> {
        let rows = self.accounts().await?;
        Ok(rows.into_iter().map(|r| (r.id, r.condition)).collect())
    }

    /// Two open requests that turn out to ask the same for the same person: a person decides.
    fn tell_of_twin(&self, unit: &mut Unit, request: &Request, met: &Met, by: &str) {
        let twin = met.same.iter().find(|m| {
            m.open
                && m.controller == request.controller.as_str()
                && m.action == request.action.word()
                && m.scope.as_deref() == request.scope.map(efface_core::Scope::word)
        });
        if let Some(twin) = twin {
            let reason = Reason::NeedsPerson {
                reason: format!(
                    "request {} asks the same for the same person; cancel one of the two",
                    twin.request
                ),
            };
            let writing = Writing { sealer: &self.sealer, now: self.now(), actor: by };
            unit.desk_opens.push(writing.desk(Subject::Request(request.id), reason));
        }
    }

    /// What would be planned for a request over today's accounts.
    pub(super) async fn planned_anew(
        &self,
        request: &Request,
        identifiers: &[Identifier],
    ) -> Result<Vec<PlannedTask>, Error> {
        let conditions = self.conditions().await?;
        let mut accounts =
            self.directory.planned_accounts(&request.controller, |a| conditions.get(a).cloned());
        accounts.retain(|a| request.is_for(&a.id));
        Ok(plan(Wish { action: request.action, scope: request.scope, identifiers }, &accounts))
    }

    /// The open tasks of the same person's requests that were filed before.
    async fn earlier(&self, id: RequestId, met: &Met) -> Result<Earlier, Error> {
        let mut earlier = Earlier::default();
        for known in met.same.iter().filter(|m| m.open && m.request < id) {
            let tasks = self.load(known.request).await?.tasks;
            earlier.add(&self.directory, known, tasks.into_iter().map(|t| t.task).collect());
        }
        Ok(earlier)
    }

    /// Plans an open request anew after its identifiers, or the accounts, changed. Tasks that are
    /// out stay as they are.
    #[expect(clippy::too_many_arguments, reason = "one use case's whole reading")]
    async fn plan_anew(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        loaded: &Loaded,
        next: &Request,
        identifiers: &[Identifier],
        met: &Met,
        actor: &str,
    ) -> Result<(), Error> {
        let earlier = self.earlier(next.id, met).await?;
        let own = |id| loaded.tasks.iter().any(|t| t.task.id == id);
        let mut missing = vec![];
        let plan = self.planned_anew(next, identifiers).await?;
        for row in loaded.tasks.iter().filter(|row| is_superseded(row, &plan)) {
            self.apply(unit, changes, row, &task::Event::Superseded, actor)?;
        }
        for mut planned in plan {
            if let Some(state) = earlier.after(&planned.account, &planned.state, own) {
                planned.state = state;
                if let Some(before) = earlier.before(&planned.account) {
                    self.ask_requests_lane(unit, before.request, self.now());
                }
            }
            let known = loaded
                .tasks
                .iter()
                .find(|t| t.task.account == planned.account && t.task.action == planned.action);
            match (known, &planned.state) {
                (None, _) => missing.push(planned),
                (Some(row), TaskState::Blocked { cause }) if gives_way(row, cause) => {
                    let event = task::Event::Blocked { cause: cause.clone() };
                    self.apply(unit, changes, row, &event, actor)?;
                }
                (Some(_), _) => {}
            }
        }
        if next.state != loaded.request.state {
            self.take_release_from(unit, changes, loaded, actor)?;
        }
        for new in new_tasks(next, missing, self.now(), &*self.chance) {
            changes.push(TaskChange::birth(&new.task, "planned"));
            unit.born.push(new);
        }
        Ok(())
    }

    /// The release of the older plan counts for nothing any more. Told to every open task, what is
    /// out as well, so that no answer is held against the request as it was.
    fn take_release_from(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        loaded: &Loaded,
        actor: &str,
    ) -> Result<(), Error> {
        for row in loaded.tasks.iter().filter(|row| !row.task.state.is_settled()) {
            if unit.tasks.iter().any(|write| write.task.id == row.task.id) {
                continue;
            }
            let phase = self.directory.phase(&row.task, loaded.request.action);
            self.apply(unit, changes, row, &task::Event::ReleaseLost { phase }, actor)?;
        }
        Ok(())
    }

    /// Plans an open request anew over today's accounts, e.g. after an account went live.
    ///
    /// # Errors
    /// When the request is over.
    pub async fn replan(&self, id: RequestId, by: &str) -> Result<usize, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let event = Event::Amended { by: by.to_owned() };
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut dossier = self.dossier(id).await?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            let met = self.keep_company(&mut unit, id, &mut dossier, by).await?;
            let identifiers = &dossier.identifiers;
            self.plan_anew(&mut unit, &mut changes, &loaded, &next, identifiers, &met, by).await?;
            self.write_request(&mut unit, &loaded, &next, &event, by, &changes);
            if let Some(write) = unit.requests.iter_mut().find(|w| w.request.id == id) {
                write.dossier = Some(dossier);
            }
            if next.state == RequestState::Received {
                // its notice begins anew, with another date; whatever else stands is put there again
                unit.desk_closes.push(DeskClose {
                    subject: Subject::Request(id),
                    reason: None,
                    by: by.to_owned(),
                    how: "planned anew".into(),
                    at: self.now(),
                });
                unit.follow_ups.push(FollowUp { request: id, due_at: self.now() });
            }
            Ok((unit, changes.len()))
        })
        .await
    }
}

/// Whether a look-up that nobody has carried out stands beside a plan that acts: of the days when
/// the account only observed.
fn is_superseded(row: &TaskRow, plan: &[PlannedTask]) -> bool {
    let task = &row.task;
    let mut there = plan.iter().filter(|p| p.account == task.account).peekable();
    let open = matches!(
        task.state,
        TaskState::Blocked { .. } | TaskState::Ready { .. } | TaskState::Desk { .. }
    );
    task.action == TaskAction::LookUp
        && open
        && there.peek().is_some()
        && there.all(|p| p.action != TaskAction::LookUp)
}

/// Whether a task takes the place that a new plan gives it.
fn gives_way(row: &TaskRow, cause: &Cause) -> bool {
    let state = &row.task.state;
    let starves = matches!(cause, Cause::MissingIdentifier { .. });
    match state {
        TaskState::Blocked { cause: Cause::MissingIdentifier { .. } } => !starves,
        TaskState::Blocked { cause: Cause::Phase(_) } => {
            starves || matches!(cause, Cause::Dependency(_))
        }
        TaskState::Blocked { cause: Cause::Dependency(_) | Cause::Hold { .. } } => starves,
        _ => state.goes_by_itself(),
    }
}

/// Adds what is not there yet; what was only told before and is proved now counts as proved.
fn add_identifiers(dossier: &mut Dossier, identifiers: &[Identifier], proof: Option<&Proof>) {
    for identifier in identifiers {
        let known = dossier
            .identifiers
            .iter_mut()
            .find(|i| i.kind == identifier.kind && i.normal == identifier.normal);
        match known {
            Some(known) if known.provenance == Provenance::Stated => {
                known.provenance = identifier.provenance.clone();
            }
            Some(_) => {}
            None => dossier.identifiers.push(identifier.clone()),
        }
    }
    let Some(proof) = proof else { return };
    for identifier in dossier.identifiers.iter_mut().filter(|i| i.provenance == Provenance::Stated)
    {
        identifier.provenance = Provenance::Proved { how: proof.how.clone(), by: proof.by.clone() };
    }
}

//! Doors of a request.

use efface_core::{
    Identifier, ImportId, LaneId, Provenance, RequestId,
    desk::{Reason, Subject},
    journal::{About, TaskChange},
    plan::{Wish, plan},
    request::{self, DenialCode, Event, RequestState},
    task::{self, Cause, TaskState},
};

use crate::{
    DeskClose, Error, FollowUp, NewTag, REQUESTS_LANE, RequestWrite, SqlStore, Unit,
    usecase::{Loaded, Proof, file::new_tasks},
};

impl SqlStore {
    /// Applies `event` to a request alone.
    async fn move_request(
        &self,
        id: RequestId,
        event: Event,
        actor: &str,
    ) -> Result<request::Request, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut unit = Unit::default();
            self.write_request(&mut unit, &loaded, &next, &event, actor, &[]);
            Ok((unit, next))
        })
        .await
    }

    fn write_request(
        &self,
        unit: &mut Unit,
        loaded: &Loaded,
        next: &request::Request,
        event: &Event,
        actor: &str,
        changes: &[TaskChange],
    ) {
        let about = About::RequestMoved {
            event: event.word().into(),
            after: Box::new(next.clone()),
            commitments: vec![],
        };
        unit.entries.push(self.entry(actor, about, changes, Some(next.id)));
        unit.requests.push(RequestWrite {
            read_version: loaded.request.version,
            request: next.clone(),
            dossier: None,
            nobody_found_decided: loaded.nobody_found_decided,
        });
    }

    fn ask_requests_lane(&self, unit: &mut Unit, request: RequestId, at: efface_core::Timestamp) {
        unit.follow_ups.push(FollowUp { request, due_at: at });
        unit.wakes.extend(LaneId::new(REQUESTS_LANE));
    }

    /// Releases an identified request; cooling-off begins.
    ///
    /// # Errors
    /// When the request is not identified.
    pub async fn release(&self, id: RequestId, by: &str) -> Result<request::Request, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let cooling_until = self.cooling_until(loaded.request.action, self.now());
            let event = Event::Released { by: by.to_owned(), cooling_until };
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut unit = Unit::default();
            self.write_request(&mut unit, &loaded, &next, &event, by, &[]);
            self.ask_requests_lane(&mut unit, id, cooling_until);
            Ok((unit, next))
        })
        .await
    }

    /// The requests of an import that wait for release, as a preview lists them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn awaiting_release(&self, import: ImportId) -> Result<Vec<RequestId>, Error> {
        let found = self
            .database
            .rows(
                "SELECT id FROM request WHERE import_id = $1 AND state = 'identified' ORDER BY id",
                &[import.bytes().into()],
            )
            .await?;
        found.iter().map(|r| Ok(RequestId(r.id(0)?))).collect()
    }

    /// Records a proof of who the person is; the stated identifiers count as proved by it.
    ///
    /// # Errors
    /// When the request is over.
    pub async fn identify(&self, id: RequestId, proof: &Proof) -> Result<request::Request, Error> {
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
    ) -> Result<request::Request, Error> {
        self.add(id, identifiers, proof, by).await
    }

    async fn add(
        &self,
        id: RequestId,
        identifiers: Vec<Identifier>,
        proof: Option<&Proof>,
        by: &str,
    ) -> Result<request::Request, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let rules = self.controller(&loaded.request.controller)?;
            for identifier in &identifiers {
                rules.guard.check(identifier).map_err(|hit| Error::Refused(hit.to_string()))?;
            }
            let now = self.now();
            let mut next = loaded.request.clone();
            let mut words = vec![];
            if !identifiers.is_empty() {
                next = request::apply(&next, &Event::Amended { by: by.to_owned() }, now)?;
                words.push("amended");
            }
            let is_new_proof = proof.is_some() && next.state == RequestState::Received;
            if let (Some(proof), true) = (proof, is_new_proof) {
                next = request::apply(
                    &next,
                    &Event::Identified { how: proof.how.clone(), by: proof.by.clone() },
                    now,
                )?;
                words.push("identified");
            } else if identifiers.is_empty() {
                let event = Event::Identified { how: String::new(), by: String::new() };
                return Err(request::Refusal {
                    state: next.state.word(),
                    event: event.word(),
                    hint: "its identity is proved already; use `request amend` to add identifiers",
                }
                .into());
            }
            let mut dossier = self.dossier(id).await?;
            for identifier in &identifiers {
                if !dossier
                    .identifiers
                    .iter()
                    .any(|i| i.kind == identifier.kind && i.normal == identifier.normal)
                {
                    dossier.identifiers.push(identifier.clone());
                }
            }
            if let Some(proof) = proof {
                for identifier in
                    dossier.identifiers.iter_mut().filter(|i| i.provenance == Provenance::Stated)
                {
                    identifier.provenance =
                        Provenance::Proved { how: proof.how.clone(), by: proof.by.clone() };
                }
            }
            let mut unit = Unit::default();
            let mut changes = vec![];
            self.plan_anew(&mut unit, &mut changes, &loaded, &next, &dossier.identifiers, by)
                .await?;
            for identifier in &dossier.identifiers {
                let drives = matches!(identifier.provenance, Provenance::Proved { .. });
                unit.new_tags.push(NewTag {
                    request: id,
                    tag: self.sealer.tag(identifier),
                    kind: identifier.kind.word(),
                    drives,
                });
            }
            let about = About::RequestMoved {
                event: words.join(", "),
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
                how: words.join(", "),
                at: now,
            });
            Ok((unit, next))
        })
        .await
    }

    /// Plans an open request anew after its identifiers, or the accounts, changed. Tasks that were
    /// sent stay as they are.
    async fn plan_anew(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        loaded: &Loaded,
        next: &request::Request,
        identifiers: &[Identifier],
        actor: &str,
    ) -> Result<(), Error> {
        let rows = crate::Store::accounts(self).await?;
        let accounts = self.directory.planned_accounts(&next.controller, |id| {
            rows.iter().find(|r| r.id == *id).map(|r| r.condition.clone())
        });
        let fresh = plan(Wish { action: next.action, scope: next.scope, identifiers }, &accounts);
        let mut missing = vec![];
        for planned in fresh {
            let known = loaded
                .tasks
                .iter()
                .find(|t| t.task.account == planned.account && t.task.action == planned.action);
            match (known, &planned.state) {
                (None, _) => missing.push(planned),
                (Some(row), TaskState::Blocked { cause }) => {
                    let waits_for_identifier = matches!(
                        row.task.state,
                        TaskState::Blocked { cause: Cause::MissingIdentifier { .. } }
                    );
                    let is_ready = matches!(row.task.state, TaskState::Ready { .. });
                    if waits_for_identifier || is_ready {
                        self.apply(
                            unit,
                            changes,
                            row,
                            &task::Event::Blocked { cause: cause.clone() },
                            actor,
                        )?;
                    }
                }
                (Some(_), _) => {}
            }
        }
        let now = self.now();
        for new in new_tasks(next, missing, now, self) {
            changes.push(TaskChange::birth(&new.task, "planned"));
            unit.born.push(new);
        }
        if matches!(next.state, RequestState::Running { .. }) {
            self.ask_requests_lane(unit, next.id, now);
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
            let dossier = self.dossier(id).await?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            self.plan_anew(&mut unit, &mut changes, &loaded, &next, &dossier.identifiers, by)
                .await?;
            self.write_request(&mut unit, &loaded, &next, &event, by, &changes);
            Ok((unit, changes.len()))
        })
        .await
    }

    /// Denies with a code and a note.
    ///
    /// # Errors
    /// When the request is under way or over, or the note is empty.
    pub async fn deny(
        &self,
        id: RequestId,
        code: DenialCode,
        note: &str,
        by: &str,
    ) -> Result<request::Request, Error> {
        if note.trim().is_empty() {
            return Err(Error::Refused(
                "a denial needs a note: the reason the person is told".into(),
            ));
        }
        self.end_unsent(id, Event::Denied { code, note: note.to_owned(), by: by.to_owned() }, by)
            .await
    }

    /// Cancels. Where nothing was sent the request ends; else unsent tasks end and what is out runs
    /// to its own end.
    ///
    /// # Errors
    /// When the request is over.
    pub async fn cancel(&self, id: RequestId, by: &str) -> Result<request::Request, Error> {
        self.end_unsent(id, Event::Cancelled { by: by.to_owned() }, by).await
    }

    async fn end_unsent(
        &self,
        id: RequestId,
        event: Event,
        by: &str,
    ) -> Result<request::Request, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let tasks: Vec<task::Task> = loaded.tasks.iter().map(|t| t.task.clone()).collect();
            let sent = request::anything_sent(&tasks);
            let mut unit = Unit::default();
            let mut changes = vec![];
            // the rules refuse first, whatever was sent
            let ended = request::apply(&loaded.request, &event, self.now())?;
            for row in
                loaded.tasks.iter().filter(|t| !t.task.state.is_settled() && !t.task.cancel_marked)
            {
                self.apply(&mut unit, &mut changes, row, &task::Event::Cancelled, by)?;
            }
            unit.follow_ups.clear();
            let next = if sent {
                self.ask_requests_lane(&mut unit, id, self.now());
                let mut next = loaded.request.clone();
                next.version += 1;
                next
            } else {
                ended
            };
            self.write_request(&mut unit, &loaded, &next, &event, by, &changes);
            unit.desk_closes.push(DeskClose {
                subject: Subject::Request(id),
                reason: None,
                by: by.to_owned(),
                how: event.word().into(),
                at: self.now(),
            });
            Ok((unit, next))
        })
        .await
    }

    /// Puts a legal hold on a request: nothing new is sent.
    ///
    /// # Errors
    /// When the request is over or held.
    pub async fn hold(
        &self,
        id: RequestId,
        reason: &str,
        by: &str,
    ) -> Result<request::Request, Error> {
        let event = Event::Held { by: by.to_owned(), reason: reason.to_owned() };
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            for row in
                loaded.tasks.iter().filter(|t| matches!(t.task.state, TaskState::Ready { .. }))
            {
                let cause = Cause::Hold { reason: reason.to_owned() };
                self.apply(&mut unit, &mut changes, row, &task::Event::Blocked { cause }, by)?;
            }
            self.write_request(&mut unit, &loaded, &next, &event, by, &changes);
            Ok((unit, next))
        })
        .await
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// When the request is not held.
    pub async fn end_hold(&self, id: RequestId, by: &str) -> Result<request::Request, Error> {
        let event = Event::HoldEnded { by: by.to_owned() };
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            for row in loaded.tasks.iter().filter(|t| {
                matches!(t.task.state, TaskState::Blocked { cause: Cause::Hold { .. } })
            }) {
                let phase = self.directory.phase(&row.task, loaded.request.action);
                self.apply(
                    &mut unit,
                    &mut changes,
                    row,
                    &task::Event::Blocked { cause: Cause::Phase(phase) },
                    by,
                )?;
            }
            self.write_request(&mut unit, &loaded, &next, &event, by, &changes);
            self.ask_requests_lane(&mut unit, id, self.now());
            Ok((unit, next))
        })
        .await
    }

    /// Records that the person was told the outcome or refusal; the statutory clock stops.
    ///
    /// # Errors
    /// When it is on record already.
    pub async fn answered(
        &self,
        id: RequestId,
        notice: &str,
        by: &str,
    ) -> Result<request::Request, Error> {
        self.move_request(id, Event::Told { by: by.to_owned(), notice: notice.to_owned() }, by)
            .await
    }

    /// Marks a request as filed in error: freezes shredding, holds what can be held.
    ///
    /// # Errors
    /// When there is no such request.
    pub async fn mark_in_error(
        &self,
        id: RequestId,
        reason: &str,
        by: &str,
    ) -> Result<request::Request, Error> {
        let marked = self
            .move_request(
                id,
                Event::MarkedInError { by: by.to_owned(), reason: reason.to_owned() },
                by,
            )
            .await?;
        if !marked.state.is_over() && marked.hold.is_none() {
            return self.hold(id, "marked in error", by).await;
        }
        Ok(marked)
    }

    /// Decides that nobody is known by the request's identifiers: it closes as no match.
    pub(crate) async fn decide_no_match(&self, id: RequestId, by: &str) -> Result<(), Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let tasks: Vec<task::Task> = loaded.tasks.iter().map(|t| t.task.clone()).collect();
            if loaded.request.state.is_over() || !tasks.iter().all(|t| t.state.is_settled()) || request::ending(&tasks, |t| self.directory.tells_absence(t)).is_some() {
                return Err(Error::Refused("no-match can be decided only when every vendor was asked and none knew the person".into()));
            }
            let mut unit = Unit::default();
            let mut next = loaded.request.clone();
            next.version += 1;
            let about = About::RequestMoved { event: "no match decided".into(), after: Box::new(next.clone()), commitments: vec![] };
            unit.entries.push(self.entry(by, about, &[], Some(id)));
            unit.requests.push(RequestWrite { read_version: loaded.request.version, request: next, dossier: None, nobody_found_decided: true });
            let reason = Some(Reason::NobodyFound.word());
            unit.desk_closes.push(DeskClose { subject: Subject::Request(id), reason, by: by.to_owned(), how: "no-match".into(), at: self.now() });
            self.ask_requests_lane(&mut unit, id, self.now());
            Ok((unit, ()))
        })
        .await
    }
}

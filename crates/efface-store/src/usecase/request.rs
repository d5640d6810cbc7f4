//! Doors of a request.

use efface_core::{
    ImportId, LaneId, RequestId,
    desk::{Reason, Subject},
    journal::{About, TaskChange},
    request::{self, DenialCode, Event, RequestState},
    task,
};

use crate::{
    DeskClose, Error, FollowUp, REQUESTS_LANE, RequestWrite, SqlStore, Unit, usecase::Loaded,
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

    pub(super) fn write_request(
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

    pub(super) fn ask_requests_lane(
        &self,
        unit: &mut Unit,
        request: RequestId,
        at: efface_core::Timestamp,
    ) {
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

    /// How many of those are on hold.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held_before_release(&self, import: ImportId) -> Result<usize, Error> {
        let sql = "SELECT count(*) FROM request WHERE import_id = $1 AND state = 'identified' AND body LIKE '%\"hold\":%'";
        let found = self.database.rows(sql, &[import.bytes().into()]).await?;
        found.first().map_or(Ok(0), |r| Ok(usize::try_from(r.int(0)?).unwrap_or(0)))
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
    /// to its own end, unless the vendor takes it back.
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
            if sent && matches!(event, Event::Denied { .. }) {
                return Err(request::Refusal {
                    state: loaded.request.state.word(),
                    event: event.word(),
                    hint: "something was sent for it already; cancel it, then tell the person what was done",
                }
                .into());
            }
            let mut unit = Unit::default();
            let mut changes = vec![];
            // the rules refuse first, whatever was sent
            let now = self.now();
            let ended = request::apply(&loaded.request, &event, now)?;
            for row in
                loaded.tasks.iter().filter(|t| !t.task.state.is_settled() && !t.task.cancel_marked)
            {
                self.apply(&mut unit, &mut changes, row, &task::Event::Cancelled, by)?;
            }
            let next = match (sent, &loaded.request.state) {
                (false, _) => ended,
                // amended after its release: nothing new leaves, and what is out must still end it
                (true, RequestState::Identified) => {
                    let last = Event::Released { by: by.to_owned(), cooling_until: now };
                    request::apply(&loaded.request, &last, now)?
                }
                (true, _) => {
                    let mut next = loaded.request.clone();
                    next.version += 1;
                    next
                }
            };
            // whoever waits for one of these tasks is freed, whether or not the request goes on
            self.ask_requests_lane(&mut unit, id, now);
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

    /// Puts a legal hold on a request: nothing new is sent, and what comes back of a mere look
    /// leads to nothing before the hold ends.
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
            // what is out as well, so that its answer is held against the request as it stands now
            for row in loaded.tasks.iter().filter(|t| !t.task.state.is_settled()) {
                let held = task::Event::Held { reason: reason.to_owned() };
                self.apply(&mut unit, &mut changes, row, &held, by)?;
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
            for row in loaded.tasks.iter().filter(|t| !t.task.state.is_settled()) {
                let phase = self.directory.phase(&row.task, loaded.request.action);
                let ended = task::Event::HoldEnded { phase };
                self.apply(&mut unit, &mut changes, row, &ended, by)?;
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
        let event = Event::Told { by: by.to_owned(), notice: notice.to_owned() };
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let next = request::apply(&loaded.request, &event, self.now())?;
            let mut unit = Unit::default();
            self.write_request(&mut unit, &loaded, &next, &event, by, &[]);
            // from now on it is forgotten earlier
            self.ask_requests_lane(&mut unit, id, self.now());
            Ok((unit, next))
        })
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

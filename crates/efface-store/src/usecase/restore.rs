//! Doors of a database that was set back to an older copy: a new log begins, what is known of the lost
//! history is applied, and nothing leaves before a named person lets it.

use std::collections::BTreeSet;

use efface_core::{
    AccountId, RequestId,
    account::Pause,
    desk::Subject,
    journal::{About, TaskChange},
    request::{self, Request},
    restore::{Fate, Saved, is_harmless},
    task::{self, TaskState},
};

use crate::{
    AccountWrite, DeskClose, Error, LostHistory, RESTORE_PAUSE, RequestWrite, Restore,
    RestoreProgress, RestoreRow, RestoreStage, RestoreWrite, SqlStore, Store, Unit,
    hot::{Batch, Cell},
    sql::{LAST_WRITTEN, RESTORES, millis_of, read_restore},
    usecase::Loaded,
};

const KNOWN: (&str, &str) = (
    "SELECT r.id FROM (VALUES {rows}) AS x CROSS JOIN request r ON r.id = x.column1",
    "SELECT r.id FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM request WHERE request.id = x.id OFFSET 0) AS r",
);

/// Ids looked for at once.
const LOOKED_FOR: usize = 1_000;

impl SqlStore {
    /// The newest restoration, released or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_restore(&self) -> Result<Option<RestoreRow>, Error> {
        self.database.rows(RESTORES, &[]).await?.first().map(read_restore).transpose()
    }

    /// The restoration that nobody has released yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_restore(&self) -> Result<Option<RestoreRow>, Error> {
        Ok(self.last_restore().await?.filter(|row| row.stage != RestoreStage::Released))
    }

    pub(crate) async fn refuse_while_set_back(&self) -> Result<(), Error> {
        match self.open_restore().await? {
            None => Ok(()),
            Some(_) => Err(Error::Refused(
                "this database was set back to an older copy, and no account sends anything before a person has looked at what that means: `efface restore --show`, then `efface restore --release`".into(),
            )),
        }
    }

    /// Those of these requests that are not in this database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unknown_requests(&self, ids: &[RequestId]) -> Result<Vec<RequestId>, Error> {
        let mut unknown = vec![];
        for some in ids.chunks(LOOKED_FOR) {
            let batch = Batch::ids(some.iter().map(RequestId::bytes));
            let found = self.database.rows_by_batch(KNOWN.0, KNOWN.1, &batch).await?;
            let known: BTreeSet<RequestId> =
                found.iter().map(|r| Ok(RequestId(r.id(0)?))).collect::<Result<_, Error>>()?;
            unknown.extend(some.iter().filter(|id| !known.contains(id)));
        }
        Ok(unknown)
    }

    /// Begins a restoration: the log goes on under a new name, whose first leaf holds the newest
    /// checkpoint of the one before, and every account is paused. All of it or nothing.
    ///
    /// # Errors
    /// When one is under way, or the database cannot be written.
    pub async fn begin_restore(&self, lost: &LostHistory, by: &str) -> Result<RestoreRow, Error> {
        if self.open_restore().await?.is_some() {
            return Err(Error::Refused("a restoration is under way already".into()));
        }
        let saved = &lost.saved;
        let lost_requests = self.unknown_requests(&saved.filed).await?.len();
        let written = self.database.rows(LAST_WRITTEN, &[]).await?;
        let copy_of = millis_of(written.first())?;
        let leaves = self.log_status().await?.size;
        let before = self.verifier_key().await?.to_string();
        let id = efface_core::EntryId::new(self.now(), &*self.chance).0;
        self.until_fresh(|| async {
            let log = self.new_log().await?;
            let restore = Restore {
                id,
                begun_at: self.now(),
                begun_by: by.to_owned(),
                log: log.name.clone(),
                before: before.clone(),
                checkpoint: lost.note.clone(),
                covered: lost.checkpoint.size,
                leaves,
                copy_of,
                saved_until: (saved.size > 0).then_some(saved.at),
                uncovered: lost.uncovered.clone(),
                lost_requests: u64::try_from(lost_requests).unwrap_or(u64::MAX),
                accounts: saved.accounts.clone(),
                suppressions: saved.suppressions.clone(),
                keys: saved.keys.clone(),
            };
            let mut unit = Unit::default();
            let about = About::LogBegun {
                log: log.name,
                before: before.clone(),
                checkpoint: lost.note.clone(),
                leaves,
            };
            unit.entries.push(self.entry(by, about, &[], None));
            self.pause_all(&mut unit, by).await?;
            let stage = RestoreStage::Begun;
            let row = RestoreRow { restore, stage, progress: RestoreProgress::default() };
            unit.restore = Some(RestoreWrite::Begin {
                restore: Box::new(row.restore.clone()),
                old_log: log.old_name,
                sealed_key: log.sealed_key,
                orders: saved.orders.iter().map(|(l, o)| (l.clone(), o.clone())).collect(),
            });
            Ok((unit, row))
        })
        .await
    }

    /// An account that a person had paused stays theirs.
    async fn pause_all(&self, unit: &mut Unit, by: &str) -> Result<(), Error> {
        let at = self.now();
        for row in self.accounts().await?.into_iter().filter(|a| a.condition.pause.is_none()) {
            let mut condition = row.condition.clone();
            condition.pause = Some(Pause { by: by.to_owned(), reason: RESTORE_PAUSE.into(), at });
            self.account_change(unit, &row.id, "paused", by);
            unit.accounts.push(AccountWrite { read_version: row.version, id: row.id, condition });
        }
        Ok(())
    }

    fn account_change(&self, unit: &mut Unit, id: &AccountId, change: &str, by: &str) {
        let about = About::AccountChanged {
            account: id.to_string(),
            change: change.into(),
            by: by.to_owned(),
        };
        unit.entries.push(self.entry(by, about, &[], None));
    }

    /// Goes through the next requests, at most so many: what had ended ends, what was forgotten is
    /// forgotten again, what was held is held, and every other open task is marked. Whoever is killed
    /// goes on with the next call; the row says whether there is more to do.
    ///
    /// # Errors
    /// When no restoration is under way, or the database cannot be written.
    pub async fn restore_some(
        &self,
        saved: &Saved,
        at_once: u32,
        by: &str,
    ) -> Result<RestoreRow, Error> {
        self.until_fresh(|| async {
            let none = || Error::Refused("no restoration is under way".into());
            let read = self.open_restore().await?.ok_or_else(none)?;
            if read.stage != RestoreStage::Begun {
                return Ok((Unit::default(), read));
            }
            let after = read.progress.done_to.map_or(vec![], |id| id.bytes().to_vec());
            let sql = "SELECT id FROM request WHERE id > $1 ORDER BY id LIMIT $2";
            let found = self.database.rows(sql, &[after.into(), at_once.into()]).await?;
            let (mut unit, mut progress) = (Unit::default(), read.progress.clone());
            for row in &found {
                let id = RequestId(row.id(0)?);
                progress.done_to = Some(id);
                let loaded = self.load(id).await?;
                // who was filed since has no history that could be lost
                if loaded.request.filed_at <= read.restore.begun_at {
                    let fate = saved.requests.get(&id);
                    self.restore_one(&mut unit, &mut progress, &loaded, fate, by).await?;
                }
            }
            let stage = if found.is_empty() { RestoreStage::Applied } else { RestoreStage::Begun };
            if stage == RestoreStage::Applied {
                self.restored(&mut unit, "the older copy was brought up to what is saved", by);
            }
            let after =
                RestoreRow { restore: read.restore.clone(), stage, progress: progress.clone() };
            unit.restore = Some(RestoreWrite::Go { read: Box::new(read), stage, progress });
            Ok((unit, after))
        })
        .await
    }

    fn restored(&self, unit: &mut Unit, change: &str, by: &str) {
        let about = About::Restored { change: change.into(), by: by.to_owned() };
        unit.entries.push(self.entry(by, about, &[], None));
    }

    async fn restore_one(
        &self,
        unit: &mut Unit,
        progress: &mut RestoreProgress,
        loaded: &Loaded,
        fate: Option<&Fate>,
        by: &str,
    ) -> Result<(), Error> {
        let fate = fate.cloned().unwrap_or_default();
        let request = &loaded.request;
        let was_open = !request.state.is_over();
        let mut events = vec![];
        match fate.ended {
            Some(ended) if was_open => {
                progress.ended += 1;
                events.push(request::Event::EndedOnRecord { ended });
            }
            Some(_) | None => {}
        }
        let stays_open = was_open && events.is_empty();
        let reason = "held before the database was set back";
        let held = fate.held && request.hold.is_none() && stays_open;
        if held {
            progress.held += 1;
            events.push(request::Event::Held { by: by.to_owned(), reason: reason.into() });
        }
        if fate.in_error && request.in_error.is_none() && request.forgotten_at.is_none() {
            let reason = "marked before the database was set back".into();
            events.push(request::Event::MarkedInError { by: by.to_owned(), reason });
        }
        let may_go = request.in_error.is_none() && request.forgotten_at.is_none() && !stays_open;
        if fate.forgotten && may_go {
            progress.forgotten += 1;
            events.push(request::Event::Forgotten);
            unit.forgets.push(request.id);
        }
        let mut changes = vec![];
        let unreadable = stays_open && self.dossier(request.id).await.is_err();
        progress.unreadable += u64::from(unreadable);
        for row in loaded.tasks.iter().filter(|t| was_open && !t.task.state.is_settled()) {
            let event = match (stays_open, held, self.is_harmless(&row.task) && !unreadable) {
                (false, _, _) => task::Event::EndedOnRecord,
                (true, true, true) => task::Event::Held { reason: reason.into() },
                (true, _, harmless) => task::Event::SetBack { harmless },
            };
            if stays_open && waits_on_the_vendor(&row.task.state) {
                continue;
            }
            let moved = self.apply(unit, &mut changes, row, &event, by)?;
            if stays_open {
                let on_desk = matches!(moved.state, TaskState::Desk { .. });
                progress.desk += u64::from(on_desk);
                progress.harmless += u64::from(!on_desk);
            }
        }
        self.write_moves(unit, loaded, &events, &changes, by)
    }

    /// One leaf for all that happens to a request and its tasks.
    fn write_moves(
        &self,
        unit: &mut Unit,
        loaded: &Loaded,
        events: &[request::Event],
        changes: &[TaskChange],
        by: &str,
    ) -> Result<(), Error> {
        let request = &loaded.request;
        if events.is_empty() {
            if !changes.is_empty() {
                let cause = "the database was set back to an older copy".into();
                let about = About::TasksMoved { cause };
                unit.entries.push(self.entry(by, about, changes, Some(request.id)));
            }
            return Ok(());
        }
        let mut after: Request = request.clone();
        for event in events {
            after = request::apply(&after, event, self.now())?;
        }
        let words: Vec<&str> = events.iter().map(request::Event::word).collect();
        let about = About::RequestMoved {
            event: words.join(", "),
            after: Box::new(after.clone()),
            commitments: vec![],
        };
        unit.entries.push(self.entry(by, about, changes, Some(request.id)));
        if after.state.is_over() {
            unit.desk_closes.push(DeskClose {
                subject: Subject::Request(request.id),
                reason: None,
                by: by.to_owned(),
                how: "ended on record".into(),
                at: self.now(),
            });
            self.ask_requests_lane(unit, request.id, self.now());
        }
        unit.requests.push(RequestWrite {
            read_version: request.version,
            request: after,
            dossier: None,
            nobody_found_decided: loaded.nobody_found_decided,
        });
        Ok(())
    }

    fn is_harmless(&self, task: &task::Task) -> bool {
        let spec = self.directory.account(&task.account);
        is_harmless(task.action, spec.and_then(|spec| spec.manifest.action(task.action)))
    }

    /// What was revoked or destroyed since the copy is so again: API keys, and the months' keys whose
    /// files are gone. How many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn restore_keys(&self, saved: &Saved, by: &str) -> Result<u64, Error> {
        let mut again = 0;
        for change in &saved.keys {
            let word = change.change.as_str();
            if let (Some(id), "revoked") = (change.what.strip_prefix("api key "), word) {
                match self.revoke_api_key(id, by).await {
                    Ok(()) => again += 1,
                    // made and revoked since the copy, or revoked again by a run before
                    Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if let (Some(month), true) =
                (change.what.strip_prefix("month "), word.starts_with("destroyed"))
            {
                let mut tx = self.database.begin().await?;
                let cells = [month.into(), Cell::from(change.at.millis()), by.into()];
                let hit = tx.small("UPDATE month_key SET destroyed_at = $2, destroyed_by = $3 WHERE month = $1 AND destroyed_at IS NULL RETURNING month", &cells).await?;
                tx.commit().await?;
                if !hit.is_empty() {
                    again += 1;
                    self.note_key(&change.what, "destroyed before the database was set back", by)
                        .await?;
                }
            }
        }
        Ok(again)
    }

    /// Lets the accounts go on that the restoration paused.
    ///
    /// # Errors
    /// When none waits for that, or not every request was gone through.
    pub async fn release_restore(&self, by: &str) -> Result<RestoreRow, Error> {
        self.until_fresh(|| async {
            let none = || Error::Refused("no restoration waits for its release".into());
            let read = self.open_restore().await?.ok_or_else(none)?;
            if read.stage == RestoreStage::Begun {
                return Err(Error::Refused(
                    "the restoration was interrupted; `efface restore` goes on with it".into(),
                ));
            }
            let mut unit = Unit::default();
            let ours = |pause: &Pause| pause.reason == RESTORE_PAUSE;
            for row in self.accounts().await? {
                if row.condition.pause.as_ref().is_some_and(ours) {
                    let mut condition = row.condition.clone();
                    condition.pause = None;
                    self.account_change(&mut unit, &row.id, "resumed", by);
                    unit.wakes.push(row.lane);
                    let read_version = row.version;
                    unit.accounts.push(AccountWrite { read_version, id: row.id, condition });
                }
            }
            self.restored(&mut unit, "the older copy was released: accounts send again", by);
            let mut progress = read.progress.clone();
            progress.released_by = Some(by.to_owned());
            progress.released_at = Some(self.now());
            let stage = RestoreStage::Released;
            let after =
                RestoreRow { restore: read.restore.clone(), stage, progress: progress.clone() };
            unit.restore = Some(RestoreWrite::Go { read: Box::new(read), stage, progress });
            Ok((unit, after))
        })
        .await
    }
}

/// Whether the task learns by itself what became of it, or a person sees to it already.
const fn waits_on_the_vendor(state: &TaskState) -> bool {
    match state {
        TaskState::Waiting { .. } | TaskState::Confirmed { .. } | TaskState::Desk { .. } => true,
        TaskState::Blocked { .. }
        | TaskState::Ready { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Settled { .. } => false,
    }
}

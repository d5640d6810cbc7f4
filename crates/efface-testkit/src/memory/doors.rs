//! The few doors a simulation needs: filing, account, cancellation, hold, and the desk. Each asks the
//! rules and writes one unit, as those of the store on a database do.

mod decide;

use std::sync::Arc;

use efface_core::{
    AccountId, DeskId, EntryId, LaneId, Provenance, RequestId, Timestamp,
    account::{Condition, Credentials, Mode},
    desk::{DeskItem, Subject},
    journal::{About, Commitment, Entry, TaskChange},
    request::{self, RequestState},
    subject::Dossier,
    task::{self, Cause, Effect, Event, TaskState},
};
use efface_store::{
    AccountWrite, DeskClose, DeskOpen, EntryRow, Error, FollowUp, NewRequest, NewTag, NewTask,
    REQUESTS_LANE, RequestWrite, TaskRow, TaskWrite, Unit,
};

use super::{
    MemoryStore, digest,
    rows::{RequestRow, StoredTask},
};

/// A request as it stands in another store, to be taken over whole.
pub struct Adopted {
    pub request: request::Request,
    pub dossier: Dossier,
    pub tasks: Vec<NewTask>,
    pub entry: Entry,
    pub follow_up: Option<Timestamp>,
}

fn entry(
    store: &MemoryStore,
    actor: &str,
    about: About,
    changes: &[TaskChange],
    request: Option<RequestId>,
) -> EntryRow {
    let now = store.now();
    let id = EntryId::new(now, &*store.made().chance);
    EntryRow { entry: Entry::new(id, now, actor, about, changes), request }
}

impl MemoryStore {
    /// Files a request. Nobody is met: each filing is a person of its own, but for who has an open
    /// request with the same first identifier; that one's tasks go first.
    ///
    /// # Errors
    /// When a brake at the door refuses.
    pub fn file(&self, new: NewRequest) -> Result<RequestId, Error> {
        let made = self.made();
        let now = self.now();
        let conditions = self.rows().accounts.clone();
        let condition = |id: &AccountId| conditions.get(id).map(|row| row.condition.clone());
        let accounts = made.directory.planned_accounts(&new.controller, condition);
        let mut filing = made.directory.filing(new, Arc::new(accounts), now, &*made.chance)?;
        let before = self.waits_for_others(&filing.dossier, &mut filing.tasks);
        let births: Vec<TaskChange> =
            filing.tasks.iter().map(|t| TaskChange::birth(&t.task, "planned")).collect();
        let commitments = filing.dossier.identifiers.iter().map(|i| Commitment {
            kind: i.kind.word(),
            hash: digest(format!("{}{}", filing.dossier.nonce, i.normal.expose()).as_bytes()),
        });
        let about = About::RequestFiled {
            request: Box::new(filing.request.clone()),
            commitments: commitments.collect(),
        };
        let id = filing.request.id;
        let row = entry(self, &filing.actor, about, &births, Some(id));
        let follow_up = match filing.request.state {
            RequestState::Released { cooling_until, .. } => Some(cooling_until),
            RequestState::Received => Some(request::notice_at(
                filing.request.filed_at,
                made.directory.policy.expire_unproved,
            )),
            _ => None,
        };
        self.adopt(Adopted {
            request: filing.request,
            dossier: filing.dossier,
            tasks: filing.tasks,
            entry: row.entry,
            follow_up,
        });
        // what settled while this was written is seen by nobody
        let again = before.into_iter().map(|request| FollowUp { request, due_at: now }).collect();
        self.write(Unit { follow_ups: again, ..Unit::default() })?;
        Ok(id)
    }

    fn waits_for_others(&self, dossier: &Dossier, tasks: &mut [NewTask]) -> Vec<RequestId> {
        let rows = self.rows();
        let first = dossier.identifiers.first().map(|i| &i.normal);
        let same = rows.requests.values().filter(|r| {
            !r.request.state.is_over() && r.dossier.identifiers.first().map(|i| &i.normal) == first
        });
        let earlier: Vec<RequestId> = same.map(|r| r.request.id).collect();
        let mut met = vec![];
        for new in tasks.iter_mut() {
            let is_before = |t: &&StoredTask| {
                t.row.task.account == new.task.account
                    && !t.row.task.state.is_settled()
                    && earlier.contains(&t.row.task.request)
            };
            let Some(before) = rows.tasks.values().rfind(is_before) else { continue };
            if matches!(new.task.state, TaskState::Blocked { cause: Cause::Phase(_) }) {
                let cause = Cause::Dependency(before.row.task.id);
                new.task.state = TaskState::Blocked { cause };
                met.push(before.row.task.request);
            }
        }
        met
    }

    /// Takes a request over as it stands.
    pub fn adopt(&self, adopted: Adopted) {
        let now = self.now();
        let id = adopted.request.id;
        let mut rows = self.rows();
        for identifier in &adopted.dossier.identifiers {
            let tag = super::tag(identifier);
            let drives = matches!(identifier.provenance, Provenance::Proved { .. });
            let kind = identifier.kind.word();
            rows.tags.insert((tag, id), NewTag { request: id, tag, kind, drives, shared: false });
        }
        for new in adopted.tasks {
            rows.tasks.insert(new.task.id, StoredTask::new(new, now));
        }
        rows.journal.push(EntryRow { entry: adopted.entry, request: Some(id) });
        if let Some(at) = adopted.follow_up {
            rows.follow_ups.insert(id, (at, 1));
        }
        let (request, dossier) = (adopted.request, adopted.dossier);
        rows.requests.insert(
            id,
            RequestRow { request, dossier, nobody_found_decided: false, is_forgotten: false },
        );
        drop(rows);
        self.ring(&LaneId::new(REQUESTS_LANE).into_iter().collect::<Vec<_>>());
    }

    fn apply(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        row: &TaskRow,
        event: &Event,
    ) -> Result<(), Error> {
        let (made, now) = (self.made(), self.now());
        let rules = made.directory.rules(&row.task, None);
        let moved = task::apply(&row.task, event, &rules, now, made.chance.number())?;
        changes.push(TaskChange::of(&moved.task, event.word()));
        let subject = Subject::Task(row.task.id);
        for effect in moved.effects {
            match effect {
                Effect::OpenDesk(reason) => {
                    let id = DeskId::new(now, &*made.chance);
                    let item = DeskItem {
                        id,
                        subject: subject.clone(),
                        reason,
                        opened_at: now,
                        closed: None,
                    };
                    unit.desk_opens.push(DeskOpen { item, sealed: None });
                }
                Effect::CloseDesk => {
                    unit.desk_closes.push(close(subject.clone(), None, "the task moved on", now))
                }
                Effect::FollowUp => self.look_at(unit, row.task.request),
            }
        }
        unit.tasks.push(TaskWrite::new(row.task.version, moved.task));
        unit.wakes.push(row.lane.clone());
        Ok(())
    }

    fn look_at(&self, unit: &mut Unit, request: RequestId) {
        unit.follow_ups.push(FollowUp { request, due_at: self.now() });
        unit.wakes.extend(LaneId::new(REQUESTS_LANE));
    }

    /// Moves a request, and each of its open tasks by one event.
    fn move_request(
        &self,
        id: RequestId,
        event: &request::Event,
        tasks: impl Fn(&request::Request, &TaskRow) -> Option<Event>,
        next: impl Fn(&request::Request, &[TaskRow], Timestamp) -> Result<request::Request, Error>,
    ) -> Result<(), Error> {
        let row = self.rows().request(id)?.clone();
        let all = self.rows().tasks_of(id);
        let after = next(&row.request, &all, self.now())?;
        let (mut unit, mut changes) = (Unit::default(), vec![]);
        for task in all.iter().filter(|t| !t.task.state.is_settled()) {
            if let Some(event) = tasks(&row.request, task) {
                self.apply(&mut unit, &mut changes, task, &event)?;
            }
        }
        let about = About::RequestMoved {
            event: event.word().into(),
            after: Box::new(after.clone()),
            commitments: vec![],
        };
        unit.entries.push(entry(self, "clerk", about, &changes, Some(id)));
        unit.requests.push(RequestWrite {
            read_version: row.request.version,
            request: after,
            dossier: None,
            nobody_found_decided: row.nobody_found_decided,
        });
        self.look_at(&mut unit, id);
        self.write(unit)
    }

    /// Cancels: where nothing was sent the request ends, else what is out runs to its end.
    ///
    /// # Errors
    /// When the request is over.
    pub fn cancel(&self, id: RequestId) -> Result<(), Error> {
        let event = request::Event::Cancelled { by: "clerk".into() };
        self.move_request(
            id,
            &event,
            |_, t| (!t.task.cancel_marked).then_some(Event::Cancelled),
            |before, rows, now| {
                let tasks: Vec<task::Task> = rows.iter().map(|t| t.task.clone()).collect();
                let ended = request::apply(before, &event, now)?;
                let goes_on = request::Request { version: before.version + 1, ..before.clone() };
                Ok(if request::anything_sent(&tasks) { goes_on } else { ended })
            },
        )
    }

    /// Puts a request on hold.
    ///
    /// # Errors
    /// When it is over or held.
    pub fn hold(&self, id: RequestId) -> Result<(), Error> {
        let event = request::Event::Held { by: "clerk".into(), reason: "lawsuit".into() };
        self.move_request(
            id,
            &event,
            |_, _| Some(Event::Held { reason: "lawsuit".into() }),
            |before, _, now| Ok(request::apply(before, &event, now)?),
        )
    }

    /// Ends a hold.
    ///
    /// # Errors
    /// When it is not held.
    pub fn end_hold(&self, id: RequestId) -> Result<(), Error> {
        let event = request::Event::HoldEnded { by: "clerk".into() };
        self.move_request(
            id,
            &event,
            |request, t| {
                let phase = self.made().directory.phase(&t.task, request.action);
                Some(Event::HoldEnded { phase })
            },
            |before, _, now| Ok(request::apply(before, &event, now)?),
        )
    }

    fn change_account(
        &self,
        id: &AccountId,
        change: &str,
        edit: impl FnOnce(&mut Condition),
    ) -> Result<(), Error> {
        let row = self.rows().account(id)?.clone();
        let mut condition = row.condition;
        edit(&mut condition);
        let about = About::AccountChanged {
            account: id.to_string(),
            change: change.into(),
            by: "clerk".into(),
        };
        self.write(Unit {
            accounts: vec![AccountWrite { read_version: row.version, id: id.clone(), condition }],
            entries: vec![entry(self, "clerk", about, &[], None)],
            desk_closes: vec![close(Subject::Account(id.clone()), None, change, self.now())],
            wakes: vec![row.lane],
            ..Unit::default()
        })
    }

    /// Takes an account live.
    ///
    /// # Errors
    /// When it is not known.
    pub fn enable_account(&self, id: &AccountId) -> Result<(), Error> {
        let at = self.now();
        self.change_account(id, "enabled (live)", |condition| {
            condition.mode = Mode::Live;
            condition.credentials = Credentials::Good { at };
        })
    }

    /// Ends what holds an account back.
    ///
    /// # Errors
    /// When it is not known.
    pub fn resume_account(&self, id: &AccountId) -> Result<(), Error> {
        let now = self.now();
        self.change_account(id, "resumed", |condition| {
            condition.credentials = Credentials::Unproved;
            condition.settings_wrong = None;
            condition.quota_until = None;
            condition.lift_ceiling(now);
        })
    }
}

fn close(subject: Subject, reason: Option<&'static str>, how: &str, at: Timestamp) -> DeskClose {
    DeskClose { subject, reason, by: "clerk".into(), how: how.into(), at }
}

//! The `requests` lane: opens phases, frees dependents, closes requests. It takes follow-ups, asks
//! the rules, and writes one unit per request.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use efface_core::{
    DeskId, EntryId, LaneId, RequestId,
    desk::{DeskItem, Reason, Subject},
    journal::{About, Entry, TaskChange},
    request::{self, Advance, Forgetting, Request},
    task::{self, Cause, Event, Task, TaskState},
};
use efface_store::{
    DeskClose, DeskOpen, DueFollowUp, EntryRow, Error as StoreError, FollowUp, Lease, OnList,
    REQUESTS_LANE, RequestWrite, Store, TaskRow, TaskWrite, Unit,
};

use crate::{hands::Hands, steady::Clocks};

/// Follow-ups taken at once.
const BATCH: u32 = 500;

/// The owner of the `requests` lane.
pub(crate) struct RequestsLane {
    pub store: Arc<dyn Store>,
    pub hands: Hands,
    pub lease: Lease,
    pub stop: Arc<AtomicBool>,
    pub lost: AtomicBool,
    /// As they stood when this worker first took the lane.
    pub clocks: Arc<OnceLock<Clocks>>,
    pub longest_sleep: Duration,
    /// Requests that failed when they were last looked at: others of the same person go first.
    pub failing: Mutex<HashSet<RequestId>>,
}

/// A request that was looked at, and what the rules make of it.
pub(crate) struct Looked {
    pub due: DueFollowUp,
    pub tasks: Vec<Task>,
    advance: Advance,
    /// As it moves, and in which words.
    pub moved: Option<(String, Request)>,
}

impl Looked {
    pub(crate) fn stands(&self) -> &Request {
        self.moved.as_ref().map_or(&self.due.request, |(_, next)| next)
    }
}

impl RequestsLane {
    pub(crate) async fn run(self: Arc<Self>) {
        let Ok(name) = LaneId::new(REQUESTS_LANE) else { return };
        let bell = self.store.wakes().bell(&name);
        self.set_clocks().await;
        while !self.stop.load(Ordering::Relaxed) && !self.lost.load(Ordering::Relaxed) {
            match self.pass().await {
                Ok(0) => {
                    let now = self.hands.clock.now();
                    let wait = match self.store.next_wake(&name).await {
                        Ok(Some(at)) => {
                            at.since(now).clamp(Duration::from_millis(1), self.longest_sleep)
                        }
                        Ok(None) | Err(_) => self.longest_sleep,
                    };
                    tokio::select! {
                        biased;
                        () = bell.notified() => {}
                        () = self.hands.runtime.sleep(wait) => {}
                    }
                }
                Ok(_) => {}
                Err(StoreError::LaneLost { .. }) => self.lost.store(true, Ordering::Relaxed),
                Err(error) => {
                    tracing::warn!(lane = REQUESTS_LANE, %error, "follow-ups wait for the database");
                    self.hands.runtime.sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }

    async fn pass(&self) -> Result<usize, StoreError> {
        let due = self.store.due_follow_ups(self.hands.clock.now(), BATCH).await?;
        let count = due.len();
        // one that cannot be looked at keeps nobody else back
        let mut failed = None;
        let mut failing = HashSet::new();
        let mut looked = Vec::with_capacity(count);
        for one in due {
            let id = one.request.id;
            match self.look(one) {
                Ok(one) => looked.push(one),
                Err(error) => {
                    failing.insert(id);
                    failed = Some(error);
                }
            }
        }
        let mut units = Vec::with_capacity(count);
        for (one, listed) in self.read_list(looked, &mut failed).await? {
            let id = one.due.request.id;
            match self.follow(one, listed).await {
                Ok(unit) => units.push((id, unit)),
                Err(error) => {
                    failing.insert(id);
                    failed = Some(error);
                }
            }
        }
        let (ids, units): (Vec<_>, Vec<_>) = units.into_iter().unzip();
        for (id, written) in ids.into_iter().zip(self.store.commit_each(units).await) {
            match written {
                // a row changed meanwhile: the follow-up stands and is taken again
                Ok(()) | Err(StoreError::Stale { .. }) => {}
                Err(error) => {
                    failing.insert(id);
                    failed = Some(error);
                }
            }
        }
        *self.failing.lock().unwrap_or_else(PoisonError::into_inner) = failing;
        failed.map_or(Ok(count), Err)
    }

    /// What the rules say of a request.
    fn look(&self, due: DueFollowUp) -> Result<Looked, StoreError> {
        let directory = self.store.directory();
        let tasks: Vec<Task> = due.tasks.iter().map(|t| t.task.clone()).collect();
        let action = due.request.action;
        let advance = request::advance(
            &due.request,
            &tasks,
            |task: &Task| directory.phase(task, action),
            |task: &Task| directory.tells_absence(task),
            directory.policy.phase_patience,
            due.nobody_found_decided,
            self.hands.clock.now(),
        );
        let moved = self.move_request(&due.request, &advance)?;
        Ok(Looked { due, tasks, advance, moved })
    }

    /// What is to be written about it.
    async fn follow(&self, mut looked: Looked, listed: Option<OnList>) -> Result<Unit, StoreError> {
        let now = self.hands.clock.now();
        let directory = self.store.directory();
        let mut unit = Unit { fence: Some(self.lease.clone()), ..Unit::default() };
        let mut changes = vec![];
        if let Some(listed) = &listed {
            self.list(&mut unit, &mut looked, listed)?;
        }
        let Looked { due, advance, moved, .. } = looked;
        unit.followed.push((due.request.id, due.seq));
        for row in due.tasks.iter().filter(|r| advance.open.contains(&r.task.id)) {
            self.task(&mut unit, &mut changes, row, &Event::CauseGone)?;
        }
        for row in &due.dependents {
            self.free(&mut unit, &mut changes, row)?;
        }
        let patience = directory.policy.expire_unproved;
        if let Some(stands) = request::unproved(&due.request, patience, now) {
            self.unproved(&mut unit, &due, stands).await?;
        }
        let stands = moved.as_ref().map_or(&due.request, |(_, next)| next);
        let settled = due.tasks.iter().all(|t| t.task.state.is_settled());
        if let Some(forgetting) =
            request::forgetting(stands, directory.policy.keeping, now).filter(|_| settled)
        {
            // one move of a request at a time
            let forgetting = match forgetting {
                Forgetting::Due if moved.is_some() => Forgetting::Later(now),
                as_it_is => as_it_is,
            };
            self.forget(&mut unit, &due, forgetting).await?;
        }
        if settled && due.request.forgotten_at.is_some() {
            self.end_record(&mut unit, &due).await?;
        }
        self.give_up_watches(&mut unit, &due).await;
        if let Some(at) = advance.look_again {
            unit.follow_ups.push(FollowUp { request: due.request.id, due_at: at });
        }
        if let Some(reason) = &advance.desk {
            self.desk(&mut unit, &due, reason);
        }
        if let Some((event, next)) = moved {
            if next.state.is_over() {
                let subject = Subject::Request(next.id);
                unit.desk_closes.push(DeskClose {
                    subject,
                    reason: None,
                    by: "worker".into(),
                    how: "the request closed".into(),
                    at: now,
                });
            }
            let about =
                About::RequestMoved { event, after: Box::new(next.clone()), commitments: vec![] };
            unit.entries.push(self.entry(about, &changes, &due.request));
            if advance.close.is_some() {
                self.begin_watches(&mut unit, &due, &next);
            }
            unit.requests.push(RequestWrite {
                read_version: due.request.version,
                request: next,
                dossier: None,
                nobody_found_decided: due.nobody_found_decided,
            });
        } else if !changes.is_empty() {
            unit.entries.push(self.entry(
                About::TasksMoved { cause: "phase opened".into() },
                &changes,
                &due.request,
            ));
        }
        Ok(unit)
    }

    pub(crate) fn entry(
        &self,
        about: About,
        changes: &[TaskChange],
        request: &Request,
    ) -> EntryRow {
        let now = self.hands.clock.now();
        let id = EntryId::new(now, &*self.hands.chance);
        EntryRow { entry: Entry::new(id, now, "worker", about, changes), request: Some(request.id) }
    }

    /// Started and closed may fall into one look.
    fn move_request(
        &self,
        before: &Request,
        advance: &Advance,
    ) -> Result<Option<(String, Request)>, StoreError> {
        let now = self.hands.clock.now();
        let mut words = vec![];
        let mut next = before.clone();
        if advance.start {
            next = request::apply(&next, &request::Event::Started, now)?;
            words.push("started");
        }
        if let Some(ending) = advance.close {
            next = request::apply(&next, &request::Event::Closed { ending }, now)?;
            words.push("closed");
        }
        Ok((!words.is_empty()).then(|| (words.join(", "), next)))
    }

    pub(crate) fn task(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        row: &TaskRow,
        event: &Event,
    ) -> Result<(), StoreError> {
        let rules = self.store.directory().rules(&row.task, None);
        let moved = task::apply(
            &row.task,
            event,
            &rules,
            self.hands.clock.now(),
            self.hands.chance.number(),
        )?;
        changes.push(TaskChange::of(&moved.task, event.word()));
        unit.tasks.push(TaskWrite::new(row.task.version, moved.task));
        unit.wakes.push(row.lane.clone());
        Ok(())
    }

    /// A dependent of another request falls back to waiting for its own phase, and its request is
    /// looked at.
    fn free(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        row: &TaskRow,
    ) -> Result<(), StoreError> {
        if !matches!(row.task.state, TaskState::Blocked { cause: Cause::Dependency(_) }) {
            return Ok(());
        }
        let cause = Cause::Phase(self.store.directory().phase_of_task(&row.task));
        let now = self.hands.clock.now();
        self.task(unit, changes, row, &Event::Blocked { cause })?;
        unit.follow_ups.push(FollowUp { request: row.task.request, due_at: now });
        unit.wakes.extend(LaneId::new(REQUESTS_LANE));
        Ok(())
    }

    pub(crate) fn desk(&self, unit: &mut Unit, due: &DueFollowUp, reason: &Reason) {
        let now = self.hands.clock.now();
        let id = DeskId::new(now, &*self.hands.chance);
        let item = DeskItem {
            id,
            subject: Subject::Request(due.request.id),
            reason: reason.clone(),
            opened_at: now,
            closed: None,
        };
        unit.desk_opens.push(DeskOpen { item, sealed: None });
    }
}

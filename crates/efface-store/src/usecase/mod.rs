//! The doors, one method each: they load, ask the rules, and write one unit. A write that meets a
//! newer version reads anew and asks the rules again.

mod account;
mod admin;
mod amend;
mod file;
mod keys;
mod request;
mod restore;
mod restore_list;
mod stop;
mod suppression;
mod task;
mod watch;

use efface_core::{
    RequestId, TaskId, Timestamp,
    ids::EntryId,
    journal::{About, Entry, TaskChange},
    request::Request,
    subject::Dossier,
    task::{Effect, Event, Task, apply},
};
use efface_vault::WrappedKey;

pub(crate) use admin::OVERDUE;
pub use file::{NewRequest, Proof};
pub use keys::MonthKeyRow;
pub use restore_list::EntriesAgain;
pub use suppression::{Added, Asked, LiftBegun, MOST_CHECKED, NewSuppression, Pushed, Verdict};

use crate::{
    DeskClose, DeskOpen, EntryRow, Error, FollowUp, SqlStore, Store, TaskRow, TaskWrite, Unit,
    hot::Cell,
    sql::{read_request_row, read_task_row, task_query},
};

/// How often a door reads anew before it gives up.
const ATTEMPTS: usize = 8;

/// A request with its tasks, as a door reads it.
pub(crate) struct Loaded {
    pub request: Request,
    pub nobody_found_decided: bool,
    pub tasks: Vec<TaskRow>,
}

impl SqlStore {
    pub(crate) async fn load(&self, id: RequestId) -> Result<Loaded, Error> {
        let found = self
            .database
            .rows(
                "SELECT body, nobody_found_decided FROM request WHERE id = $1",
                &[Cell::from(id.bytes())],
            )
            .await?;
        let Some(row) = found.first() else {
            return Err(match self.ended_at(id).await? {
                Some(at) => Error::Ended { id, on: at.utc_date() },
                None => Error::NotFound { what: "request", id: id.to_string(), list: "request" },
            });
        };
        let request = read_request_row(&row.text(0)?)?;
        let nobody_found_decided = row.int(1)? != 0;
        let found = self
            .database
            .rows(task_query!("WHERE t.request_id = $1 ORDER BY t.id"), &[Cell::from(id.bytes())])
            .await?;
        let tasks = found.iter().map(read_task_row).collect::<Result<_, _>>()?;
        Ok(Loaded { request, nobody_found_decided, tasks })
    }

    pub(crate) async fn load_task(&self, id: TaskId) -> Result<TaskRow, Error> {
        let found =
            self.database.rows(task_query!("WHERE t.id = $1"), &[Cell::from(id.bytes())]).await?;
        found.first().map_or_else(
            || Err(Error::NotFound { what: "task", id: id.to_string(), list: "task" }),
            read_task_row,
        )
    }

    /// The personal part of a request, opened.
    ///
    /// # Errors
    /// When there is no such request, it was forgotten, or its key does not open it.
    pub async fn dossier(&self, id: RequestId) -> Result<Dossier, Error> {
        let found = self
            .database
            .rows(
                "SELECT sealed, wrapped_key, wrapped_by FROM request WHERE id = $1",
                &[Cell::from(id.bytes())],
            )
            .await?;
        let row = found.first().ok_or_else(|| Error::NotFound {
            what: "request",
            id: id.to_string(),
            list: "request",
        })?;
        let wrapped = WrappedKey { bytes: row.bytes(1)?, wrapped_by: row.text(2)? };
        if wrapped.bytes.is_empty() {
            return Err(Error::Forgotten(id));
        }
        let key = self.sealer.key(id, &wrapped)?;
        self.sealer.open_dossier(&key, id, &row.bytes(0)?)
    }

    /// The same; `None` when it was forgotten.
    ///
    /// # Errors
    /// As [`SqlStore::dossier`].
    pub async fn dossier_if_kept(&self, id: RequestId) -> Result<Option<Dossier>, Error> {
        match self.dossier(id).await {
            Ok(dossier) => Ok(Some(dossier)),
            Err(Error::Forgotten(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn entry(
        &self,
        actor: &str,
        about: About,
        changes: &[TaskChange],
        request: Option<RequestId>,
    ) -> EntryRow {
        let now = self.now();
        let id = EntryId::new(now, &*self.chance);
        EntryRow { entry: Entry::new(id, now, actor, about, changes), request }
    }

    /// Applies an event to a task and adds what follows to `unit`.
    pub(crate) fn apply(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        row: &TaskRow,
        event: &Event,
        actor: &str,
    ) -> Result<Task, Error> {
        let now = self.now();
        let rules = self.directory.rules(&row.task, None);
        let moved = apply(&row.task, event, &rules, now, self.chance.number())?;
        changes.push(TaskChange::of(&moved.task, event.word()));
        for effect in &moved.effects {
            add_effect(unit, effect, &moved.task, actor, now, &*self.chance);
        }
        unit.tasks.push(TaskWrite::new(row.task.version, moved.task.clone()));
        unit.wakes.push(row.lane.clone());
        Ok(moved.task)
    }

    /// Runs a door until its write meets no newer version.
    pub(crate) async fn until_fresh<T, F>(&self, mut door: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<(Unit, T), Error>>,
    {
        let mut last = Error::Refused("the rows kept changing; try again".into());
        for _ in 0..ATTEMPTS {
            let (unit, value) = door().await?;
            match self.commit(unit).await {
                Ok(()) => return Ok(value),
                Err(error @ Error::Stale { .. }) => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }
}

/// Turns an effect of the rules into rows.
pub(crate) fn add_effect(
    unit: &mut Unit,
    effect: &Effect,
    task: &Task,
    actor: &str,
    now: Timestamp,
    chance: &dyn efface_core::outside::Chance,
) {
    let subject = efface_core::desk::Subject::Task(task.id);
    match effect {
        Effect::OpenDesk(reason) => {
            let id = efface_core::DeskId::new(now, chance);
            let item = efface_core::desk::DeskItem {
                id,
                subject,
                reason: reason.clone(),
                opened_at: now,
                closed: None,
            };
            unit.desk_opens.push(DeskOpen { item, sealed: None });
        }
        Effect::CloseDesk => {
            unit.desk_closes.push(DeskClose {
                subject,
                reason: None,
                by: actor.to_owned(),
                how: "the task moved on".into(),
                at: now,
            });
        }
        Effect::FollowUp => {
            unit.follow_ups.push(FollowUp { request: task.request, due_at: now });
            if let Ok(lane) = efface_core::LaneId::new(crate::REQUESTS_LANE) {
                unit.wakes.push(lane);
            }
        }
    }
}

//! What a person decides at the desk.

use super::super::MemoryStore;
use super::{close, entry};
use efface_core::desk::{Choice, DeskItem, Reason, Subject};
use efface_core::journal::{About, TaskChange};
use efface_core::order::OrderState;
use efface_core::request::{self, RequestState};
use efface_core::task::{Cause, Event, TaskState};
use efface_core::watch::{self, Explanation};
use efface_core::{OrderId, TaskId};
use efface_store::{Error, RequestWrite, TaskRow, Unit, WatchWrite};

impl MemoryStore {
    /// Carries out a person's decision on a desk item.
    ///
    /// # Errors
    /// When the choice does not fit it.
    pub fn decide(&self, item: &DeskItem, choice: Choice) -> Result<(), Error> {
        if !item.reason.choices().contains(&choice) {
            return Err(Error::Refused(format!("{choice} is no decision here")));
        }
        let (by, reason) = ("clerk".to_owned(), "decided".to_owned());
        if let (Subject::Task(task), Some(explanation)) = (&item.subject, choice.explanation()) {
            return self.explain(item, *task, explanation);
        }
        let event = match choice {
            Choice::ReturnedByOwnAct | Choice::ReImported | Choice::NeverErased => {
                return Err(Error::Refused(format!("{choice} explains no watch here")));
            }
            Choice::Retry => Event::Retried { by },
            Choice::Attest => Event::Attested { by },
            Choice::Waive => Event::Waived { by, reason },
            Choice::AcceptLower => Event::AcceptedLower { by },
            Choice::Resume => match &item.subject {
                Subject::Account(id) => return self.resume_account(id),
                other => return Err(Error::Refused(format!("nothing resumes a {}", other.kind()))),
            },
            Choice::NoMatch => return self.no_match(item),
            Choice::Dismiss => {
                return self.close_item(Unit::default(), &[], item, choice);
            }
            Choice::Pick => return Err(Error::Refused("nobody picks here".into())),
        };
        let (mut unit, mut changes) = (Unit::default(), vec![]);
        match &item.subject {
            Subject::Task(id) => self.move_task(&mut unit, &mut changes, *id, &event)?,
            Subject::Order(id) => self.decide_order(&mut unit, &mut changes, *id, &event)?,
            other => {
                return Err(Error::Refused(format!("{choice} is none for a {}", other.kind())));
            }
        }
        self.close_item(unit, &changes, item, choice)
    }

    fn explain(
        &self,
        item: &DeskItem,
        task: TaskId,
        explanation: Explanation,
    ) -> Result<(), Error> {
        let row = self.rows().watches.get(&task).map(|w| w.watch.clone());
        let Some(before) = row else {
            return Err(Error::NotFound { what: "watch", id: task.to_string(), list: "desk" });
        };
        let (by, note) = ("clerk".to_owned(), String::new());
        let event = watch::Event::Explained { explanation, by, note };
        let moved = watch::apply(&before, &event, self.now())
            .map_err(|refusal| Error::Refused(refusal.to_string()))?;
        let about = About::WatchMoved {
            event: explanation.word().into(),
            watches: vec![moved.watch.clone()],
            because: None,
        };
        let reason = Some(item.reason.word());
        let how = explanation.word();
        self.write(Unit {
            entries: vec![entry(self, "clerk", about, &[], Some(before.request))],
            watches: vec![WatchWrite { read_version: before.version, watch: moved.watch }],
            desk_closes: vec![close(item.subject.clone(), reason, how, self.now())],
            ..Unit::default()
        })
    }

    fn close_item(
        &self,
        mut unit: Unit,
        changes: &[TaskChange],
        item: &DeskItem,
        choice: Choice,
    ) -> Result<(), Error> {
        let about = About::DeskClosed {
            subject: format!("{} {}", item.subject.kind(), item.subject.id()),
            decision: choice.word().into(),
            by: "clerk".into(),
            note: String::new(),
        };
        unit.entries.push(entry(self, "clerk", about, changes, None));
        let reason = Some(item.reason.word());
        unit.desk_closes.push(close(item.subject.clone(), reason, choice.word(), self.now()));
        self.write(unit)
    }

    fn move_task(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        id: TaskId,
        event: &Event,
    ) -> Result<(), Error> {
        let row = self.rows().tasks.get(&id).map(|t| t.row.clone());
        let Some(row) = row else {
            return Err(Error::NotFound { what: "task", id: id.to_string(), list: "task" });
        };
        self.apply(unit, changes, &row, event)?;
        // behind its request's hold, or its release
        let request = self.rows().request(row.task.request)?.request.clone();
        let Some(moved) = unit.tasks.last().map(|w| w.task.clone()) else { return Ok(()) };
        let cause = match (&request.hold, &request.state) {
            (Some(hold), _) => Cause::Hold { reason: hold.reason.clone() },
            (None, RequestState::Running { .. }) => return Ok(()),
            (None, _) => Cause::Phase(self.made().directory.phase(&moved, request.action)),
        };
        if matches!(moved.state, TaskState::Ready { .. }) {
            unit.tasks.pop();
            let back = TaskRow { task: moved, ..row.clone() };
            self.apply(unit, changes, &back, &Event::Blocked { cause })?;
            if let Some(write) = unit.tasks.last_mut() {
                write.read_version = row.task.version;
            }
        }
        Ok(())
    }

    fn decide_order(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        id: OrderId,
        event: &Event,
    ) -> Result<(), Error> {
        let order = self.rows().orders.get(&id).cloned();
        let Some(mut order) = order else {
            return Err(Error::NotFound { what: "order", id: id.to_string(), list: "desk" });
        };
        for item in &order.items {
            let state = self.rows().tasks.get(item).map(|t| t.row.task.state.clone());
            if matches!(
                state,
                Some(TaskState::Desk { reason: Reason::UnknownOutcome | Reason::Poison })
            ) {
                self.move_task(unit, changes, *item, event)?;
            }
        }
        order.state = OrderState::Answered;
        unit.orders.push(order);
        Ok(())
    }

    fn no_match(&self, item: &DeskItem) -> Result<(), Error> {
        let Subject::Request(id) = item.subject else {
            return Err(Error::Refused("no request".into()));
        };
        let row = self.rows().request(id)?.clone();
        let next = request::Request { version: row.request.version + 1, ..row.request.clone() };
        let about = About::RequestMoved {
            event: "no match decided".into(),
            after: Box::new(next.clone()),
            commitments: vec![],
        };
        let mut unit = Unit {
            entries: vec![entry(self, "clerk", about, &[], Some(id))],
            requests: vec![RequestWrite {
                read_version: row.request.version,
                request: next,
                dossier: None,
                nobody_found_decided: true,
            }],
            desk_closes: vec![close(
                item.subject.clone(),
                Some(item.reason.word()),
                "no-match",
                self.now(),
            )],
            ..Unit::default()
        };
        self.look_at(&mut unit, id);
        self.write(unit)
    }
}

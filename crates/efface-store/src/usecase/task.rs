//! Doors of a task and of the desk.

use efface_core::{
    DeskId, OrderId, RequestId, TaskId,
    desk::{Choice, DeskItem, Reason, Subject},
    journal::{About, TaskChange},
    manifest::StepId,
    order::{Order, OrderState},
    request::RequestState,
    subject::Value,
    task::{Answered, Cause, Event, TaskState},
};
use serde::{Deserialize, Serialize};

use crate::{
    DeskClose, Error, MemoWrite, SqlStore, TaskRow, Unit,
    hot::Cell,
    sql::{decode_row, read_order_row},
};

/// One candidate of a `choose` item, as it is sealed: where to go on and with which memo.
#[derive(Serialize, Deserialize)]
struct Pick {
    step: StepId,
    memo: String,
}

impl SqlStore {
    async fn move_task(&self, id: TaskId, event: Event, by: &str, note: &str) -> Result<(), Error> {
        self.until_fresh(|| async {
            let row = self.load_task(id).await?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            self.apply(&mut unit, &mut changes, &row, &event, by)?;
            self.keep_back(&mut unit, &mut changes, &row, by).await?;
            let about = About::DeskClosed {
                subject: format!("task {id}"),
                decision: event.word().into(),
                by: by.to_owned(),
                note: note.to_owned(),
            };
            unit.entries.push(self.entry(by, about, &changes, Some(row.task.request)));
            Ok((unit, ()))
        })
        .await
    }

    /// A task that left the desk for its lane waits where its request does not run or is held, and
    /// is refused when there is nothing to ask the vendor by.
    async fn keep_back(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        row: &TaskRow,
        by: &str,
    ) -> Result<(), Error> {
        let Some(moved) = unit.tasks.last().map(|w| w.task.clone()) else { return Ok(()) };
        if moved.id != row.task.id || !matches!(moved.state, TaskState::Ready { .. }) {
            return Ok(());
        }
        let loaded = self.load(moved.request).await?;
        let request = &loaded.request;
        let dossier = self.dossier(request.id).await?;
        for fresh in self.planned_anew(request, &dossier.identifiers).await? {
            if let TaskState::Blocked { cause: Cause::MissingIdentifier { needs } } = fresh.state
                && (&fresh.account, fresh.action) == (&moved.account, moved.action)
            {
                return Err(Error::Refused(format!(
                    "{} cannot be asked: it needs {}{}; add one with `efface request amend {}`",
                    moved.account,
                    if moved.action.erases() { "a proved, personal " } else { "" },
                    needs.join(" or "),
                    request.id
                )));
            }
        }
        let cause = match (&request.hold, &request.state) {
            (Some(hold), _) => Cause::Hold { reason: hold.reason.clone() },
            (None, RequestState::Running { .. }) => return Ok(()),
            (None, _) => Cause::Phase(self.directory.phase(&moved, request.action)),
        };
        let back = TaskRow { task: moved, ..row.clone() };
        unit.tasks.pop();
        let event = Event::Blocked { cause };
        self.apply(unit, changes, &back, &event, by)?;
        if let Some(write) = unit.tasks.last_mut() {
            write.read_version = row.task.version;
        }
        Ok(())
    }

    /// Puts a task on the desk back into its lane, or behind its request's hold or release.
    ///
    /// # Errors
    /// When the task is not on the desk, or there is nothing to ask the vendor by.
    pub async fn retry_task(&self, id: TaskId, by: &str) -> Result<(), Error> {
        self.move_task(id, Event::Retried { by: by.to_owned() }, by, "").await
    }

    /// Settles an unsent task or one on the desk without doing it.
    ///
    /// # Errors
    /// When a reason is missing or the task is out.
    pub async fn waive_task(&self, id: TaskId, reason: &str, by: &str) -> Result<(), Error> {
        if reason.trim().is_empty() {
            return Err(Error::Refused("a waiver needs a reason".into()));
        }
        self.move_task(
            id,
            Event::Waived { by: by.to_owned(), reason: reason.to_owned() },
            by,
            reason,
        )
        .await
    }

    /// Settles a task as done by hand, with a proof.
    ///
    /// # Errors
    /// When the proof is missing or the task is out.
    pub async fn attest_task(&self, id: TaskId, proof: &str, by: &str) -> Result<(), Error> {
        if proof.trim().is_empty() {
            return Err(Error::Refused(
                "an attestation needs a proof: what was done, where it can be seen".into(),
            ));
        }
        self.move_task(id, Event::Attested { by: by.to_owned() }, by, proof).await
    }

    /// A desk item by its id.
    ///
    /// # Errors
    /// When there is none.
    pub async fn desk_item(&self, id: DeskId) -> Result<DeskItem, Error> {
        let found = self
            .database
            .rows(
                "SELECT body, closed_at, closed_by, closed_how FROM desk WHERE id = $1",
                &[Cell::from(id.bytes())],
            )
            .await?;
        let row = found.first().ok_or_else(|| Error::NotFound {
            what: "desk item",
            id: id.to_string(),
            list: "desk",
        })?;
        let mut item: DeskItem = decode_row("desk item", &row.text(0)?)?;
        if let Some(at) = row.opt_int(1)? {
            item.closed = Some(efface_core::desk::Closed {
                at: efface_core::Timestamp::from_millis(at),
                by: row.text(2)?,
                how: row.text(3)?,
            });
        }
        Ok(item)
    }

    /// Carries out a person's decision on a desk item. `detail` is the reason of a waiver, the
    /// proof of an attestation, or the number of the candidate picked (from 1).
    ///
    /// # Errors
    /// When the item is closed, the choice does not fit it, or a detail is missing.
    pub async fn decide(
        &self,
        id: DeskId,
        choice: Choice,
        detail: &str,
        by: &str,
    ) -> Result<(), Error> {
        let item = self.desk_item(id).await?;
        if let Some(closed) = &item.closed {
            return Err(Error::Refused(format!(
                "this item was closed by {} ({})",
                closed.by, closed.how
            )));
        }
        if !item.reason.choices().contains(&choice) {
            let offered: Vec<&str> = item.reason.choices().iter().map(|c| c.word()).collect();
            return Err(Error::Refused(format!(
                "{choice} is no decision for {}; choose {}",
                item.reason.word(),
                offered.join(", ")
            )));
        }
        if let (Subject::Task(task), Some(explanation)) = (&item.subject, choice.explanation()) {
            return self.explain(*task, &item, explanation, detail, by).await;
        }
        if let (Subject::Listed { .. }, Some(explanation)) = (&item.subject, choice.explanation()) {
            return self.close_item(&item, explanation.word(), detail, by).await;
        }
        match (&item.subject, choice) {
            (_, Choice::Dismiss) => self.close_item(&item, "dismissed", detail, by).await,
            (Subject::Task(task), Choice::Retry) => self.retry_task(*task, by).await,
            (Subject::Task(task), Choice::Attest) => self.attest_task(*task, detail, by).await,
            (Subject::Task(task), Choice::Waive) => self.waive_task(*task, detail, by).await,
            (Subject::Task(task), Choice::AcceptLower) => {
                self.move_task(*task, Event::AcceptedLower { by: by.to_owned() }, by, detail).await
            }
            (Subject::Task(task), Choice::Pick) => self.pick(*task, id, detail, by).await,
            (Subject::Order(order), Choice::Retry | Choice::Attest | Choice::Waive) => {
                self.decide_order(*order, choice, detail, by).await
            }
            (Subject::Request(request), Choice::NoMatch) => {
                self.decide_no_match(*request, by).await
            }
            (Subject::Request(_), Choice::Attest | Choice::Waive) if detail.trim().is_empty() => {
                Err(Error::Refused(format!(
                    "{choice} needs words: what was done, or the reason why nothing is"
                )))
            }
            (Subject::Request(_), Choice::Retry | Choice::Attest | Choice::Waive) => {
                self.close_item(&item, choice.word(), detail, by).await
            }
            (Subject::Account(account), Choice::Resume) => {
                self.resume_account(account, by).await.map(drop)
            }
            (subject, choice) => {
                Err(Error::Refused(format!("{choice} cannot be decided for a {}", subject.kind())))
            }
        }
    }

    async fn close_item(
        &self,
        item: &DeskItem,
        how: &str,
        note: &str,
        by: &str,
    ) -> Result<(), Error> {
        let request = self.desk_row(item.id).await?.request;
        let mut unit = Unit::default();
        let about = About::DeskClosed {
            subject: format!("{} {}", item.subject.kind(), item.subject.id()),
            decision: how.into(),
            by: by.to_owned(),
            note: note.to_owned(),
        };
        unit.entries.push(self.entry(by, about, &[], request));
        unit.desk_closes.push(DeskClose {
            subject: item.subject.clone(),
            reason: Some(item.reason.word()),
            by: by.to_owned(),
            how: how.into(),
            at: self.now(),
        });
        crate::Store::commit(self, unit).await
    }

    async fn pick(&self, task: TaskId, desk: DeskId, detail: &str, by: &str) -> Result<(), Error> {
        let row = self.load_task(task).await?;
        let found = self
            .database
            .rows("SELECT sealed FROM desk WHERE id = $1", &[Cell::from(desk.bytes())])
            .await?;
        let sealed = found
            .first()
            .map(|r| r.opt_bytes(0))
            .transpose()?
            .flatten()
            .ok_or_else(|| Error::Refused("this item holds no candidates".into()))?;
        let text =
            self.open_request_field(row.task.request, TaskId(desk.0), "desk", &sealed).await?;
        let picks: Vec<Pick> = decode_row("candidates", text.expose())?;
        let number: usize = detail
            .trim()
            .parse()
            .map_err(|_| Error::Refused(format!("pick a number from 1 to {}", picks.len())))?;
        let pick = number
            .checked_sub(1)
            .and_then(|n| picks.get(n))
            .ok_or_else(|| Error::Refused(format!("pick a number from 1 to {}", picks.len())))?;
        self.until_fresh(|| async {
            let row = self.load_task(task).await?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            let event = Event::Answered { answer: Answered::Next { step: pick.step.clone() } };
            self.apply(&mut unit, &mut changes, &row, &event, by)?;
            self.keep_back(&mut unit, &mut changes, &row, by).await?;
            if let Some(write) = unit.tasks.last_mut() {
                write.memo = MemoWrite::Set(Value::new(pick.memo.clone()));
            }
            let about = About::DeskClosed {
                subject: format!("task {task}"),
                decision: format!("picked {number}"),
                by: by.to_owned(),
                note: String::new(),
            };
            unit.entries.push(self.entry(by, about, &changes, Some(row.task.request)));
            Ok((unit, ()))
        })
        .await
    }

    pub(crate) async fn open_request_field(
        &self,
        request: RequestId,
        owner: TaskId,
        field: &str,
        sealed: &[u8],
    ) -> Result<Value, Error> {
        let found = self
            .database
            .rows(
                "SELECT wrapped_key, wrapped_by FROM request WHERE id = $1",
                &[Cell::from(request.bytes())],
            )
            .await?;
        let row = found.first().ok_or_else(|| Error::NotFound {
            what: "request",
            id: request.to_string(),
            list: "request",
        })?;
        let key = self.sealer.key(
            request,
            &efface_vault::WrappedKey { bytes: row.bytes(0)?, wrapped_by: row.text(1)? },
        )?;
        self.sealer.open_field(&key, request, owner, field, sealed)
    }

    /// An order whose answer was lost, decided as one: *retry* says that it did not arrive and lets
    /// its items be regrouped; *attest* and *waive* settle them.
    async fn decide_order(
        &self,
        id: OrderId,
        choice: Choice,
        detail: &str,
        by: &str,
    ) -> Result<(), Error> {
        if choice != Choice::Retry && detail.trim().is_empty() {
            return Err(Error::Refused(format!(
                "{choice} needs words: what was seen at the vendor, or why not"
            )));
        }
        self.until_fresh(|| async {
            let found = self
                .database
                .rows("SELECT body FROM orders WHERE id = $1", &[Cell::from(id.bytes())])
                .await?;
            let row = found.first().ok_or_else(|| Error::NotFound {
                what: "order",
                id: id.to_string(),
                list: "desk",
            })?;
            let mut order: Order = read_order_row(&row.text(0)?)?;
            let mut unit = Unit::default();
            let mut changes = vec![];
            for item in &order.items {
                let row = self.load_task(*item).await?;
                if !matches!(
                    row.task.state,
                    TaskState::Desk { reason: Reason::UnknownOutcome | Reason::Poison }
                ) {
                    continue;
                }
                let event = match choice {
                    Choice::Retry => Event::Retried { by: by.to_owned() },
                    Choice::Attest => Event::Attested { by: by.to_owned() },
                    _ => Event::Waived { by: by.to_owned(), reason: detail.to_owned() },
                };
                self.apply(&mut unit, &mut changes, &row, &event, by)?;
                self.keep_back(&mut unit, &mut changes, &row, by).await?;
            }
            order.state = OrderState::Answered;
            let about = About::DeskClosed {
                subject: format!("order {id}"),
                decision: choice.word().into(),
                by: by.to_owned(),
                note: detail.to_owned(),
            };
            unit.entries.push(self.entry(by, about, &changes, None));
            unit.orders.push(order);
            unit.desk_closes.push(DeskClose {
                subject: Subject::Order(id),
                reason: None,
                by: by.to_owned(),
                how: choice.word().into(),
                at: self.now(),
            });
            Ok((unit, ()))
        })
        .await
    }
}

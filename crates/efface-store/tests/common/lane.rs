//! The smallest hands: a lane's owner that orders tasks and takes answers, and the `requests` lane.

use std::time::Duration;

use efface_core::{
    EntryId, SuppressionId, TaskId,
    desk::{Reason, Subject},
    evidence::Evidence,
    journal::{About, Entry, TaskChange},
    order::{Order, OrderState, StoredReceipt},
    request, suppression,
    task::{self, Answered, Cause, Effect, Event, Task, TaskState},
};
use efface_store::{
    DeskClose, DeskOpen, DueFollowUp, EntryRow, Error, FollowUp, Lease, LeaseTerms, Listing,
    OnList, REQUESTS_LANE, RequestWrite, Store, TaskWrite, Unit,
};

use super::{World, hand, lane};

pub const TTL: LeaseTerms = LeaseTerms { ttl: Duration::from_secs(600) };

impl World {
    pub async fn lease(&self, name: &str) -> Lease {
        let mut taken = self.store.take_lanes("tester", &[lane(name)], TTL).await.expect("lanes");
        assert_eq!(taken.len(), 1, "lane {name} is free");
        taken.remove(0).0
    }

    pub fn entry(&self, about: About, changes: &[TaskChange]) -> EntryRow {
        let now = self.now();
        let request = match &about {
            About::RequestFiled { request, .. } | About::RequestMoved { after: request, .. } => {
                Some(request.id)
            }
            _ => None,
        };
        let id = EntryId::new(now, &*self.chance);
        EntryRow { entry: Entry::new(id, now, "tester", about, changes), request }
    }

    pub fn desk_open(&self, subject: Subject, reason: Reason) -> DeskOpen {
        hand::desk_open(self.now(), &*self.chance, subject, reason)
    }

    /// Applies an event to a task, as the rules have it, and adds it to the unit.
    pub fn happen(
        &self,
        unit: &mut Unit,
        changes: &mut Vec<TaskChange>,
        task: &Task,
        event: &Event,
    ) -> Result<(), Error> {
        let rules = self.store.directory().rules(task, None);
        let moved = task::apply(task, event, &rules, self.now(), 1)?;
        changes.push(TaskChange::of(&moved.task, event.word()));
        for effect in &moved.effects {
            let subject = Subject::Task(task.id);
            match effect {
                Effect::OpenDesk(reason) => {
                    unit.desk_opens.push(self.desk_open(subject, reason.clone()))
                }
                Effect::CloseDesk => unit.desk_closes.push(DeskClose {
                    subject,
                    reason: None,
                    by: "tester".into(),
                    how: "moved on".into(),
                    at: self.now(),
                }),
                Effect::FollowUp => {
                    unit.follow_ups.push(FollowUp { request: task.request, due_at: self.now() })
                }
            }
        }
        unit.tasks.push(TaskWrite::new(task.version, moved.task));
        Ok(())
    }

    /// Moves tasks by one event in one unit, and writes it.
    pub async fn move_tasks(
        &self,
        fence: Option<Lease>,
        tasks: &[Task],
        event: &Event,
    ) -> Result<(), Error> {
        let mut unit = Unit { fence, ..Unit::default() };
        let mut changes = vec![];
        for task in tasks {
            self.happen(&mut unit, &mut changes, task, event)?;
        }
        unit.entries.push(self.entry(About::TasksMoved { cause: event.word().into() }, &changes));
        self.store.commit(unit).await
    }

    pub fn new_order(&self, tasks: &[Task], number: u64) -> Order {
        hand::order_of(self.now(), &*self.chance, tasks, number)
    }

    /// Commits an order over ready tasks.
    pub async fn order(
        &self,
        fence: Option<Lease>,
        tasks: &[Task],
        number: u64,
    ) -> Result<Order, Error> {
        let order = self.new_order(tasks, number);
        let mut unit = Unit { fence, ..Unit::default() };
        let mut changes = vec![];
        for task in tasks {
            self.happen(
                &mut unit,
                &mut changes,
                task,
                &Event::Ordered { order: order.id, changing: true },
            )?;
        }
        unit.new_orders.push(order.clone());
        unit.entries
            .push(self.entry(About::OrderSent { order: Box::new(order.clone()) }, &changes));
        self.store.commit(unit).await?;
        Ok(order)
    }

    /// A task as it stands now.
    pub async fn now_of(&self, id: TaskId) -> Task {
        self.store.task(id).await.expect("task").row.task
    }

    /// Orders a task and takes its answer.
    pub async fn carry(&self, id: TaskId, answer: Answered) -> Task {
        let task = self.now_of(id).await;
        self.order(None, &[task], 1).await.expect("ordered");
        self.answer(id, answer).await
    }

    pub async fn answer(&self, id: TaskId, answer: Answered) -> Task {
        let task = self.now_of(id).await;
        self.move_tasks(None, &[task], &Event::Answered { answer }).await.expect("answered");
        self.now_of(id).await
    }

    /// Orders tasks and takes a promise to be polled.
    pub async fn receipt(&self, ids: &[TaskId], poll_after: Duration) -> StoredReceipt {
        let mut tasks = vec![];
        for id in ids {
            tasks.push(self.now_of(*id).await);
        }
        let mut order = self.order(None, &tasks, 1).await.expect("ordered");
        order.state = OrderState::Answered;
        let _now = self.now();
        let receipt = hand::receipt_of(self.now(), &*self.chance, &order, poll_after);
        let mut unit = Unit::default();
        let mut changes = vec![];
        for id in ids {
            let task = self.now_of(*id).await;
            let event =
                Event::Answered { answer: Answered::AcceptedWithReceipt { receipt: receipt.id } };
            self.happen(&mut unit, &mut changes, &task, &event).expect("accepted");
        }
        let about = About::OrderAnswered {
            order: order.id,
            status: Some(202),
            evidence: vec![Evidence::seen("202")],
        };
        unit.entries.push(self.entry(about, &changes));
        unit.new_receipts.push(receipt.clone());
        unit.orders.push(order);
        self.store.commit(unit).await.expect("written");
        receipt
    }

    /// Ends every open task of a request well.
    pub async fn finish(&self, id: efface_core::RequestId) {
        for task in
            self.tasks(id).await.into_iter().filter(|t| matches!(t.state, TaskState::Ready { .. }))
        {
            let after = self.carry(task.id, Answered::Confirmed { forwarded: false }).await;
            if matches!(after.state, TaskState::Confirmed { .. }) {
                self.move_tasks(None, &[after], &Event::Looked { seen: task::Seen::Absent })
                    .await
                    .expect("verified");
            }
        }
        for task in self
            .tasks(id)
            .await
            .into_iter()
            .filter(|t| matches!(t.state, TaskState::Blocked { .. }))
        {
            self.store.waive_task(task.id, "cannot be asked", "tester").await.expect("waived");
        }
        self.follow().await;
    }

    /// The `requests` lane: takes every follow-up that is due until none is.
    pub async fn follow(&self) {
        for _ in 0..50 {
            let due = self.store.due_follow_ups(self.now(), 100).await.expect("follow-ups");
            if due.is_empty() {
                return;
            }
            for one in due {
                match self.follow_one(one).await {
                    Ok(()) | Err(Error::Stale { .. }) => {}
                    Err(error) => panic!("follow-up: {error}"),
                }
            }
        }
        panic!("follow-ups do not end");
    }

    /// What a request that is over leaves on the suppression list.
    async fn list(
        &self,
        unit: &mut Unit,
        next: &mut request::Request,
        words: &mut Vec<&'static str>,
        tasks: &[Task],
    ) -> Result<(), Error> {
        if !suppression::concerns_the_list(next) {
            return Ok(());
        }
        let now = self.now();
        let known = self.store.on_list(std::slice::from_ref(next)).await?.pop();
        let known = match known {
            Some(OnList::Entry(entry)) => Some(*entry),
            Some(OnList::Absent | OnList::AfterAnother) | None => None,
        };
        let new_id = || SuppressionId::new(now, &*self.chance);
        let Some(noted) = suppression::after(next, tasks, known.as_ref(), now, new_id) else {
            return Ok(());
        };
        words.push("listed");
        *next = request::apply(next, &request::Event::Listed { entry: noted.entry.id }, now)?;
        let about = About::SuppressionMoved {
            event: noted.event.into(),
            entry: Box::new(noted.entry.clone()),
            accounts: noted.stands.clone(),
        };
        unit.entries.push(self.entry(about, &[]));
        unit.listings.push(Listing::after(next, noted));
        Ok(())
    }

    async fn follow_one(&self, due: DueFollowUp) -> Result<(), Error> {
        let directory = self.store.directory();
        let now = self.now();
        let tasks: Vec<Task> = due.tasks.iter().map(|t| t.task.clone()).collect();
        let action = due.request.action;
        let phase = |task: &Task| directory.phase(task, action);
        let tells = |task: &Task| directory.tells_absence(task);
        let patience = directory.policy.phase_patience;
        let advance = request::advance(
            &due.request,
            &tasks,
            phase,
            tells,
            patience,
            due.nobody_found_decided,
            now,
        );
        let mut unit = Unit { followed: vec![(due.request.id, due.seq)], ..Unit::default() };
        let mut changes = vec![];
        for row in due.tasks.iter().filter(|r| advance.open.contains(&r.task.id)) {
            self.happen(&mut unit, &mut changes, &row.task, &Event::CauseGone)?;
        }
        for row in &due.dependents {
            let cause = Cause::Phase(directory.phase(&row.task, efface_core::RequestAction::Erase));
            self.happen(&mut unit, &mut changes, &row.task, &Event::Blocked { cause })?;
            unit.follow_ups.push(FollowUp { request: row.task.request, due_at: now });
        }
        if let Some(at) = advance.look_again {
            unit.follow_ups.push(FollowUp { request: due.request.id, due_at: at });
        }
        if let Some(reason) = advance.desk {
            unit.desk_opens.push(self.desk_open(Subject::Request(due.request.id), reason));
        }
        let mut next = due.request.clone();
        let mut words = vec![];
        if advance.start {
            words.push("started");
            next = request::apply(&next, &request::Event::Started, now)?;
        }
        if let Some(ending) = advance.close {
            words.push("closed");
            next = request::apply(&next, &request::Event::Closed { ending }, now)?;
        }
        self.list(&mut unit, &mut next, &mut words, &tasks).await?;
        if next == due.request {
            unit.entries.push(self.entry(About::TasksMoved { cause: "phase".into() }, &changes));
        } else {
            let about = About::RequestMoved {
                event: words.join(", "),
                after: Box::new(next.clone()),
                commitments: vec![],
            };
            unit.entries.push(self.entry(about, &changes));
            unit.requests.push(RequestWrite {
                read_version: due.request.version,
                request: next,
                dossier: None,
                nobody_found_decided: due.nobody_found_decided,
            });
        }
        self.store.commit(unit).await
    }
}

/// The name of the lane that looks after requests.
pub const REQUESTS: &str = REQUESTS_LANE;

//! A random walk through two stores at once: the same units go to both, and after each both are asked
//! everything.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use efface_core::{
    DeskId, EntryId, OrderId, ReceiptId, RequestId, Timestamp,
    desk::{DeskItem, Reason, Subject},
    journal::{About, Entry, TaskChange},
    manifest::EffectClass,
    order::{Order, OrderState, StoredReceipt},
    outside::Clock as _,
    request,
    subject::Value,
    task::{self, Answered, Event, Queue, Seen as Saw, Task, TaskState},
};
use efface_store::{
    AccountWrite, DeskClose, DeskOpen, DueTask, EntryRow, Error, FollowUp, LEDGER_LANE, Lease,
    LeaseTerms, MemoWrite, NewTask, REQUESTS_LANE, RequestWrite, SqlStore, Store, TaskWrite, Unit,
};
use efface_testkit::{
    hand::{HandClock, Seeded, account, lane, order_of},
    memory::{Adopted, MemoryStore},
    store_sentences::erase,
};

const STEPS: usize = 120;
const LANES: [&str; 4] = ["mail", "shop", REQUESTS_LANE, LEDGER_LANE];
const LONG: LeaseTerms = LeaseTerms { ttl: Duration::from_secs(3600) };

/// What the walk met.
#[derive(Debug, Default)]
pub struct Seen {
    pub taken: usize,
    pub refused: usize,
}

struct Walk<'a> {
    sql: &'a SqlStore,
    memory: &'a MemoryStore,
    clock: &'a HandClock,
    dice: Seeded,
    requests: Vec<RequestId>,
    orders: Vec<Order>,
    receipts: Vec<StoredReceipt>,
    leases: Vec<Lease>,
    /// Follow-ups as they were read, some of them out of date.
    read: BTreeMap<RequestId, u64>,
}

pub async fn walk(
    sql: &SqlStore,
    memory: &MemoryStore,
    clock: &HandClock,
    seed: u64,
    seen: &mut Seen,
) {
    let mut walk = Walk {
        sql,
        memory,
        clock,
        dice: Seeded::new(seed ^ 0xD1CE),
        requests: vec![],
        orders: vec![],
        receipts: vec![],
        leases: vec![],
        read: BTreeMap::new(),
    };
    for n in 0..4 {
        walk.file(n).await;
    }
    for _ in 0..STEPS {
        walk.step(seen).await;
        walk.compare().await;
    }
}

/// What kind of error, and whose tasks.
fn word<T: Debug>(done: &Result<T, Error>) -> String {
    match done {
        Ok(value) => format!("{value:?}"),
        // whoever is written twice in one unit may be named once or twice
        Err(Error::Stale { tasks }) => {
            let tasks: std::collections::BTreeSet<_> = tasks.iter().collect();
            format!("stale {tasks:?}")
        }
        Err(Error::LaneLost { lane }) => format!("lost {lane}"),
        Err(Error::NotFound { what, id, .. }) => format!("no {what} {id}"),
        Err(other) => panic!("{other}"),
    }
}

/// Everything of a task, what is personal included.
fn shown(due: &DueTask) -> String {
    let text = |v: &Option<Value>| v.as_ref().map(|v| v.expose().to_owned());
    let names: Vec<&str> = due.identifiers.iter().map(|i| i.normal.expose()).collect();
    format!("{due:?} {:?} {:?} {names:?}", text(&due.memo), text(&due.prior))
}

fn shown_all(mut all: Vec<DueTask>) -> Vec<String> {
    all.sort_by_key(|t| t.task.id);
    all.iter().map(shown).collect()
}

impl Walk<'_> {
    fn one_of<T: Clone>(&self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.dice.below(from.len())].clone())
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn file(&mut self, n: usize) {
        let new = erase(&format!("person{n}"));
        let filed = self.sql.file(vec![new]).await.remove(0).expect("filed");
        let efface_store::Filed::New(id) = filed else { panic!("{filed:?}") };
        let view = self.sql.request(id).await.expect("request");
        let tail = efface_store::journal_tail(self.sql).await.expect("journal");
        let mut entries = tail.iter().map(|(body, items)| {
            let read = Entry::read(body, items).expect("an entry");
            (
                Entry { id: read.id, at: read.at, body: body.clone(), items: items.clone() },
                read.about,
            )
        });
        let mine = |about: &About| matches!(about, About::RequestFiled { request, .. } if request.id == id);
        let entry = entries.find(|(_, about)| mine(about)).expect("its leaf").0;
        let task = |t: efface_store::TaskView| NewTask {
            task: t.row.task,
            lane: t.row.lane,
            deadline: t.row.deadline,
        };
        self.memory.adopt(Adopted {
            dossier: self.sql.dossier(id).await.expect("dossier"),
            tasks: view.tasks.into_iter().map(task).collect(),
            request: view.request,
            entry,
            follow_up: Some(self.now()),
        });
        self.requests.push(id);
    }

    fn any_task(&self) -> Option<Task> {
        let rows = self.memory.tasks_of(self.one_of(&self.requests)?);
        self.one_of(&rows).map(|row| row.task)
    }

    fn event(&self, task: &Task, order: OrderId, receipt: ReceiptId) -> Event {
        let soon = self.now().plus(Duration::from_secs(self.dice.below(900) as u64));
        let answer = match self.dice.below(7) {
            0 => Answered::Confirmed { forwarded: false },
            1 => Answered::RetryLater { retry_after: Some(Duration::from_secs(60)) },
            2 => Answered::AcceptedWithReceipt { receipt },
            3 => Answered::AcceptedOnPromise { done_by: soon },
            4 => Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at: soon },
            5 => Answered::Refused { code: "no".into() },
            _ => Answered::NotDone,
        };
        match (&task.state, self.dice.below(5)) {
            (_, 0) => Event::Held { reason: "test".into() },
            (TaskState::Blocked { .. }, _) => Event::CauseGone,
            (TaskState::Ready { .. }, _) => Event::Ordered { order, changing: true },
            (TaskState::Sending { .. }, 1) => Event::OutcomeUnknown,
            (TaskState::Waiting { .. }, 1) => Event::Cancelled,
            (TaskState::Waiting { .. }, 2) => Event::Looked { seen: Saw::Present },
            (TaskState::Desk { .. }, 1 | 2) => Event::Retried { by: "t".into() },
            (TaskState::Desk { .. }, _) => Event::Waived { by: "t".into(), reason: "r".into() },
            _ => Event::Answered { answer },
        }
    }

    /// A unit of this and that, some of it wrong.
    fn unit(&mut self) -> Unit {
        let now = self.now();
        let mut unit = Unit::default();
        let mut changes = vec![];
        let order_id = OrderId::new(now, &self.dice);
        let known = self.one_of(&self.receipts).map(|r| r.id);
        let receipt_id = known.unwrap_or_else(|| ReceiptId::new(now, &self.dice));
        for _ in 0..self.dice.below(3) {
            let Some(task) = self.any_task() else { continue };
            let rules = self.memory.directory().rules(&task, None);
            let event = self.event(&task, order_id, receipt_id);
            let Ok(moved) = task::apply(&task, &event, &rules, now, 1) else { continue };
            changes.push(TaskChange::of(&moved.task, event.word()));
            let stale = u32::from(self.dice.below(8) == 0);
            let mut write = TaskWrite::new(task.version + stale, moved.task);
            write.memo = match self.dice.below(4) {
                0 => MemoWrite::Set(Value::new(format!("memo {}", self.dice.below(99)))),
                1 => MemoWrite::Clear,
                _ => MemoWrite::Keep,
            };
            write.prior = (self.dice.below(6) == 0).then(|| Value::new("prior"));
            unit.tasks.push(write);
        }
        self.add_orders(&mut unit, order_id);
        self.add_rest(&mut unit);
        let about = About::TasksMoved { cause: "walk".into() };
        let entry = Entry::new(EntryId::new(now, &self.dice), now, "walk", about, &changes);
        unit.entries.push(EntryRow::from(entry));
        if self.dice.below(3) == 0 {
            unit.fence = self.one_of(&self.leases);
        }
        unit
    }

    fn add_orders(&mut self, unit: &mut Unit, id: OrderId) {
        let now = self.now();
        let ordered: Vec<Task> = unit
            .tasks
            .iter()
            .map(|w| w.task.clone())
            .filter(|t| matches!(t.state, TaskState::Sending { order } if order == id))
            .collect();
        if !ordered.is_empty() {
            let number = self.dice.below(50) as u64;
            unit.new_orders.push(Order {
                id,
                class: EffectClass::Wasteful,
                key: id.to_string(),
                ..order_of(now, &self.dice, &ordered, number)
            });
        }
        if let (0, Some(mut order)) = (self.dice.below(3), self.one_of(&self.orders)) {
            let look_at = now.plus(Duration::from_secs(self.dice.below(600) as u64));
            let states = [
                OrderState::Unknown { since: now, look_at },
                OrderState::Answered,
                OrderState::Desk,
                OrderState::Sending,
            ];
            order.state = states[self.dice.below(4)];
            if self.dice.below(9) == 0 {
                order.id = OrderId(uuid::Uuid::from_u128(self.dice.below(9) as u128));
            }
            unit.orders.push(order);
        }
        if let (0, Some(order)) = (self.dice.below(3), self.one_of(&self.orders)) {
            unit.new_receipts.push(StoredReceipt {
                id: ReceiptId::new(now, &self.dice),
                order: order.id,
                lane: order.lane,
                account: order.account,
                format: 1,
                body: "job".into(),
                polls: 0,
                poll_after: Duration::from_secs(60),
                next_poll: now.plus(Duration::from_secs(self.dice.below(600) as u64)),
                bound_at: now.plus(Duration::from_secs(9_000)),
                slow_told: false,
                done: false,
                asked_back: None,
            });
        }
        if let (0, Some(mut receipt)) = (self.dice.below(3), self.one_of(&self.receipts)) {
            receipt.next_poll = now.plus(Duration::from_secs(self.dice.below(600) as u64));
            receipt.done = self.dice.below(3) == 0;
            unit.receipts.push(receipt);
        }
    }

    fn add_rest(&mut self, unit: &mut Unit) {
        let now = self.now();
        if let (0, Some(request)) = (self.dice.below(3), self.one_of(&self.requests)) {
            let due_at = now.plus(Duration::from_secs(self.dice.below(300) as u64));
            unit.follow_ups.push(FollowUp { request, due_at });
        }
        if let (0, Some((id, seq))) =
            (self.dice.below(4), self.one_of(&self.read.clone().into_iter().collect::<Vec<_>>()))
        {
            unit.followed.push((id, seq));
        }
        if let (0, Some(id)) = (self.dice.below(6), self.one_of(&self.requests)) {
            let stored = self.memory.requests().into_iter().find(|r| r.id == id).expect("request");
            let event = [
                request::Event::Started,
                request::Event::Held { by: "t".into(), reason: "lawsuit".into() },
                request::Event::HoldEnded { by: "t".into() },
                request::Event::Amended { by: "t".into() },
            ][self.dice.below(4)]
            .clone();
            if let Ok(next) = request::apply(&stored, &event, now) {
                let stale = u32::from(self.dice.below(5) == 0);
                unit.requests.push(RequestWrite {
                    read_version: stored.version + stale,
                    request: next,
                    dossier: None,
                    nobody_found_decided: self.dice.below(2) == 0,
                });
            }
        }
        if let (0, Some(task)) = (self.dice.below(4), self.any_task()) {
            let reason = [Reason::Slow, Reason::Poison, Reason::SharedIdentifier]
                [self.dice.below(3)]
            .clone();
            let item = DeskItem {
                id: DeskId::new(now, &self.dice),
                subject: Subject::Task(task.id),
                reason,
                opened_at: now,
                closed: None,
            };
            unit.desk_opens.push(DeskOpen { item, sealed: None });
        }
        if let (0, Some(task)) = (self.dice.below(5), self.any_task()) {
            let reason = (self.dice.below(2) == 0).then_some("slow");
            unit.desk_closes.push(DeskClose {
                subject: Subject::Task(task.id),
                reason,
                by: "t".into(),
                how: "h".into(),
                at: now,
            });
        }
    }

    async fn step(&mut self, seen: &mut Seen) {
        match self.dice.below(10) {
            0 => self.clock.advance(Duration::from_secs(self.dice.below(400) as u64)),
            1 if self.requests.len() < 9 => self.file(self.requests.len()).await,
            2 => self.lanes().await,
            3 => self.wake().await,
            4 => self.place().await,
            5 => self.account(seen).await,
            _ => {
                let unit = self.unit();
                let done = self.commit(unit.clone(), seen).await;
                if done {
                    self.keep(unit);
                }
            }
        }
    }

    async fn commit(&self, unit: Unit, seen: &mut Seen) -> bool {
        let (left, right) =
            (self.sql.commit(unit.clone()).await, self.memory.commit(unit.clone()).await);
        assert_eq!(word(&left), word(&right), "{unit:?}");
        let done = left.is_ok();
        *(if done { &mut seen.taken } else { &mut seen.refused }) += 1;
        done
    }

    fn keep(&mut self, unit: Unit) {
        for order in unit.new_orders.into_iter().chain(unit.orders) {
            self.orders.retain(|o| o.id != order.id);
            self.orders.push(order);
        }
        for receipt in unit.new_receipts.into_iter().chain(unit.receipts) {
            self.receipts.retain(|r| r.id != receipt.id);
            self.receipts.push(receipt);
        }
    }

    async fn lanes(&mut self) {
        let owner = ["one", "two"][self.dice.below(2)];
        let lanes = [lane(LANES[self.dice.below(4)])];
        let taken = self.sql.take_lanes(owner, &lanes, LONG).await;
        assert_eq!(word(&taken), word(&self.memory.take_lanes(owner, &lanes, LONG).await));
        self.leases.extend(taken.expect("asked").into_iter().map(|(lease, _)| lease));
        let some: Vec<Lease> = self.one_of(&self.leases).into_iter().collect();
        assert_eq!(
            word(&self.sql.renew(&some, LONG).await),
            word(&self.memory.renew(&some, LONG).await)
        );
        if self.dice.below(3) == 0 {
            assert_eq!(
                word(&self.sql.give_back(&some).await),
                word(&self.memory.give_back(&some).await)
            );
        }
    }

    async fn wake(&self) {
        let now = self.now().plus(Duration::from_secs(self.dice.below(300) as u64));
        let name = lane(LANES[self.dice.below(2)]);
        let (left, right) =
            (self.sql.wake_due(&name, now).await, self.memory.wake_due(&name, now).await);
        assert_eq!(word(&left), word(&right));
    }

    async fn place(&self) {
        let Some(lease) = self.one_of(&self.leases) else { return };
        // both begin with what was written before they were compared
        let most = 10_000;
        let (left, right) = (
            self.sql.place_leaves(&lease, most).await,
            self.memory.place_leaves(&lease, most).await,
        );
        assert_eq!(left.is_err(), right.is_err(), "{left:?} {right:?}");
    }

    async fn account(&self, seen: &mut Seen) {
        let id = account(LANES[self.dice.below(2)]);
        let row = self.sql.account(&id).await.expect("account");
        let mut condition = row.condition;
        condition.ceiling_reached = self.dice.below(2) == 0;
        let write = AccountWrite {
            read_version: row.version + u32::from(self.dice.below(3) == 0),
            id,
            condition,
        };
        self.commit(Unit { accounts: vec![write], ..Unit::default() }, seen).await;
    }

    async fn compare(&mut self) {
        let (a, b): (&dyn Store, &dyn Store) = (self.sql, self.memory);
        let strip = |rows: Vec<efface_store::AccountRow>| {
            rows.into_iter()
                .map(|r| (r.id, r.lane, r.version, r.condition.ceiling_reached, r.condition.mode))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            strip(a.accounts().await.expect("read")),
            strip(b.accounts().await.expect("read"))
        );
        for name in LANES {
            let name = lane(name);
            assert_eq!(
                a.next_wake(&name).await.expect("read"),
                b.next_wake(&name).await.expect("read"),
                "{name}"
            );
            for later in [0, 200] {
                let at = self.now().plus(Duration::from_secs(later));
                let (left, right) =
                    (a.unknown_orders(&name, at).await, b.unknown_orders(&name, at).await);
                let shown = |all: Vec<efface_store::OpenOrder>| {
                    all.into_iter().map(|o| (o.order, shown_all(o.items))).collect::<Vec<_>>()
                };
                assert_eq!(shown(left.expect("read")), shown(right.expect("read")));
                let (left, right) = (a.open_orders(&name).await, b.open_orders(&name).await);
                assert_eq!(shown(left.expect("read")), shown(right.expect("read")));
                let (left, right) =
                    (a.due_receipts(&name, at, 99).await, b.due_receipts(&name, at, 99).await);
                let shown = |mut all: Vec<efface_store::DueReceipt>| {
                    all.sort_by_key(|r| r.receipt.id);
                    all.into_iter()
                        .map(|r| (r.receipt, r.order, shown_all(r.items)))
                        .collect::<Vec<_>>()
                };
                assert_eq!(shown(left.expect("read")), shown(right.expect("read")));
            }
        }
        for name in ["mail", "shop"] {
            for queue in [Queue::Submit, Queue::LookUp, Queue::Recall, Queue::None] {
                let id = account(name);
                let limit = 1 + u32::try_from(self.dice.below(9)).expect("small");
                let (left, right) =
                    (a.due_tasks(&id, queue, limit).await, b.due_tasks(&id, queue, limit).await);
                let shown = |all: Vec<DueTask>| all.iter().map(shown).collect::<Vec<_>>();
                assert_eq!(
                    shown(left.expect("read")),
                    shown(right.expect("read")),
                    "{name} {queue:?}"
                );
            }
        }
        self.compare_follow_ups().await;
        self.compare_desk().await;
    }

    async fn compare_follow_ups(&mut self) {
        let at = self.now().plus(Duration::from_secs(150));
        let shown = |mut all: Vec<efface_store::DueFollowUp>| {
            all.sort_by_key(|d| d.request.id);
            all
        };
        let left = shown(self.sql.due_follow_ups(at, 99).await.expect("read"));
        let right = shown(self.memory.due_follow_ups(at, 99).await.expect("read"));
        assert_eq!(format!("{left:?}"), format!("{right:?}"));
        if self.dice.below(2) == 0 {
            self.read.extend(left.iter().map(|d| (d.request.id, d.seq)));
        }
    }

    async fn compare_desk(&self) {
        let key = |i: &DeskItem| (i.subject.kind(), i.subject.id(), i.reason.word());
        let mut left: Vec<_> =
            self.sql.desk(true, 500).await.expect("desk").iter().map(|r| key(&r.item)).collect();
        let mut right: Vec<_> = self.memory.open_desk().iter().map(key).collect();
        left.sort();
        right.sort();
        assert_eq!(left, right);
    }
}

//! Sentences about the [`Store`] trait alone. Whatever calls itself a store says yes to each of them:
//! the one on SQLite, the one on PostgreSQL, and the one in memory, which is licensed by nothing else.

mod fixture;

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use efface_core::{
    OrderId, ReceiptId, RequestId, TaskId, Timestamp,
    desk::{Reason, Subject},
    journal::About,
    order::OrderState,
    outside::Chance,
    subject::Value,
    task::{Answered, Event, Queue, Task},
};
use efface_store::{
    AccountWrite, Attendance, DeskClose, Error, FollowUp, LEDGER_LANE, LeaseTerms, MemoWrite,
    NewRequest, REQUESTS_LANE, Store, TaskRow, TaskWrite, Unit,
};

pub use fixture::{HandClock, Seeded, account, directory, erase, lane};
use fixture::{LONG, desk_open, entry, happen, order, order_of, receipt_of, start};

/// A store to be asked, and the few doors around it.
#[async_trait]
pub trait Rig: Send + Sync {
    fn store(&self) -> &dyn Store;
    /// What rows are written by; it goes on when it is moved.
    fn clock(&self) -> &HandClock;
    fn chance(&self) -> &dyn Chance;
    /// Files a released request that does not cool off.
    async fn file(&self, new: NewRequest) -> RequestId;
    async fn tasks_of(&self, id: RequestId) -> Vec<TaskRow>;
    /// How many entries the journal has.
    async fn leaves(&self) -> u64;
    /// How many desk items are open.
    async fn on_the_desk(&self) -> usize;
    /// Lets so much of the database's own time pass.
    async fn wait(&self, by: Duration);

    async fn task(&self, id: &Task) -> Task {
        let rows = self.tasks_of(id.request).await;
        rows.into_iter().map(|r| r.task).find(|t| t.id == id.id).expect("the task is there")
    }

    fn now(&self) -> Timestamp {
        efface_core::outside::Clock::now(self.clock())
    }
}

/// A sentence being said.
pub type Said = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A sentence and what proves it.
#[derive(Clone, Copy)]
pub struct Sentence {
    pub name: &'static str,
    pub run: fn(Arc<dyn Rig>) -> Said,
}

macro_rules! sentences {
    ($($name:ident),+ $(,)?) => {
        /// Every sentence.
        pub const SENTENCES: &[Sentence] =
            &[$(Sentence { name: stringify!($name), run: |rig| Box::pin($name(rig)) }),+];
    };
}

sentences! {
    a_unit_is_written_whole_or_not_at_all,
    each_write_names_the_version_it_read,
    a_write_to_what_is_not_there_is_refused,
    a_lane_has_one_owner_and_every_taking_a_higher_epoch,
    a_lease_that_ran_out_can_be_taken,
    a_write_under_an_old_epoch_is_refused_and_writes_nothing,
    order_numbers_rise_over_owners,
    workers_see_one_another_and_who_holds_what,
    what_is_due_comes_earliest_deadline_first,
    what_waits_is_woken_by_its_lane_when_its_time_comes,
    orders_are_open_until_answered_and_unknown_when_due,
    receipts_come_when_due_and_stay_away_when_done,
    whoever_is_forgotten_keeps_no_other_of_an_order_from_being_read,
    a_follow_up_asked_for_meanwhile_stays,
    a_hold_comes_with_the_task,
    a_memo_is_kept_until_it_is_cleared,
    an_item_is_opened_once_per_subject_and_reason,
    each_leaf_gets_one_position_from_the_lanes_owner,
}

async fn fails(rig: &dyn Rig, unit: Unit) -> Error {
    let before = rig.leaves().await;
    let note = entry(rig, About::Note { text: "with it".into() }, &[]);
    let unit = Unit { entries: vec![note], ..unit };
    let refused = rig.store().commit(unit).await.expect_err("refused");
    assert_eq!(rig.leaves().await, before, "nothing of it was written");
    refused
}

fn moved(rig: &dyn Rig, task: &Task) -> TaskWrite {
    let event = Event::Answered { answer: Answered::Confirmed { forwarded: false } };
    let held = Event::Held { reason: "test".into() };
    let event = if task.state.order().is_some() { event } else { held };
    happen(rig, task, &event).0
}

async fn a_unit_is_written_whole_or_not_at_all(rig: Arc<dyn Rig>) {
    let (a, b) = (start(&*rig, "a").await, start(&*rig, "b").await);
    rig.store()
        .commit(Unit { tasks: vec![moved(&*rig, &a)], ..Unit::default() })
        .await
        .expect("moved");
    let order = order_of(&*rig, std::slice::from_ref(&b), 1);
    let asked = FollowUp { request: b.request, due_at: rig.now() };
    let unit = Unit {
        tasks: vec![moved(&*rig, &b), moved(&*rig, &a)],
        new_orders: vec![order],
        follow_ups: vec![asked],
        ..Unit::default()
    };
    let refused = fails(&*rig, unit).await;
    assert!(matches!(&refused, Error::Stale { tasks } if *tasks == [a.id]), "{refused:?}");
    assert_eq!(rig.task(&b).await, b);
    assert!(rig.store().open_orders(&lane("mail")).await.expect("read").is_empty());
    assert!(rig.store().due_follow_ups(rig.now(), 9).await.expect("read").is_empty());
    // one task twice in a unit is no unit
    let twice = Unit { tasks: vec![moved(&*rig, &b), moved(&*rig, &b)], ..Unit::default() };
    assert!(matches!(fails(&*rig, twice).await, Error::Stale { .. }));
    assert_eq!(rig.task(&b).await, b);
}

async fn each_write_names_the_version_it_read(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let mut write = moved(&*rig, &task);
    write.read_version += 1;
    assert!(matches!(
        fails(&*rig, Unit { tasks: vec![write], ..Unit::default() }).await,
        Error::Stale { .. }
    ));
    let row = rig.store().account(&account("mail")).await.expect("account");
    let at = |read_version| AccountWrite {
        read_version,
        id: row.id.clone(),
        condition: row.condition.clone(),
    };
    let wrong = Unit { accounts: vec![at(row.version + 1)], ..Unit::default() };
    assert!(matches!(fails(&*rig, wrong).await, Error::Stale { .. }));
    let right = Unit { accounts: vec![at(row.version)], ..Unit::default() };
    rig.store().commit(right.clone()).await.expect("written");
    assert!(matches!(fails(&*rig, right).await, Error::Stale { .. }), "once");
    assert_eq!(rig.store().account(&row.id).await.expect("account").version, row.version + 1);
}

async fn a_write_to_what_is_not_there_is_refused(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let strange = uuid::Uuid::from_u128(7);
    let mut order = order_of(&*rig, std::slice::from_ref(&task), 1);
    let mut receipt = receipt_of(&*rig, &order, Duration::from_secs(9));
    (order.id, receipt.id) = (OrderId(strange), ReceiptId(strange));
    let mut write = moved(&*rig, &task);
    write.task.id = TaskId(strange);
    fails(&*rig, Unit { orders: vec![order], ..Unit::default() }).await;
    fails(&*rig, Unit { receipts: vec![receipt], ..Unit::default() }).await;
    fails(&*rig, Unit { tasks: vec![write], ..Unit::default() }).await;
    let done = efface_store::ErrandDone { id: strange, answer: "{}".into() };
    fails(&*rig, Unit { errands_done: vec![done], ..Unit::default() }).await;
}

async fn a_lane_has_one_owner_and_every_taking_a_higher_epoch(rig: Arc<dyn Rig>) {
    let both = [lane("shop"), lane("mail")];
    let taken = rig.store().take_lanes("one", &both, LONG).await.expect("taken");
    let told: Vec<_> = taken.iter().map(|(l, last)| (l.lane.as_str(), l.epoch, *last)).collect();
    assert_eq!(told, [("mail", 1, 0), ("shop", 1, 0)]);
    assert!(rig.store().take_lanes("two", &both, LONG).await.expect("asked").is_empty());
    let leases: Vec<_> = taken.into_iter().map(|(l, _)| l).collect();
    assert_eq!(rig.store().renew(&leases, LONG).await.expect("renewed"), leases);
    rig.store().give_back(&leases[..1]).await.expect("given back");
    let other = rig.store().take_lanes("two", &both, LONG).await.expect("taken");
    assert_eq!(
        other.iter().map(|(l, _)| (l.lane.as_str(), l.epoch)).collect::<Vec<_>>(),
        [("mail", 2)]
    );
    assert_eq!(rig.store().renew(&leases, LONG).await.expect("renewed"), leases[1..]);
    // what is another's cannot be given back
    rig.store().give_back(&leases[..1]).await.expect("nothing happens");
    assert!(rig.store().take_lanes("one", &both[1..], LONG).await.expect("asked").is_empty());
    // under the same name it is taken at once
    let again = rig.store().take_lanes("one", &both, LONG).await.expect("taken");
    assert_eq!(
        again.iter().map(|(l, _)| (l.lane.as_str(), l.epoch)).collect::<Vec<_>>(),
        [("shop", 2)]
    );
    assert!(rig.store().renew(&leases, LONG).await.expect("asked").is_empty());
}

async fn a_lease_that_ran_out_can_be_taken(rig: Arc<dyn Rig>) {
    let mail = [lane("mail")];
    let short = LeaseTerms { ttl: Duration::from_millis(30) };
    let lease = rig.store().take_lanes("one", &mail, short).await.expect("taken").remove(0).0;
    // our own clock has no say in it
    rig.clock().advance(Duration::from_secs(9_999));
    let taken = loop {
        let taken = rig.store().take_lanes("two", &mail, LONG).await.expect("asked");
        if !taken.is_empty() {
            break taken;
        }
        rig.wait(Duration::from_millis(5)).await;
    };
    assert_eq!(taken[0].0.epoch, 2);
    assert!(rig.store().renew(&[lease], LONG).await.expect("asked").is_empty());
}

async fn workers_see_one_another_and_who_holds_what(rig: Arc<dyn Rig>) {
    let names = |house: &Attendance| -> Vec<(String, u32)> {
        house.workers.iter().map(|w| (w.name.clone(), w.serves)).collect()
    };
    let store = rig.store();
    let house = store.attend("two", 5, LONG).await.expect("there");
    assert_eq!((names(&house), house.lanes.len()), (vec![("two".into(), 5)], 0));
    let mail = [lane("mail")];
    let lease = store.take_lanes("two", &mail, LONG).await.expect("taken").remove(0).0;
    let house = store.attend("one", 7, LONG).await.expect("there");
    assert_eq!(names(&house), [("one".into(), 7), ("two".into(), 5)]);
    let held = &house.lanes[0];
    assert_eq!((held.lane.as_str(), held.owner.as_deref()), ("mail", Some("two")));
    assert!(!held.runs_out_in.is_zero() && held.runs_out_in <= LONG.ttl, "{held:?}");

    // who is silent is gone when its time is over, by the database's clock
    let short = LeaseTerms { ttl: Duration::from_millis(30) };
    store.attend("two", 5, short).await.expect("there");
    rig.clock().advance(Duration::from_secs(9_999));
    while names(&store.attend("one", 7, LONG).await.expect("there")).len() > 1 {
        rig.wait(Duration::from_millis(5)).await;
    }
    // it holds its lane all the same, until that lease is over
    assert_eq!(store.attend("one", 7, LONG).await.expect("there").lanes[0].owner, held.owner);

    store.attend("two", 5, LONG).await.expect("there");
    store.leave("two").await.expect("left");
    store.give_back(&[lease]).await.expect("given back");
    let house = store.attend("one", 7, LONG).await.expect("there");
    assert_eq!(names(&house), [("one".into(), 7)]);
    assert_eq!((house.lanes[0].owner.clone(), house.lanes[0].runs_out_in), (None, Duration::ZERO));
}

async fn a_write_under_an_old_epoch_is_refused_and_writes_nothing(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let mail = [lane("mail")];
    let mut taken = vec![];
    for _ in 0..2 {
        taken.push(rig.store().take_lanes("one", &mail, LONG).await.expect("taken").remove(0).0);
    }
    let unit = |n: usize| Unit {
        fence: Some(taken[n].clone()),
        tasks: vec![moved(&*rig, &task)],
        ..Unit::default()
    };
    let refused = fails(&*rig, unit(0)).await;
    assert!(matches!(&refused, Error::LaneLost { lane } if lane == "mail"), "{refused:?}");
    assert_eq!(rig.task(&task).await, task);
    // a unit that only fences is refused too
    let empty = Unit { fence: Some(taken[0].clone()), ..Unit::default() };
    assert!(matches!(rig.store().commit(empty).await, Err(Error::LaneLost { .. })));
    rig.store().commit(unit(1)).await.expect("the owner writes");
    // and who gave it back writes no more
    rig.store().give_back(&taken[1..]).await.expect("given back");
    let empty = Unit { fence: Some(taken[1].clone()), ..Unit::default() };
    assert!(matches!(rig.store().commit(empty).await, Err(Error::LaneLost { .. })));
}

async fn order_numbers_rise_over_owners(rig: Arc<dyn Rig>) {
    let mail = [lane("mail")];
    for (owner, number, last) in [("one", 2, 0), ("two", 1, 2), ("three", 5, 2)] {
        let task = start(&*rig, owner).await;
        let (lease, told) =
            rig.store().take_lanes(owner, &mail, LONG).await.expect("taken").remove(0);
        assert_eq!(told, last, "{owner}");
        order(&*rig, Some(lease.clone()), &[task], number).await;
        rig.store().give_back(&[lease]).await.expect("given back");
    }
    let (_, told) = rig.store().take_lanes("four", &mail, LONG).await.expect("taken").remove(0);
    assert_eq!(told, 5);
}

async fn what_is_due_comes_earliest_deadline_first(rig: Arc<dyn Rig>) {
    let mut tasks = vec![];
    for (name, day) in [("c", 15), ("a", 1), ("b", 10)] {
        let received_on = Some(jiff::civil::date(2026, 11, day));
        tasks.push(fixture::start_new(&*rig, NewRequest { received_on, ..erase(name) }).await);
    }
    let mail = account("mail");
    let due = rig.store().due_tasks(&mail, Queue::Submit, 2).await.expect("due");
    assert_eq!(due.iter().map(|t| t.task.id).collect::<Vec<_>>(), [tasks[1].id, tasks[2].id]);
    assert!(due[0].deadline < due[1].deadline);
    assert_eq!(due[0].identifiers, erase("a").identifiers);
    assert!(rig.store().due_tasks(&mail, Queue::LookUp, 9).await.expect("due").is_empty());
    assert!(rig.store().due_tasks(&mail, Queue::None, 9).await.expect("due").is_empty());
}

async fn what_waits_is_woken_by_its_lane_when_its_time_comes(rig: Arc<dyn Rig>) {
    let (mail, shop) = (lane("mail"), lane("shop"));
    let mut blocked = vec![];
    for (name, seconds) in [("a", 10), ("b", 1000)] {
        let task = start(&*rig, name).await;
        order(&*rig, None, std::slice::from_ref(&task), 1).await;
        let recheck_at = rig.now().plus(Duration::from_secs(seconds));
        let answer = Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at };
        let (write, _) = happen(&*rig, &rig.task(&task).await, &Event::Answered { answer });
        rig.store().commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("blocked");
        blocked.push((rig.task(&task).await, recheck_at));
    }
    assert_eq!(rig.store().next_wake(&mail).await.expect("wake"), Some(blocked[0].1));
    assert_eq!(rig.store().next_wake(&shop).await.expect("wake"), None);
    let late = rig.now().plus(Duration::from_secs(100));
    let due =
        async || rig.store().due_tasks(&account("mail"), Queue::Submit, 9).await.expect("due");
    assert!(due().await.is_empty());
    for (lane, woken) in [(&shop, 0), (&mail, 1), (&mail, 0)] {
        assert_eq!(rig.store().wake_due(lane, late).await.expect("woken"), woken);
    }
    let found: Vec<Task> = due().await.into_iter().map(|t| t.task).collect();
    assert_eq!(found, [blocked[0].0.clone()], "no state changes by waking");
    assert_eq!(rig.store().next_wake(&mail).await.expect("wake"), Some(blocked[1].1));
}

async fn orders_are_open_until_answered_and_unknown_when_due(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let mut order = order(&*rig, None, std::slice::from_ref(&task), 1).await;
    let mail = lane("mail");
    let open = rig.store().open_orders(&mail).await.expect("open");
    assert_eq!((open.len(), &open[0].order, open[0].items.len()), (1, &order, 1));
    let since = rig.now();
    let look_at = since.plus(Duration::from_secs(60));
    for (state, is_open) in [
        (OrderState::Unknown { since, look_at }, true),
        (OrderState::Desk, false),
        (OrderState::Answered, false),
    ] {
        order.state = state;
        rig.store()
            .commit(Unit { orders: vec![order.clone()], ..Unit::default() })
            .await
            .expect("written");
        let unknown = async |at| rig.store().unknown_orders(&mail, at).await.expect("read").len();
        let is_unknown = usize::from(matches!(state, OrderState::Unknown { .. }));
        assert_eq!(rig.store().open_orders(&mail).await.expect("open").len(), usize::from(is_open));
        assert_eq!((unknown(since).await, unknown(look_at).await), (0, is_unknown), "{state:?}");
        let wake = (is_unknown == 1).then_some(look_at);
        assert_eq!(rig.store().next_wake(&mail).await.expect("wake"), wake);
    }
}

async fn whoever_is_forgotten_keeps_no_other_of_an_order_from_being_read(rig: Arc<dyn Rig>) {
    let tasks = [start(&*rig, "a").await, start(&*rig, "b").await];
    let order = order(&*rig, None, &tasks, 1).await;
    let receipt = receipt_of(&*rig, &order, Duration::ZERO);
    let gone = Event::Answered { answer: Answered::NothingFound };
    let waits = Event::Answered { answer: Answered::AcceptedWithReceipt { receipt: receipt.id } };
    let [gone, waits] = [(&tasks[0], gone), (&tasks[1], waits)];
    let mut unit = Unit { new_receipts: vec![receipt], ..Unit::default() };
    unit.tasks.push(happen(&*rig, &rig.task(gone.0).await, &gone.1).0);
    rig.store().commit(unit).await.expect("one is not known there");
    let forgets = vec![tasks[0].request];
    rig.store().commit(Unit { forgets, ..Unit::default() }).await.expect("forgotten");
    let mail = lane("mail");
    // the order is out for the other, and then its receipt is polled
    let open = rig.store().open_orders(&mail).await.expect("reads");
    assert_eq!(open[0].items.iter().map(|i| i.task.id).collect::<Vec<_>>(), [tasks[1].id]);
    let write = happen(&*rig, &rig.task(waits.0).await, &waits.1).0;
    rig.store().commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("accepted");
    let late = rig.now().plus(Duration::from_secs(999));
    let due = rig.store().due_receipts(&mail, late, 10).await.expect("reads");
    assert_eq!(due[0].items.iter().map(|i| i.task.id).collect::<Vec<_>>(), [tasks[1].id]);
}

async fn receipts_come_when_due_and_stay_away_when_done(rig: Arc<dyn Rig>) {
    let tasks = [start(&*rig, "a").await, start(&*rig, "b").await];
    let order = order(&*rig, None, &tasks, 1).await;
    let mut receipt = receipt_of(&*rig, &order, Duration::from_secs(100));
    let mut unit = Unit { new_receipts: vec![receipt.clone()], ..Unit::default() };
    for task in &tasks {
        let answer = Answered::AcceptedWithReceipt { receipt: receipt.id };
        unit.tasks.push(happen(&*rig, &rig.task(task).await, &Event::Answered { answer }).0);
    }
    rig.store().commit(unit).await.expect("accepted");
    let mail = lane("mail");
    let due = async |at| rig.store().due_receipts(&mail, at, 10).await.expect("due");
    assert!(due(rig.now()).await.is_empty());
    let late = rig.now().plus(Duration::from_secs(200));
    let found = due(late).await;
    assert_eq!((found.len(), found[0].items.len(), &found[0].order), (1, 2, &order));
    assert!(rig.store().due_receipts(&lane("shop"), late, 10).await.expect("due").is_empty());
    let answer = Answered::Confirmed { forwarded: false };
    let (write, _) = happen(&*rig, &rig.task(&tasks[0]).await, &Event::Answered { answer });
    rig.store().commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("ended");
    assert_eq!(due(late).await[0].items.len(), 1, "who has ended is no longer asked for");
    assert_eq!(rig.store().receipts(&[receipt.id]).await.expect("read")[0].items.len(), 1);
    receipt.next_poll = late.plus(Duration::from_secs(1));
    rig.store()
        .commit(Unit { receipts: vec![receipt.clone()], ..Unit::default() })
        .await
        .expect("polled");
    assert!(due(late).await.is_empty());
    assert_eq!(rig.store().next_wake(&mail).await.expect("wake"), Some(receipt.next_poll));
    receipt.done = true;
    rig.store().commit(Unit { receipts: vec![receipt], ..Unit::default() }).await.expect("done");
    assert!(due(late.plus(Duration::from_secs(9_999_999))).await.is_empty());
    assert_eq!(rig.store().next_wake(&mail).await.expect("wake"), None);
}

async fn a_follow_up_asked_for_meanwhile_stays(rig: Arc<dyn Rig>) {
    let request = start(&*rig, "a").await.request;
    let at = |seconds| rig.now().plus(Duration::from_secs(seconds));
    let ask = |due_at| Unit { follow_ups: vec![FollowUp { request, due_at }], ..Unit::default() };
    rig.store().commit(ask(at(50))).await.expect("asked");
    let requests = lane(REQUESTS_LANE);
    assert_eq!(rig.store().next_wake(&requests).await.expect("wake"), Some(at(50)));
    assert!(rig.store().due_follow_ups(rig.now(), 9).await.expect("due").is_empty());
    let due = rig.store().due_follow_ups(at(50), 9).await.expect("due");
    assert_eq!((due.len(), due[0].tasks.len()), (1, 2));
    rig.store().commit(ask(at(20))).await.expect("asked again");
    assert_eq!(
        rig.store().next_wake(&requests).await.expect("wake"),
        Some(at(20)),
        "the earliest wish counts"
    );
    let follow = |seq| Unit { followed: vec![(request, seq)], ..Unit::default() };
    rig.store().commit(follow(due[0].seq)).await.expect("dealt with");
    let again = rig.store().due_follow_ups(at(50), 9).await.expect("due");
    assert_eq!(again.len(), 1, "what was asked for meanwhile is looked at");
    rig.store().commit(follow(again[0].seq)).await.expect("dealt with");
    assert!(rig.store().due_follow_ups(at(50), 9).await.expect("due").is_empty());
}

async fn a_hold_comes_with_the_task(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let due =
        async || rig.store().due_tasks(&account("mail"), Queue::Submit, 9).await.expect("due");
    assert_eq!(due().await[0].kept_back, None);
    fixture::hold_alone(&*rig, task.request).await;
    let kept = due().await.remove(0).kept_back;
    assert_eq!(kept, Some(efface_store::KeptBack::Hold { reason: "lawsuit".into() }));
}

async fn a_memo_is_kept_until_it_is_cleared(rig: Arc<dyn Rig>) {
    let mut task = start(&*rig, "a").await;
    let memo = || MemoWrite::Set(Value::new("memo"));
    for (change, memo, prior) in [
        (memo(), Some("memo"), Some("prior")),
        (MemoWrite::Keep, Some("memo"), Some("prior")),
        (MemoWrite::Clear, None, Some("prior")),
    ] {
        let prior_now = matches!(change, MemoWrite::Set(_)).then(|| Value::new("prior"));
        let mut after = task.clone();
        after.version += 1;
        let write = TaskWrite {
            memo: change,
            prior: prior_now,
            ..TaskWrite::new(task.version, after.clone())
        };
        rig.store().commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("written");
        let due =
            rig.store().due_tasks(&account("mail"), Queue::Submit, 9).await.expect("due").remove(0);
        assert_eq!(due.memo.as_ref().map(Value::expose), memo);
        assert_eq!(due.prior.as_ref().map(Value::expose), prior);
        task = after;
    }
}

async fn an_item_is_opened_once_per_subject_and_reason(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let slow = || Unit {
        desk_opens: vec![desk_open(&*rig, Subject::Task(task.id), Reason::Slow)],
        ..Unit::default()
    };
    for open in [slow(), slow()] {
        rig.store().commit(open).await.expect("opened");
        assert_eq!(rig.on_the_desk().await, 1);
    }
    let poison = desk_open(&*rig, Subject::Task(task.id), Reason::Poison);
    rig.store().commit(Unit { desk_opens: vec![poison], ..Unit::default() }).await.expect("opened");
    let close = |reason| DeskClose {
        subject: Subject::Task(task.id),
        reason,
        by: "t".into(),
        how: "h".into(),
        at: rig.now(),
    };
    for (reason, left) in [(Some("slow"), 1), (Some("slow"), 1), (None, 0)] {
        rig.store()
            .commit(Unit { desk_closes: vec![close(reason)], ..Unit::default() })
            .await
            .expect("closed");
        assert_eq!(rig.on_the_desk().await, left);
    }
    // closed and opened in one unit it stands anew
    rig.store().commit(slow()).await.expect("opened");
    rig.store().commit(Unit { desk_closes: vec![close(None)], ..slow() }).await.expect("both");
    assert_eq!(rig.on_the_desk().await, 1);
}

async fn each_leaf_gets_one_position_from_the_lanes_owner(rig: Arc<dyn Rig>) {
    start(&*rig, "a").await;
    let ledger = [lane(LEDGER_LANE)];
    let mut taken = vec![];
    for _ in 0..2 {
        taken.push(rig.store().take_lanes("one", &ledger, LONG).await.expect("taken").remove(0).0);
    }
    let refused = rig.store().place_leaves(&taken[0], 10).await;
    assert!(matches!(refused, Err(Error::LaneLost { .. })), "{refused:?}");
    assert_eq!(rig.store().sign_checkpoint().await.expect("nothing to sign"), None);
    let written = rig.leaves().await;
    let mut placed = 0;
    while placed < written {
        let more = rig.store().place_leaves(&taken[1], 1).await.expect("placed");
        assert_eq!(more, 1);
        placed += more;
    }
    assert_eq!(rig.store().place_leaves(&taken[1], 9).await.expect("placed"), 0);
    let signed = rig.store().sign_checkpoint().await.expect("signed").expect("one");
    assert_eq!(signed.size, written);
    assert_eq!(rig.store().sign_checkpoint().await.expect("signed"), Some(signed.clone()));
    assert_eq!(rig.store().last_checkpoint().await.expect("read"), Some(signed.clone()));
    assert_eq!(rig.store().not_anchored().await.expect("read"), std::slice::from_ref(&signed));
    let saved = rig.store().saved(&signed).await.expect("read");
    assert_eq!((saved.from, saved.size, saved.filed.len()), (0, written, 1));
    rig.store().anchored(&signed).await.expect("noted");
    assert!(rig.store().not_anchored().await.expect("read").is_empty());
}

//! What is due, and what is out.

use super::Rig;
use super::fixture::{erase, happen, hold_alone, order, start, start_new};
use crate::hand::{account, lane, receipt_of};
use efface_core::order::OrderState;
use efface_core::task::{Answered, Event, Queue, Task};
use efface_store::NewRequest;
use efface_store::Unit;
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn what_is_due_comes_earliest_deadline_first(rig: Arc<dyn Rig>) {
    let mut tasks = vec![];
    for (name, day) in [("c", 15), ("a", 1), ("b", 10)] {
        let received_on = Some(jiff::civil::date(2026, 11, day));
        tasks.push(start_new(&*rig, NewRequest { received_on, ..erase(name) }).await);
    }
    let mail = account("mail");
    let due = rig.store().due_tasks(&mail, Queue::Submit, 2).await.expect("due");
    assert_eq!(due.iter().map(|t| t.task.id).collect::<Vec<_>>(), [tasks[1].id, tasks[2].id]);
    assert!(due[0].deadline < due[1].deadline);
    assert_eq!(due[0].identifiers, erase("a").identifiers);
    assert!(rig.store().due_tasks(&mail, Queue::LookUp, 9).await.expect("due").is_empty());
    assert!(rig.store().due_tasks(&mail, Queue::None, 9).await.expect("due").is_empty());
}

pub(super) async fn what_waits_is_woken_by_its_lane_when_its_time_comes(rig: Arc<dyn Rig>) {
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

pub(super) async fn orders_are_open_until_answered_and_unknown_when_due(rig: Arc<dyn Rig>) {
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

pub(super) async fn whoever_is_forgotten_keeps_no_other_of_an_order_from_being_read(
    rig: Arc<dyn Rig>,
) {
    let tasks = [start(&*rig, "a").await, start(&*rig, "b").await];
    let order = order(&*rig, None, &tasks, 1).await;
    let receipt = receipt_of(rig.now(), rig.chance(), &order, Duration::ZERO);
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

pub(super) async fn receipts_come_when_due_and_stay_away_when_done(rig: Arc<dyn Rig>) {
    let tasks = [start(&*rig, "a").await, start(&*rig, "b").await];
    let order = order(&*rig, None, &tasks, 1).await;
    let mut receipt = receipt_of(rig.now(), rig.chance(), &order, Duration::from_secs(100));
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

pub(super) async fn a_hold_comes_with_the_task(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let due =
        async || rig.store().due_tasks(&account("mail"), Queue::Submit, 9).await.expect("due");
    assert_eq!(due().await[0].kept_back, None);
    hold_alone(&*rig, task.request).await;
    let kept = due().await.remove(0).kept_back;
    assert_eq!(kept, Some(efface_store::KeptBack::Hold { reason: "lawsuit".into() }));
}

//! What a unit writes, and when it writes nothing.

use super::Rig;
use super::fixture::{LONG, entry, happen, start};
use crate::hand::{account, desk_open, lane, order_of, receipt_of};
use efface_core::desk::{Reason, Subject};
use efface_core::journal::About;
use efface_core::subject::Value;
use efface_core::task::{Answered, Event, Queue, Task};
use efface_core::{OrderId, ReceiptId, TaskId};
use efface_store::{
    AccountWrite, DeskClose, Error, FollowUp, LEDGER_LANE, MemoWrite, REQUESTS_LANE, TaskWrite,
    Unit,
};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn fails(rig: &dyn Rig, unit: Unit) -> Error {
    let before = rig.leaves().await;
    let note = entry(rig, About::Note { text: "with it".into() }, &[]);
    let unit = Unit { entries: vec![note], ..unit };
    let refused = rig.store().commit(unit).await.expect_err("refused");
    assert_eq!(rig.leaves().await, before, "nothing of it was written");
    refused
}

pub(super) fn moved(rig: &dyn Rig, task: &Task) -> TaskWrite {
    let event = Event::Answered { answer: Answered::Confirmed { forwarded: false } };
    let held = Event::Held { reason: "test".into() };
    let event = if task.state.order().is_some() { event } else { held };
    happen(rig, task, &event).0
}

pub(super) async fn a_unit_is_written_whole_or_not_at_all(rig: Arc<dyn Rig>) {
    let (a, b) = (start(&*rig, "a").await, start(&*rig, "b").await);
    rig.store()
        .commit(Unit { tasks: vec![moved(&*rig, &a)], ..Unit::default() })
        .await
        .expect("moved");
    let order = order_of(rig.now(), rig.chance(), std::slice::from_ref(&b), 1);
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

pub(super) async fn each_write_names_the_version_it_read(rig: Arc<dyn Rig>) {
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

pub(super) async fn a_write_to_what_is_not_there_is_refused(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let strange = uuid::Uuid::from_u128(7);
    let mut order = order_of(rig.now(), rig.chance(), std::slice::from_ref(&task), 1);
    let mut receipt = receipt_of(rig.now(), rig.chance(), &order, Duration::from_secs(9));
    (order.id, receipt.id) = (OrderId(strange), ReceiptId(strange));
    let mut write = moved(&*rig, &task);
    write.task.id = TaskId(strange);
    fails(&*rig, Unit { orders: vec![order], ..Unit::default() }).await;
    fails(&*rig, Unit { receipts: vec![receipt], ..Unit::default() }).await;
    fails(&*rig, Unit { tasks: vec![write], ..Unit::default() }).await;
    let done = efface_store::ErrandDone { id: strange, answer: "{}".into() };
    fails(&*rig, Unit { errands_done: vec![done], ..Unit::default() }).await;
    let on = efface_store::ErrandOn { id: strange, progress: Value::new("{}") };
    fails(&*rig, Unit { errands_on: vec![on], ..Unit::default() }).await;
}

pub(super) async fn a_follow_up_asked_for_meanwhile_stays(rig: Arc<dyn Rig>) {
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

pub(super) async fn a_memo_is_kept_until_it_is_cleared(rig: Arc<dyn Rig>) {
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

pub(super) async fn an_item_is_opened_once_per_subject_and_reason(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let slow = || Unit {
        desk_opens: vec![desk_open(rig.now(), rig.chance(), Subject::Task(task.id), Reason::Slow)],
        ..Unit::default()
    };
    for open in [slow(), slow()] {
        rig.store().commit(open).await.expect("opened");
        assert_eq!(rig.on_the_desk().await, 1);
    }
    let poison = desk_open(rig.now(), rig.chance(), Subject::Task(task.id), Reason::Poison);
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

pub(super) async fn each_leaf_gets_one_position_from_the_lanes_owner(rig: Arc<dyn Rig>) {
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

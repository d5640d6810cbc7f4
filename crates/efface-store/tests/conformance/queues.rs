//! What a lane reads: what is due, in which order, and opened with which key.

use std::time::Duration;

use efface_core::{
    order::OrderState,
    subject::Value,
    task::{Answered, Queue},
};
use efface_store::{MemoWrite, NewRequest, Store, TaskWrite, Unit};

use crate::common::*;

pub async fn wake_due_moves_only_what_is_due(bench: Bench) {
    let w = bench.world().await;
    let mut tasks = vec![];
    for (name, seconds) in [("a", 10), ("b", 1000)] {
        let id = w.start(erase(vec![email(name)])).await;
        let recheck_at = w.now().plus(Duration::from_secs(seconds));
        let blocked = Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at };
        tasks.push(w.carry(w.task(id, "mail").await.id, blocked).await);
    }
    let mail = account("mail");
    let due = || w.store.due_tasks(&mail, Queue::Submit, 10);
    assert_eq!(due().await.expect("due").len(), 0);
    let late = w.now().plus(Duration::from_secs(100));
    assert_eq!(w.store.wake_due(&lane("shop"), late).await.expect("woken"), 0);
    assert_eq!(w.store.wake_due(&lane("mail"), late).await.expect("woken"), 1);
    assert_eq!(w.store.wake_due(&lane("mail"), late).await.expect("woken"), 0);
    let found = due().await.expect("due");
    assert_eq!(
        found.iter().map(|t| &t.task).collect::<Vec<_>>(),
        vec![&tasks[0]],
        "no state changes by waking"
    );
}

pub async fn due_tasks_come_earliest_deadline_first_with_identifiers(bench: Bench) {
    let w = bench.world().await;
    let mut ids = vec![];
    for (name, day) in [("c", 15), ("a", 1), ("b", 10)] {
        let received_on = Some(jiff::civil::date(2026, 11, day));
        ids.push(w.start(NewRequest { received_on, ..erase(vec![email(name), user(name)]) }).await);
    }
    let due = w.store.due_tasks(&account("mail"), Queue::Submit, 2).await.expect("due");
    assert_eq!(due.iter().map(|t| t.task.request).collect::<Vec<_>>(), vec![ids[1], ids[2]]);
    assert!(due[0].deadline < due[1].deadline);
    assert_eq!(due[0].identifiers, vec![email("a"), user("a")]);
    assert_eq!(w.store.due_tasks(&account("mail"), Queue::LookUp, 9).await.expect("due").len(), 0);
    // a confirmed task of a vendor that can be asked is looked for
    w.carry(w.task(ids[0], "shop").await.id, Answered::Confirmed { forwarded: false }).await;
    w.store.wake_due(&lane("shop"), w.now().plus(Duration::from_secs(61))).await.expect("woken");
    let looks = w.store.due_tasks(&account("shop"), Queue::LookUp, 9).await.expect("due");
    assert_eq!(looks.iter().map(|t| t.task.request).collect::<Vec<_>>(), vec![ids[0]]);
}

pub async fn receipts_come_when_due_and_stay_away_when_done(bench: Bench) {
    let w = bench.world().await;
    let mut ids = vec![];
    for name in ["a", "b"] {
        let id = w.start(erase(vec![email(name)])).await;
        ids.push(w.task(id, "mail").await.id);
    }
    let mut receipt = w.receipt(&ids, Duration::from_secs(100)).await;
    let mail = lane("mail");
    assert_eq!(w.store.due_receipts(&mail, w.now(), 10).await.expect("due").len(), 0);
    let late = w.now().plus(Duration::from_secs(200));
    let due = w.store.due_receipts(&mail, late, 10).await.expect("due");
    assert_eq!((due.len(), due[0].items.len(), due[0].order.id), (1, 2, receipt.order));
    assert_eq!(w.store.due_receipts(&lane("shop"), late, 10).await.expect("due").len(), 0);
    // an item that ended is no longer asked for
    w.answer(ids[0], Answered::Confirmed { forwarded: false }).await;
    assert_eq!(w.store.due_receipts(&mail, late, 10).await.expect("due")[0].items.len(), 1);
    receipt.next_poll = late.plus(Duration::from_secs(1));
    w.store
        .commit(Unit { receipts: vec![receipt.clone()], ..Unit::default() })
        .await
        .expect("polled");
    assert_eq!(w.store.due_receipts(&mail, late, 10).await.expect("due").len(), 0);
    receipt.done = true;
    w.store.commit(Unit { receipts: vec![receipt], ..Unit::default() }).await.expect("done");
    let far = late.plus(Duration::from_secs(9_999_999));
    assert_eq!(w.store.due_receipts(&mail, far, 10).await.expect("due").len(), 0);
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), None);
}

pub async fn orders_are_open_until_answered(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("a")])).await;
    let task = w.task(id, "mail").await;
    let mut order = w.order(None, &[task], 1).await.expect("ordered");
    let mail = lane("mail");
    let open = w.store.open_orders(&mail).await.expect("open");
    assert_eq!((open.len(), &open[0].order, open[0].items.len()), (1, &order, 1));
    assert_eq!(open[0].items[0].identifiers, vec![email("a")]);
    let since = w.now();
    for (state, is_open) in [
        (OrderState::Unknown { since, look_at: since }, true),
        (OrderState::Desk, false),
        (OrderState::Answered, false),
    ] {
        order.state = state;
        w.store
            .commit(Unit { orders: vec![order.clone()], ..Unit::default() })
            .await
            .expect("written");
        assert_eq!(
            w.store.open_orders(&mail).await.expect("open").len(),
            usize::from(is_open),
            "{state:?}"
        );
    }
}

pub async fn next_wake_is_the_earliest_of_all(bench: Bench) {
    let w = bench.world().await;
    let mail = lane("mail");
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), None);
    let mut ids = vec![];
    for name in ["a", "b", "c"] {
        let id = w.start(erase(vec![email(name)])).await;
        ids.push(w.task(id, "mail").await.id);
    }
    let at = w.now().plus(Duration::from_secs(500));
    w.carry(ids[0], Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at: at })
        .await;
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), Some(at));
    let receipt = w.receipt(&ids[1..2], Duration::from_secs(400)).await;
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), Some(receipt.next_poll));
    let mut order = w.order(None, &[w.now_of(ids[2]).await], 2).await.expect("ordered");
    let look_at = w.now().plus(Duration::from_secs(300));
    order.state = OrderState::Unknown { since: w.now(), look_at };
    w.store.commit(Unit { orders: vec![order], ..Unit::default() }).await.expect("written");
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), Some(look_at));
    // follow-ups are the requests lane's alone
    w.follow().await;
    let cooling = w.file_new(released(erase(vec![email("d")]))).await;
    assert_eq!(w.store.next_wake(&mail).await.expect("wake"), Some(look_at));
    let wakes = w.store.next_wake(&lane(common_requests())).await.expect("wake").expect("some");
    let request = w.store.request(cooling).await.expect("request").request;
    assert!(
        matches!(request.state, efface_core::request::RequestState::Released { cooling_until, .. } if cooling_until == wakes)
    );
}

fn common_requests() -> &'static str {
    crate::common::lane::REQUESTS
}

pub async fn memos_and_priors_open_under_their_own_requests_key_alone(bench: Bench) {
    let w = bench.world().await;
    let mut tasks = vec![];
    for name in ["a", "b"] {
        let id = w.start(erase(vec![email(name)])).await;
        let task = w.task(id, "mail").await;
        let mut after = task.clone();
        after.version += 1;
        let write = TaskWrite {
            memo: MemoWrite::Set(Value::new(format!("memo of {name}"))),
            prior: Some(Value::new(format!("prior of {name}"))),
            ..TaskWrite::new(task.version, after)
        };
        w.store.commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("written");
        tasks.push(w.now_of(task.id).await);
    }
    let read = async || {
        let due = w.store.due_tasks(&account("mail"), Queue::Submit, 10).await?;
        let text =
            |v: &Option<Value>| v.as_ref().map(|v| v.expose().to_owned()).unwrap_or_default();
        Ok::<_, efface_store::Error>(
            due.iter().map(|t| (text(&t.memo), text(&t.prior))).collect::<Vec<_>>(),
        )
    };
    let mut found = read().await.expect("opens");
    found.sort();
    assert_eq!(
        found,
        [("memo of a".into(), "prior of a".into()), ("memo of b".into(), "prior of b".into())]
    );
    // kept when nothing is said about it, cleared when asked
    let mut after = tasks[0].clone();
    after.version += 1;
    let write = TaskWrite::new(tasks[0].version, after.clone());
    w.store.commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("written");
    assert_eq!(
        read().await.expect("opens").iter().filter(|(memo, _)| memo == "memo of a").count(),
        1
    );
    let mut cleared = after.clone();
    cleared.version += 1;
    let write = TaskWrite { memo: MemoWrite::Clear, ..TaskWrite::new(after.version, cleared) };
    w.store.commit(Unit { tasks: vec![write], ..Unit::default() }).await.expect("written");
    let mut found = read().await.expect("opens");
    found.sort();
    assert_eq!(
        found,
        [(String::new(), "prior of a".into()), ("memo of b".into(), "prior of b".into())]
    );
    // one request's field under another's row does not open
    w.raw.exec("UPDATE task SET prior = (SELECT prior FROM task WHERE memo IS NOT NULL LIMIT 1) WHERE prior IS NOT NULL AND memo IS NULL").await;
    assert!(read().await.is_err());
}

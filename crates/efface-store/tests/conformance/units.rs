//! Units: all or nothing, in groups, from several processes.

use efface_core::{
    OrderId, TaskId,
    journal::About,
    order::OrderState,
    task::{Cause, Event},
};
use efface_store::{
    AccountWrite, ErrandDone, Error, FollowUp, RequestWrite, Store, TaskWrite, Unit,
};
use futures::future::join_all;

use crate::common::*;

fn hold() -> Event {
    Event::Blocked { cause: Cause::Hold { reason: "test".into() } }
}

pub async fn a_stale_version_refuses_the_whole_unit_and_names_the_task(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    let (mail, shop) = (w.task(id, "mail").await, w.task(id, "shop").await);
    w.move_tasks(None, std::slice::from_ref(&mail), &hold()).await.expect("moved");
    let entries = w.raw.count("journal").await;
    let error =
        w.move_tasks(None, &[shop.clone(), mail.clone()], &hold()).await.expect_err("stale");
    assert!(matches!(&error, Error::Stale { tasks } if *tasks == vec![mail.id]), "{error:?}");
    assert_eq!((w.now_of(shop.id).await, w.raw.count("journal").await), (shop, entries));
    // requests and accounts alike; the words do not count to nought
    let request = w.store.request(id).await.expect("request").request;
    let write =
        RequestWrite { read_version: 9, request, dossier: None, nobody_found_decided: false };
    let error =
        w.store.commit(Unit { requests: vec![write], ..Unit::default() }).await.expect_err("stale");
    assert!(
        matches!(error, Error::Stale { .. }) && !error.to_string().contains("0 row"),
        "{error}"
    );
    let row = w.store.account(&account("mail")).await.expect("account");
    let write =
        AccountWrite { read_version: row.version + 1, id: row.id, condition: row.condition };
    let error =
        w.store.commit(Unit { accounts: vec![write], ..Unit::default() }).await.expect_err("stale");
    assert!(matches!(error, Error::Stale { .. }), "{error}");
}

pub async fn in_a_group_only_the_bad_unit_fails(bench: Bench) {
    let w = bench.world().await;
    let mut tasks = vec![];
    for n in 0..20 {
        let id = w.file_new(erase(vec![email(&format!("p{n}"))])).await;
        tasks.push(w.task(id, "mail").await);
    }
    w.move_tasks(None, &tasks[7..8], &hold()).await.expect("moved");
    let hold = hold();
    let outcomes =
        join_all(tasks.iter().map(|t| w.move_tasks(None, std::slice::from_ref(t), &hold))).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(()) => assert_ne!(n, 7),
            Err(Error::Stale { tasks: stale }) => assert_eq!((n, stale), (7, &vec![tasks[7].id])),
            Err(other) => panic!("{n}: {other}"),
        }
    }
    // two at once for one task: one of them wins
    let task = w.now_of(tasks[0].id).await;
    let outcomes =
        join_all((0..2).map(|_| w.move_tasks(None, std::slice::from_ref(&task), &hold))).await;
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1, "{outcomes:?}");
    assert_eq!(w.now_of(task.id).await.version, task.version + 1);
}

pub async fn a_write_to_what_is_not_there_is_refused(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.task(id, "mail").await;
    let receipt = w.receipt(&[task.id], std::time::Duration::from_secs(9)).await;
    let strange = uuid::Uuid::from_u128(7);
    let mut order = w.new_order(std::slice::from_ref(&task), 1);
    order.id = OrderId(strange);
    order.state = OrderState::Answered;
    let mut lost = task;
    lost.id = TaskId(strange);
    for (what, unit) in [
        ("order", Unit { orders: vec![order], ..Unit::default() }),
        (
            "receipt",
            Unit {
                receipts: vec![efface_core::order::StoredReceipt {
                    id: efface_core::ReceiptId(strange),
                    ..receipt
                }],
                ..Unit::default()
            },
        ),
        ("task", Unit { tasks: vec![TaskWrite::new(1, lost)], ..Unit::default() }),
        (
            "errand",
            Unit {
                errands_done: vec![ErrandDone { id: strange, answer: "{}".into() }],
                ..Unit::default()
            },
        ),
    ] {
        let entries = w.raw.count("journal").await;
        let unit =
            Unit { entries: vec![w.entry(About::Note { text: "with it".into() }, &[])], ..unit };
        assert!(w.store.commit(unit).await.is_err(), "{what}");
        assert_eq!(w.raw.count("journal").await, entries, "{what}");
    }
}

pub async fn units_about_one_request_travel_together(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    let at = w.now();
    // the writer is busy with the first while the others gather; together they ask once
    let asked = (0..50u32).map(|n| {
        let due_at = at.plus(std::time::Duration::from_secs(u64::from(50 - n)));
        w.store
            .commit(Unit { follow_ups: vec![FollowUp { request: id, due_at }], ..Unit::default() })
    });
    let outcomes = join_all(asked).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(w.raw.count("follow_up").await, 1);
    let due_at = w.raw.number("SELECT due_at FROM follow_up").await;
    assert_eq!(
        due_at,
        at.plus(std::time::Duration::from_secs(1)).millis(),
        "the earliest wish counts"
    );
    assert!(w.raw.number("SELECT seq FROM follow_up").await < 50, "asked in groups");
}

pub async fn processes_that_write_the_same_tasks_in_any_order_do_not_deadlock(bench: Bench) {
    let w = bench.world().await;
    let mut tasks = vec![];
    for n in 0..12 {
        let id = w.file_new(erase(vec![email(&format!("p{n}"))])).await;
        tasks.extend(w.tasks(id).await.into_iter().map(|t| t.id));
    }
    let stores = [w.store.clone(), w.another().await, w.another().await];
    let walks = (0..12usize).map(|walk| {
        let (store, w, tasks) = (stores[walk % 3].clone(), &w, &tasks);
        async move {
            let mut written = 0;
            for round in 0..6 {
                let mut chosen = vec![];
                for n in 0..tasks.len() / 2 {
                    let at = (n * (walk + 1) + round) % tasks.len();
                    let at = if walk % 2 == 0 { at } else { tasks.len() - 1 - at };
                    if !chosen.contains(&tasks[at]) {
                        chosen.push(tasks[at]);
                    }
                }
                let mut unit = Unit::default();
                for id in &chosen {
                    let task = store.task(*id).await.expect("task").row.task;
                    let mut changes = vec![];
                    w.happen(&mut unit, &mut changes, &task, &hold()).expect("moved");
                    unit.entries.push(w.entry(About::TasksMoved { cause: "t".into() }, &changes));
                }
                match store.commit(unit).await {
                    Ok(()) => written += 1,
                    Err(Error::Stale { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            written
        }
    });
    let written: usize = join_all(walks).await.into_iter().sum();
    assert!(written > 0);
}

pub async fn a_unit_that_loses_a_fight_for_rows_is_written_again(bench: Bench) {
    let w = bench.world().await;
    // PostgreSQL ends a deadlock with whoever has waited for a second: mostly the store
    for round in 0..5 {
        if loses_a_fight(&w, round).await {
            return;
        }
    }
    panic!("the store never lost");
}

/// Whether the store lost against another writer, and wrote all the same.
async fn loses_a_fight(w: &World, round: u32) -> bool {
    let mut tasks = vec![];
    for n in 0..2 {
        let id = w.file_new(erase(vec![email(&format!("p{round}-{n}"))])).await;
        tasks.push(w.task(id, "mail").await);
    }
    tasks.sort_by_key(|t| t.id);
    let touch = |task: &efface_core::task::Task| {
        let id = hex::encode(task.id.bytes());
        let id = if w.bench.is_postgres() { format!("'\\x{id}'") } else { format!("x'{id}'") };
        format!("UPDATE task SET since = since WHERE id = {id}")
    };
    let mut other = w.raw.begin().await;
    other.exec(&touch(&tasks[1])).await;
    let held = hold();
    let write = w.move_tasks(None, &tasks, &held);
    let hinder = async {
        if w.bench.is_postgres() {
            // the store holds the first row and waits for the second: now each waits for the other
            while w.raw.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").await == 0 {
                tokio::task::yield_now().await;
            }
        }
        let won = other.exec_or_lose(&touch(&tasks[0])).await;
        if won {
            other.commit().await;
        }
        won
    };
    let (written, won) = tokio::join!(write, hinder);
    written.expect("written after all");
    assert_eq!(stands(&w.now_of(tasks[0].id).await), "hold");
    won
}

pub async fn a_follow_up_asked_for_meanwhile_stays(bench: Bench) {
    let w = bench.world().await;
    let id = w.file_new(erase(vec![email("jane")])).await;
    let ask =
        || Unit { follow_ups: vec![FollowUp { request: id, due_at: w.now() }], ..Unit::default() };
    w.store.commit(ask()).await.expect("asked");
    let due = w.store.due_follow_ups(w.now(), 9).await.expect("due");
    assert_eq!(due.len(), 1);
    w.store.commit(ask()).await.expect("asked again");
    let followed = vec![(id, due[0].seq)];
    w.store
        .commit(Unit { followed: followed.clone(), ..Unit::default() })
        .await
        .expect("dealt with");
    let again = w.store.due_follow_ups(w.now(), 9).await.expect("due");
    assert_eq!(again.len(), 1, "what was asked for meanwhile is looked at");
    w.store
        .commit(Unit { followed: vec![(id, again[0].seq)], ..Unit::default() })
        .await
        .expect("dealt with");
    assert_eq!(w.store.due_follow_ups(w.now(), 9).await.expect("due").len(), 0);
}

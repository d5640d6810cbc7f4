//! No door goes round release, hold or a missing identifier.

use std::time::Duration;

use efface_core::{
    desk::{Choice, Reason, Subject},
    task::{Answered, Queue},
};
use efface_store::{Store, Unit};

use crate::common::*;

async fn nothing_leaves(w: &World, at: &str) {
    let late = w.now().plus(Duration::from_secs(90 * 86_400));
    w.store.wake_due(&lane(at), late).await.expect("woken");
    let due = w.store.due_tasks(&account(at), Queue::Submit, 10).await.expect("due");
    assert_eq!(due.len(), 0, "{due:?}");
}

fn vendor_blocks(w: &World) -> Answered {
    let recheck_at = w.now().plus(Duration::from_secs(60));
    Answered::Blocked { blocker: "open ticket".into(), hint: "close it".into(), recheck_at }
}

pub async fn a_hold_holds_what_the_vendor_had_blocked(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.carry(w.task(id, "mail").await.id, vendor_blocks(&w)).await;
    assert_eq!(stands(&task), "vendor");
    w.store.hold(id, "lawsuit", "tester").await.expect("held");
    nothing_leaves(&w, "mail").await;
    w.store.end_hold(id, "tester").await.expect("ended");
    w.follow().await;
    assert_eq!(stands(&w.now_of(task.id).await), "ready");
    // amended: it needs release again, and so does what the vendor had blocked
    let task = w.carry(task.id, vendor_blocks(&w)).await;
    w.store.amend(id, vec![user("u-1")], None, "tester").await.expect("amended");
    nothing_leaves(&w, "mail").await;
    w.store.release(id, "tester").await.expect("released");
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!(stands(&w.now_of(task.id).await), "ready");
}

pub async fn retry_during_a_hold_waits_for_its_end(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.carry(w.task(id, "mail").await.id, Answered::Refused { code: "no".into() }).await;
    assert_eq!(stands(&task), "desk refused");
    w.store.hold(id, "lawsuit", "tester").await.expect("held");
    w.store.retry_task(task.id, "tester").await.expect("retried");
    assert_eq!(w.desk().await, vec![]);
    nothing_leaves(&w, "mail").await;
    w.store.end_hold(id, "tester").await.expect("ended");
    w.follow().await;
    assert_eq!(stands(&w.now_of(task.id).await), "ready");
}

pub async fn retry_before_release_waits_for_release(bench: Bench) {
    let w = bench.world().await;
    let jane = w.file_new(erase(vec![email("jane"), phone(1)])).await;
    w.file_new(erase(vec![email("john"), phone(1)])).await;
    let task = w.task(jane, "calls").await;
    assert_eq!(stands(&task), "desk shared_identifier");
    w.store.amend(jane, vec![phone(2)], None, "tester").await.expect("amended");
    w.store.retry_task(task.id, "tester").await.expect("retried");
    assert_eq!(stands(&w.now_of(task.id).await), "phase erase");
    nothing_leaves(&w, "calls").await;
    w.store.release(jane, "tester").await.expect("released");
    w.clock.advance(COOLING);
    w.follow().await;
    assert_eq!(stands(&w.now_of(task.id).await), "ready");
}

pub async fn retry_without_a_personal_identifier_is_refused(bench: Bench) {
    let w = bench.world().await;
    let jane = w.start(erase(vec![email("jane"), phone(1)])).await;
    w.start(erase(vec![email("john"), phone(1)])).await;
    let task = w.task(jane, "calls").await;
    refused(
        w.store.retry_task(task.id, "tester").await,
        &["calls", "proved, personal phone", "request amend"],
    );
    let item = w.desk_item("shared_identifier").await;
    refused(w.store.decide(item, Choice::Retry, "", "tester").await, &["proved, personal phone"]);
    w.store.waive_task(task.id, "cannot be told apart", "tester").await.expect("waived");
    assert_eq!(w.desk().await, vec![]);
}

pub async fn pausing_an_account_leaves_its_desk_item_open(bench: Bench) {
    let w = bench.world().await;
    let mail = account("mail");
    let open = w.desk_open(
        Subject::Account(mail.clone()),
        Reason::SettingsWrong { detail: "no such list".into() },
    );
    w.store.commit(Unit { desk_opens: vec![open], ..Unit::default() }).await.expect("opened");
    w.store.pause_account(&mail, "maintenance", "tester").await.expect("paused");
    let level = efface_core::EvidenceLevel::Accepted;
    let action = efface_core::TaskAction::Erase;
    w.store
        .set_floor(&mail, action, level, "agreed", "2027-01-01", "tester")
        .await
        .expect("lowered");
    assert_eq!(w.desk().await, vec![("account".into(), "settings_wrong".into())]);
    w.store.resume_account(&mail, "tester").await.expect("resumed");
    assert_eq!(w.desk().await, vec![]);
}

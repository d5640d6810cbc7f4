//! The small books: imports, keys, kept answers, errands, breaches, counts, runs.

use std::time::Duration;

use efface_core::{subject::Value, task::Answered};
use efface_store::{ErrandDone, ErrandKind, ErrandOn, ErrandState, KeptAnswer, Store, Unit};
use futures::future::join_all;

use crate::common::*;

pub async fn an_import_is_begun_once_per_file(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let begun = join_all((0..10).map(|n| {
        let store = if n % 2 == 0 { w.store.clone() } else { other.clone() };
        async move { store.begin_import("people.csv", "digest", "ada").await.expect("begun") }
    }))
    .await;
    assert!(begun.iter().all(|id| *id == begun[0]), "{begun:?}");
    let another = w.store.begin_import("more.csv", "other digest", "ada").await.expect("begun");
    assert_ne!(another, begun[0]);
    w.store.finish_import(begun[0], 10, 8, 2, "ada").await.expect("finished");
    let rows = w.store.imports().await.expect("imports");
    let found: Vec<_> =
        rows.iter().map(|r| (r.name.as_str(), r.rows, r.filed, r.refused, r.finished)).collect();
    assert_eq!(found, [("more.csv", 0, 0, 0, false), ("people.csv", 10, 8, 2, true)]);
    let key = |text| w.store.filing_key(&controller("default"), text);
    assert!(key("row 1") == key("row 1") && key("row 1") != key("row 2"));
    assert_ne!(key("row 1"), w.store.filing_key(&controller("second"), "row 1"));
}

pub async fn api_keys_are_kept_as_hashes_and_revoked_once(bench: Bench) {
    let w = bench.world().await;
    w.store.create_api_key("k1", "portal", &[7; 32], "ada").await.expect("created");
    assert!(
        w.store.create_api_key("k1", "portal", &[8; 32], "ada").await.is_err(),
        "an id is used once"
    );
    let keys = w.store.api_keys().await.expect("keys");
    assert_eq!(
        (keys.len(), keys[0].hash.as_slice(), keys[0].revoked_at),
        (1, &[7u8; 32][..], None)
    );
    w.store.revoke_api_key("k1", "ada").await.expect("revoked");
    assert!(w.store.api_keys().await.expect("keys")[0].revoked_at.is_some());
    refused(w.store.revoke_api_key("k1", "ada").await, &["live api key k1 does not exist"]);
    refused(w.store.revoke_api_key("k2", "ada").await, &["live api key k2 does not exist"]);
}

pub async fn answers_to_idempotency_keys_are_kept_sealed_and_first_wins(bench: Bench) {
    let w = bench.world().await;
    let kept = |answer: &str, status| KeptAnswer {
        key: "order-1".into(),
        body_hash: [1; 32],
        status,
        answer: answer.into(),
    };
    assert_eq!(w.store.idempotent_answer("order-1").await.expect("read"), None);
    w.store.keep_answers(&[kept("first", 201), kept("second", 202)]).await.expect("kept");
    w.store.keep_answers(&[kept("third", 203)]).await.expect("kept");
    w.store.keep_answers(&[]).await.expect("nothing to keep");
    let answer = w.store.idempotent_answer("order-1").await.expect("read");
    assert_eq!(answer, Some(([1; 32], 201, "first".into())));
    assert_eq!(w.store.idempotent_answer("order-2").await.expect("read"), None);
}

pub async fn errands_wait_are_answered_and_ring_no_wrong_lane(bench: Bench) {
    let w = bench.world().await;
    let people = vec![vec![email("jane")], vec![email("john"), user("u-2")]];
    let id =
        w.store.send_errand(&account("mail"), &ErrandKind::Rehearse, &people).await.expect("sent");
    w.store.send_errand(&account("shop"), &ErrandKind::Probe, &[]).await.expect("sent");
    refused(
        w.store.send_errand(&account("none"), &ErrandKind::Probe, &[]).await,
        &["account none"],
    );
    let due = w.store.due_errands(&lane("mail")).await.expect("due");
    assert_eq!(
        (due.len(), due[0].id, &due[0].kind, &due[0].people),
        (1, id, &ErrandKind::Rehearse, &people)
    );
    assert_eq!(w.store.errand(id).await.expect("errand"), ErrandState::Waiting);
    assert_eq!(due[0].progress, None);
    let on = ErrandOn { id, progress: Value::new("page 7") };
    let further = Unit { errands_on: vec![on], ..Unit::default() };
    w.store.commit(further.clone()).await.expect("came further");
    let due = w.store.due_errands(&lane("mail")).await.expect("due");
    assert_eq!(due[0].progress.as_ref().map(Value::expose), Some("page 7"));
    let lease = w.lease("mail").await;
    let done = vec![ErrandDone { id, answer: "{\"found\":2}".into() }];
    let unit = Unit { fence: Some(lease), errands_done: done, ..Unit::default() };
    w.store.commit(unit).await.expect("answered");
    assert_eq!(
        w.store.errand(id).await.expect("errand"),
        ErrandState::Done("{\"found\":2}".into())
    );
    assert_eq!(w.store.due_errands(&lane("mail")).await.expect("due").len(), 0);
    w.store.commit(further).await.expect_err("what is done comes no further");
    assert_eq!(w.store.due_errands(&lane("shop")).await.expect("due").len(), 1);
    refused(w.store.errand(uuid::Uuid::from_u128(7)).await, &["errand", "does not exist"]);
}

pub async fn breaches_are_marked_once(bench: Bench) {
    let w = bench.world().await;
    let late = w.file_new(erase(vec![email("late")])).await;
    let told = w.start(erase(vec![email("told")])).await;
    let over = w.file_new(erase(vec![email("over")])).await;
    w.store.answered(told, "letter", "ada").await.expect("told");
    w.store.cancel(over, "ada").await.expect("cancelled");
    assert_eq!(w.store.mark_breaches().await.expect("marked"), 0);
    w.clock.advance(Duration::from_secs(40 * 86_400));
    w.file_new(erase(vec![email("fresh")])).await;
    assert_eq!(w.store.mark_breaches().await.expect("marked"), 1);
    let entries = w.raw.count("journal").await;
    assert_eq!(w.store.mark_breaches().await.expect("marked"), 0);
    assert_eq!(w.raw.count("journal").await, entries);
    let breached = w.store.request(late).await.expect("request").request.breached_at;
    assert!(breached.is_some());
    // from two processes at once: once
    let mut more = vec![];
    for n in 0..10 {
        more.push(w.file_new(erase(vec![email(&format!("p{n}"))])).await);
    }
    w.clock.advance(Duration::from_secs(40 * 86_400));
    let other = w.another().await;
    let (a, b) = futures::future::join(w.store.mark_breaches(), other.mark_breaches()).await;
    assert_eq!(a.expect("marked") + b.expect("marked"), 11);
}

pub async fn counts_agree_with_closed_and_open(bench: Bench) {
    let w = bench.world().await;
    let closed = w.start(erase(vec![email("a")])).await;
    w.finish(closed).await;
    w.store.cancel(w.file_new(erase(vec![email("b")])).await, "ada").await.expect("cancelled");
    w.file_new(erase(vec![email("c")])).await;
    w.file(erase(vec![email("c")])).await.expect("duplicate");
    w.file_new(unproved(erase(vec![email("d")]))).await;
    let running = w.start(erase(vec![email("e")])).await;
    w.carry(w.task(running, "mail").await.id, Answered::Refused { code: "no".into() }).await;
    let counts = w.store.counts().await.expect("counts");
    let over = ["closed", "denied", "cancelled", "expired", "duplicate"];
    let sum = |is_over| {
        counts
            .requests
            .iter()
            .filter(|(s, _)| over.contains(&s.as_str()) == is_over)
            .map(|(_, n)| n)
            .sum::<u64>()
    };
    assert_eq!(w.store.closed_and_open().await.expect("counts"), (sum(true), sum(false)));
    assert_eq!((sum(true), sum(false), counts.desk), (3, 3, 1));
    let tasks: u64 = counts.tasks.iter().map(|(_, _, n)| n).sum();
    assert_eq!(i64::try_from(tasks).expect("few"), w.raw.count("task").await);
    let outcomes: u64 = w.store.outcomes().await.expect("outcomes").iter().map(|o| o.4).sum();
    let settled: u64 =
        counts.tasks.iter().filter(|(_, s, _)| s == "settled").map(|(_, _, n)| n).sum();
    assert_eq!(outcomes, settled);
}

pub async fn jobs_remember_their_last_run(bench: Bench) {
    let w = bench.world().await;
    w.store.note_run("tidy", "first").await.expect("noted");
    w.store.note_run("tidy", "second").await.expect("noted");
    let runs = w.store.last_runs().await.expect("runs");
    assert_eq!(
        runs.iter().map(|(job, _, result)| (job.as_str(), result.as_str())).collect::<Vec<_>>(),
        [("tidy", "second")]
    );
    // what is under way is begun by nobody else, until it has ended or was waited for
    let long = Duration::from_secs(60);
    assert!(w.store.begin_run("alone", long).await.expect("begun"));
    assert!(!w.store.begin_run("alone", long).await.expect("refused"));
    w.store.note_run("alone", "done").await.expect("noted");
    assert!(w.store.begin_run("alone", long).await.expect("begun"));
    assert!(w.store.begin_run("alone", Duration::ZERO).await.expect("taken over"));
    w.store.prove_writable().await.expect("writable");
    w.store.tidy().await.expect("tidy");
    w.store.ping().await.expect("answers");
    assert_eq!(w.raw.number("SELECT count(*) FROM meta WHERE name = 'write_probe'").await, 0);
    assert!(w.store.database_time().await.expect("time").millis() > 1_600_000_000_000);
}

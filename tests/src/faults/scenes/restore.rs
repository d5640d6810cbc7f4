//! The database is lost while work is in flight, and an older copy of it is put back; then one that is
//! older still. The worker refuses each, `efface restore` finds the way on, and what vendors saw in the
//! lost time is not sent again where a repeat could harm, before a person says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use efface_core::{RequestId, TaskId, journal::Entry, manifest::EffectClass, request::Request};

use super::upgrade::{until_one_is_out, until_vendors_are_quiet};
use crate::{
    dice::Dice,
    faults::{
        Figures, Setting, Stage, Ways,
        backup::Backup,
        process::WorkerProcess,
        stage::{LOOK, PATIENCE},
    },
    oracle::class_word,
    peek::Peek,
    vendors::Word,
    world::stopwatch,
};

/// A month whose key was destroyed in the lost time.
const MONTH: &str = "2026-01";

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 6) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting, setting.seed_of(n)).await);
    }
    figures
}

/// A vendor and the digest of a call.
type Words = (String, String);

/// What nobody may forget of the lost time.
struct Kept {
    over: Vec<RequestId>,
    forgotten: Vec<RequestId>,
    api_key: String,
}

async fn run(setting: &Setting, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let people = setting.people(60, 400);
    let ways = Ways {
        people,
        filed_later: people / 6,
        people_per_call: 2,
        lease_seconds: 3,
        drain_seconds: 3,
        ..Ways::default()
    };
    let mut stage = Stage::build(setting, ways).await;
    stage.set("[policy]\n", "[policy]\nforget_days = 0\n");
    stage.vendors.behave(&Word::Latency { low: 150, high: 700 });
    let api_key = stage.run(&["api-key", "create", "--name", "shop", "--json"]).json();
    let api_key = api_key["id"].as_str().expect("an id").to_owned();
    let peek = stage.peek().await;
    peek.execute(&format!(
        "INSERT INTO month_key VALUES ('{MONTH}', 'of a winter', 1, NULL, NULL)"
    ))
    .await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    let moving = peek.unsettled().await;
    anchored(&stage, &peek, &mut worker).await;
    let oldest = Backup::take(&stage, setting.database, "oldest.copy").await;
    until_done(&stage, &peek, &mut worker, (moving, 20)).await;
    let newer = Backup::take(&stage, setting.database, "newer.copy").await;

    let from = people - stage.ways.filed_later;
    stage.file(from..people).await;
    until_done(&stage, &peek, &mut worker, (moving, 50)).await;
    let kept = lost_time(&stage, &peek, &mut worker, api_key).await;
    tokio::time::sleep(Duration::from_millis(dice.between(0, 300))).await;
    until_one_is_out(&stage, &peek, &mut worker).await;
    worker.kill_9();
    figures.trials += usize::from(peek.sending().await > 0);
    drop(peek);
    until_vendors_are_quiet(&stage).await;

    let mut decided = BTreeSet::new();
    set_back(&mut stage, &newer, &kept, &mut figures).await;
    stage.rest(vec![stage.worker(1)]).await;
    nothing_harmful_again(&stage, &decided, &mut figures).await;
    stage.finish(vec![], &mut figures).await;
    decided.extend(sent_again_by_a_person(&stage).await);

    // the older of the two copies: everything had ended, and ends again
    let (over, forgotten) = ended(&stage).await;
    let called = stage.vendors.logged_bytes();
    set_back(&mut stage, &oldest, &Kept { over, forgotten, ..kept }, &mut figures).await;
    assert_eq!(stage.vendors.logged_bytes(), called, "somebody was called before the release");
    stage.rest(vec![stage.worker(1)]).await;
    nothing_harmful_again(&stage, &decided, &mut figures).await;
    stage.finish(vec![], &mut figures).await;
    stage.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
    figures
}

/// Waits until so much of the work is done that there was at the beginning.
async fn until_done(
    stage: &Stage,
    peek: &Peek,
    worker: &mut WorkerProcess,
    (moving, percent): (i64, i64),
) {
    let enough = async || peek.unsettled().await * 100 <= moving * (100 - percent);
    stage.until("work that is done", &mut [worker], PATIENCE, enough).await;
}

/// All that was written until now is covered by a checkpoint that lies outside.
async fn anchored(stage: &Stage, peek: &Peek, worker: &mut WorkerProcess) {
    stage.run(&["audit", "checkpoint"]).ends(0, &[]);
    let waits = "SELECT count(*) FROM checkpoint WHERE anchored_at IS NULL";
    let kept = async || peek.number(waits).await == 0;
    stage.until("copy of the checkpoint", &mut [worker], PATIENCE, kept).await;
}

/// Requests end, two people are answered and forgotten, an API key is revoked and a month's key
/// destroyed; and that much is anchored.
async fn lost_time(
    stage: &Stage,
    peek: &Peek,
    worker: &mut WorkerProcess,
    api_key: String,
) -> Kept {
    let two = async || ended(stage).await.0.len() >= 2;
    stage.until("request that ends", &mut [worker], PATIENCE, two).await;
    for id in ended(stage).await.0.iter().take(2) {
        let id = id.to_string();
        stage.run(&["request", "answered", &id, "--notice", "letter 7"]).ends(0, &[]);
    }
    let two = async || ended(stage).await.1.len() >= 2;
    stage.until("person to be forgotten", &mut [worker], PATIENCE, two).await;
    stage.run(&["api-key", "revoke", &api_key]).ends(0, &[]);
    stage.run(&["key", "destroy-month", MONTH, "--yes"]).ends(0, &["is destroyed"]);
    let (over, forgotten) = ended(stage).await;
    anchored(stage, peek, worker).await;
    Kept { over, forgotten, api_key }
}

/// Requests that are over, and those of them that are forgotten.
async fn ended(stage: &Stage) -> (Vec<RequestId>, Vec<RequestId>) {
    let store = stage.store().await;
    let mut all: Vec<Request> = vec![];
    for id in &stage.filed {
        all.push(store.request(*id).await.expect("a request").request);
    }
    let over = all.iter().filter(|r| r.state.is_over()).map(|r| r.id).collect();
    (over, all.iter().filter(|r| r.forgotten_at.is_some()).map(|r| r.id).collect())
}

/// Puts the copy back and goes the way that the refusal names, to the release.
async fn set_back(stage: &mut Stage, copy: &Backup, kept: &Kept, figures: &mut Figures) {
    copy.put_back(stage).await;
    let called = stage.vendors.logged_bytes();
    let told = ["older than its last anchored checkpoint", "efface restore"];
    stage.run(&["worker"]).ends(3, &told);
    let start = stopwatch();
    // a lease that stood in the copy runs out first
    while stage.run(&["restore"]).err.contains("stop every worker first") {
        assert!(stopwatch() - start < PATIENCE, "the lease of a worker that is dead does not end");
        tokio::time::sleep(LOOK).await;
    }
    stage.run(&["restore"]).ends(3, &["nothing was done", "--yes"]);
    let done = stage.run(&["restore", "--yes"]);
    done.ends(0, &["nothing is saved from", "what to do", "efface restore --release"]);
    figures.takeovers.push(stopwatch() - start);

    let store = stage.store().await;
    let unknown = store.unknown_requests(&stage.filed).await.expect("requests");
    let mut again = 0;
    for id in kept.over.iter().filter(|id| !unknown.contains(id)) {
        let request = store.request(*id).await.expect("a request").request;
        assert!(request.state.is_over(), "{id} was over and is {:?}", request.state);
        let was_forgotten = kept.forgotten.contains(id);
        assert!(!was_forgotten || request.forgotten_at.is_some(), "{id} was forgotten");
        again += 1;
    }
    figures.note(format!("{again} ended requests were ended again"));
    let keys = stage.run(&["api-key", "list", "--json"]).json();
    let keys = keys.as_array().expect("keys");
    let key = keys.iter().find(|key| key["id"] == kept.api_key.as_str());
    let revoked = key.is_none_or(|key| !key["revoked_at"].is_null());
    assert!(revoked, "a revoked key is good again: {keys:?}");
    let months = stage.run(&["key", "status", "--json"]).json()["months"].clone();
    let month = months.as_array().and_then(|all| all.iter().find(|m| m["month"] == MONTH));
    assert!(month.is_some_and(|m| !m["destroyed_at"].is_null()), "{months}");
    assert_eq!(stage.vendors.logged_bytes(), called, "somebody was called by a restoration");
    let lost = stage.file_again().await;
    stage.run(&["restore", "--release"]).ends(0, &[]);
    figures.note(format!("{lost} people asked again"));
}

/// Over the vendors' whole logs, the lost time included: nobody's task was carried out oftener than its
/// effect class allows, but where a person decided so.
async fn nothing_harmful_again(stage: &Stage, decided: &BTreeSet<TaskId>, figures: &mut Figures) {
    let store = stage.store().await;
    let mut seen: BTreeMap<Words, usize> = BTreeMap::new();
    for (vendor, lines) in stage.vendors.logs() {
        for line in lines {
            let input = format!("{} {}\n{}", line.method, line.path, line.body);
            *seen
                .entry((vendor.clone(), efface_store::Store::digest(&store, input.as_bytes())))
                .or_default() += 1;
        }
    }
    let orders = stage.peek().await.orders().await;
    // whose wish was lost asked again, in the same words: a call then belongs to one of several tasks
    let mut said: BTreeMap<Words, BTreeSet<&[TaskId]>> = BTreeMap::new();
    let mut mine: BTreeMap<(TaskId, String), (EffectClass, BTreeSet<Words>)> = BTreeMap::new();
    for order in orders.iter().chain(&stage.lost_orders) {
        if most(order.class).is_none() {
            continue;
        }
        let words = (order.account.to_string(), order.body_digest.clone());
        said.entry(words.clone()).or_default().insert(&order.items);
        for task in order.items.iter().filter(|task| !decided.contains(*task)) {
            let one = mine.entry((*task, format!("{:?}", order.step)));
            one.or_insert_with(|| (order.class, BTreeSet::new())).1.insert(words.clone());
        }
    }
    let mut count = 0;
    for ((task, step), (class, words)) in &mine {
        let times = |words: &Words| {
            let others = said.get(words).map_or(0, |groups| groups.len() - 1);
            seen.get(words).map_or(0, |times| times.saturating_sub(others))
        };
        let times: usize = words.iter().map(times).sum();
        let word = class_word(*class);
        let most = most(*class).unwrap_or(usize::MAX);
        assert!(times <= most, "task {task}, {step}, {word}: carried out {times} times");
        count += times;
    }
    assert!(count > 0, "nothing was sent that may not be repeated");
    figures.note("no task of a class that forbids repeats was carried out once too often");
}

/// How often what is so may reach the vendor; nothing where a repeat does no harm.
const fn most(class: EffectClass) -> Option<usize> {
    match class {
        EffectClass::AtMostOnce => Some(1),
        // its one repeat
        EffectClass::Wasteful => Some(2),
        EffectClass::ReadOnly
        | EffectClass::NaturallyIdempotent
        | EffectClass::KeyIdempotent { .. } => None,
    }
}

/// Tasks that a person sent again.
async fn sent_again_by_a_person(stage: &Stage) -> BTreeSet<TaskId> {
    let store = stage.store().await;
    let tail = efface_store::journal_tail(&store).await.expect("journal");
    let mut found = BTreeSet::new();
    for (body, items) in tail {
        let entry = Entry::read(&body, &items).expect("an entry");
        let again = entry.changes.iter().filter(|c| c.event == "retried by a person");
        found.extend(again.map(|c| c.task));
    }
    found
}

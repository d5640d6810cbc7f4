//! Versions change while work is in flight: a database of the oldest schema is brought up to the newest
//! with every row in it, a newer schema comes under a worker that does not know it, and the way back.
//! Whoever meets a schema that is not its own says so and touches nothing.

use std::time::Duration;

use efface_core::AccountId;
use efface_migrations::names;

use crate::{
    dice::Dice,
    faults::{
        Database, Figures, Setting, Stage, Tier, Ways,
        process::WorkerProcess,
        schema::{Rows, STEPS, Shape},
        stage::PATIENCE,
        variant,
    },
    peek::Peek,
    vendors::Word,
    world::{all_new, proved, released},
};

/// Steps of the oldest schema from which a database is brought up.
const OLDEST: usize = 3;
/// Requests that were taken in and withdrawn before anything was sent.
const WITHDRAWN: u32 = 5;
/// Words of a binary that meets a schema newer than its own.
const NEWER: &str = "newer than this binary's";
/// What a later version could add: a table, and a column of a busy one.
const LATER_STEP: &str = "m9999_later";
const LATER: [&str; 2] = [
    "CREATE TABLE later (name TEXT NOT NULL PRIMARY KEY)",
    "ALTER TABLE task ADD COLUMN later TEXT",
];

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 4) {
        if setting.time_is_up() {
            break;
        }
        figures.add(oldest(&setting, setting.seed_of(n)).await);
        figures.add(beneath_a_worker(&setting, setting.seed_of(n), n % 2 == 1).await);
    }
    if setting.tier == Tier::Night {
        figures.add(two_versions(&setting).await);
    }
    figures
}

fn ways(setting: &Setting) -> Ways {
    Ways { people: setting.people(60, 1000), people_per_call: 2, ..Ways::default() }
}

/// A database as the oldest version left it, with rows in every table and orders out.
async fn oldest(setting: &Setting, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut stage = Stage::build(setting, ways(setting)).await;
    stage.vendors.behave(&Word::Latency { low: 20, high: 200 });
    withdraw(&mut stage).await;
    // as long as one vendor waits no request ends: what ends one today is written to tables of today
    let waits = AccountId::new(&stage.vendors.all[0].vendor).expect("name");
    stage.store().await.pause_account(&waits, "an old version", "test").await.expect("paused");
    stage.run(&["api-key", "create", "--name", "shop"]).ends(0, &[]);
    let peek = stage.peek().await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    stage.run(&["audit", "checkpoint"]).ends(0, &[]);
    // every table has something to lose
    let promised = async || peek.count("receipt").await > 0;
    stage.until("receipt", &mut [&mut worker], PATIENCE, promised).await;
    tokio::time::sleep(Duration::from_millis(Dice::new(seed).between(0, 500))).await;
    until_one_is_out(&stage, &peek, &mut worker).await;
    worker.kill_9();
    match peek.sending().await {
        0 => figures.missed += 1,
        _ => figures.trials += 1,
    }
    let old = Shape::after(u32::try_from(OLDEST).unwrap_or(0), setting.database).await;
    rows_nobody_wrote(&peek).await;
    old.impose(&peek, &names()[..OLDEST]).await;
    let before = old.rows(&peek).await;
    let empty: Vec<&String> =
        before.iter().filter(|(_, (count, _))| *count == 0).map(|(table, _)| table).collect();
    // what is placed at once is waited for nowhere
    assert!(empty.iter().all(|table| *table == "unplaced"), "no row to lose in {empty:?}");

    refused(&stage, &peek, &old, "run `efface migrate`").await;
    // nothing of the last step outlives a restart: it goes back, and nothing else moves
    peek.step_back().await.expect("the last of these steps goes back");
    let mut left = before.clone();
    left.remove("worker");
    expect_same(&left, &old_rows(&peek, &old, &["worker", STEPS]).await);
    let up = names().len() - OLDEST + 1;
    stage.run(&["migrate"]).ends(0, &[&format!("applied {up} migrations")]);
    stage.run(&["migrate"]).ends(0, &["up to date"]);
    expect_same(&left, &old_rows(&peek, &old, &["worker", STEPS]).await);
    assert_eq!(peek.count(STEPS).await, i64::try_from(names().len()).unwrap_or(0));
    // what cannot go back says so and stays
    let (now, rows, why) = loop {
        let now = Shape::of(&peek).await;
        let rows = now.rows(&peek).await;
        if let Err(why) = peek.step_back().await {
            break (now, rows, why);
        }
    };
    assert!(why.contains("restore a backup"), "{why}");
    assert_eq!((Shape::of(&peek).await, now.rows(&peek).await), (now, rows));
    stage.run(&["migrate"]).ends(0, &[]);

    stage.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
    stage.store().await.resume_account(&waits, "test").await.expect("resumed");
    stage.finish(vec![], &mut figures).await;
    stage.run(&["audit", "verify"]).ends(0, &["as they were signed"]);
    figures.note(format!("{} rows of {} tables brought up", count(&before), before.len()));
    figures
}

/// People whom no vendor knows ask and withdraw.
async fn withdraw(stage: &mut Stage) {
    let store = stage.store().await;
    let who = stage.ways.people..stage.ways.people + WITHDRAWN;
    let requests = who.map(|n| {
        let person = crate::vendors::person(n).into_iter();
        let action = efface_core::RequestAction::Erase;
        released(action, person.map(|(kind, text)| proved(kind, &text)).collect())
    });
    let filed = all_new(store.file(requests.collect()).await);
    for id in &filed {
        store.cancel(*id, "test").await.expect("withdrawn");
    }
    stage.filed.extend(filed);
    stage.ways.people += WITHDRAWN;
}

/// Rows of tables that no worker of these scenes writes to.
async fn rows_nobody_wrote(peek: &Peek) {
    let id = peek.literal(&[7; 16]);
    for (table, values) in [
        ("import", format!("{id}, 'march.csv', 'a digest', 1, 'test', 2, 2, 0, 1")),
        ("idempotency", format!("{id}, {id}, 1, 201, {id}")),
        (
            "errand (id, lane, account, at, done_at, body, sealed, answer)",
            format!("{id}, 'old', 'old', 1, 2, '{{}}', NULL, NULL"),
        ),
        (
            "desk",
            format!("{id}, 'account', 'old', 'slow', 1, 2, 'test', 'dismissed', '{{}}', NULL"),
        ),
        ("schedule", "'overdue_check_of_old', 1, 'done'".to_owned()),
    ] {
        peek.execute(&format!("INSERT INTO {table} VALUES ({values})")).await;
    }
}

async fn old_rows(peek: &Peek, old: &Shape, without: &[&str]) -> Rows {
    let mut shape = old.clone();
    shape.tables.retain(|table, _| !without.contains(&table.as_str()));
    shape.rows(peek).await
}

/// All rows of the older shape are there and are as they were; the word of steps aside.
fn expect_same(before: &Rows, after: &Rows) {
    for (table, rows) in before.iter().filter(|(table, _)| *table != STEPS) {
        assert_eq!(after.get(table), Some(rows), "the rows of {table}");
    }
}

fn count(rows: &Rows) -> usize {
    rows.values().map(|(count, _)| count).sum()
}

/// Waits until a call is on its way.
pub(super) async fn until_one_is_out(stage: &Stage, peek: &Peek, worker: &mut WorkerProcess) {
    let out = async || peek.sending().await > 0 || peek.moving_tasks().await == 0;
    stage.until("order that is out", &mut [worker], PATIENCE, out).await;
}

/// What was on its way when its worker died has arrived.
pub(super) async fn until_vendors_are_quiet(stage: &Stage) {
    let mut before = stage.vendors.logged_bytes();
    loop {
        tokio::time::sleep(Duration::from_millis(600)).await;
        let now = stage.vendors.logged_bytes();
        if now == before {
            return;
        }
        before = now;
    }
}

/// Every door refuses and says what to do, nothing is written and nobody is called.
async fn refused(stage: &Stage, peek: &Peek, shape: &Shape, told: &str) {
    until_vendors_are_quiet(stage).await;
    let (rows, called) = (shape.rows(peek).await, stage.vendors.logged_bytes());
    for door in [
        &["worker"][..],
        &["request", "list"],
        &["audit", "checkpoint"],
        &["stop", "--all"],
        &["restore", "--yes"],
    ] {
        let ran = stage.run(door);
        assert!(ran.exit.is_some_and(|exit| exit != 0), "{door:?} was not refused: {ran:?}");
        assert!(ran.err.contains(told), "{door:?}: {ran:?}");
    }
    assert_eq!(shape.rows(peek).await, rows, "a refused door wrote something");
    assert_eq!(stage.vendors.logged_bytes(), called, "a refused door called somebody");
}

/// A newer schema comes under a worker that does not know it: it goes on, for nothing it uses is taken
/// away; once it ended it is not started again, until the step is taken back.
async fn beneath_a_worker(setting: &Setting, seed: u64, is_killed: bool) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let mut stage = Stage::build(setting, ways(setting)).await;
    stage.vendors.behave(&Word::Latency { low: 50, high: 400 });
    let peek = stage.peek().await;
    let own = Shape::of(&peek).await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    for statement in LATER {
        peek.execute(statement).await;
    }
    peek.execute(&format!("INSERT INTO {STEPS} (version, applied_at) VALUES ('{LATER_STEP}', 1)"))
        .await;
    stage.until_called(&mut [&mut worker]).await;
    tokio::time::sleep(Duration::from_millis(dice.between(0, 500))).await;
    until_one_is_out(&stage, &peek, &mut worker).await;
    match peek.sending().await {
        0 => figures.missed += 1,
        _ => figures.trials += 1,
    }
    if is_killed {
        worker.kill_9();
    } else {
        assert!(worker.stop().success(), "{}", stage.last_words());
        assert_eq!(peek.sending().await, 0, "a stopped worker leaves no order out");
    }
    let later = Shape::of(&peek).await;
    refused(&stage, &peek, &later, NEWER).await;
    stage.run(&["migrate"]).ends(1, &[NEWER, "use the version of efface that wrote it"]);
    own.impose(&peek, &names()).await;
    stage.run(&["migrate"]).ends(0, &["up to date"]);
    stage.finish(vec![], &mut figures).await;
    figures
}

/// The same with a real newer version: it refuses the older schema, brings it up while the older version
/// works, takes over, and gives way again.
async fn two_versions(setting: &Setting) -> Figures {
    let mut figures = Figures::default();
    let newer = tokio::task::block_in_place(|| variant::build("newer-schema"));
    let mut stage = Stage::build(setting, ways(setting)).await;
    stage.vendors.behave(&Word::Latency { low: 50, high: 400 });
    let peek = stage.peek().await;
    let own = Shape::of(&peek).await;
    let mut older = stage.worker(1);
    stage.until_called(&mut [&mut older]).await;
    stage.with_program(&newer);
    stage.run(&["worker"]).ends(1, &["run `efface migrate`"]);
    stage.run(&["migrate"]).ends(0, &["applied 1 migration"]);
    stage.until_called(&mut [&mut older]).await;
    let mut second = match setting.database {
        // SQLite has one writer: there versions follow one another
        Database::Sqlite => {
            older.kill_9();
            stage.worker(1)
        }
        Database::Postgresql => {
            let mut second = stage.worker(2);
            stage.until_called(&mut [&mut older, &mut second]).await;
            older.kill_9();
            second
        }
    };
    figures.trials += usize::from(peek.sending().await > 0);
    stage.until_called(&mut [&mut second]).await;
    second.kill_9();
    figures.trials += usize::from(peek.sending().await > 0);
    stage.with_program(&setting.efface);
    let later = Shape::of(&peek).await;
    refused(&stage, &peek, &later, NEWER).await;
    own.impose(&peek, &names()).await;
    stage.finish(vec![], &mut figures).await;
    figures.note("by a build that knows one step more");
    figures
}

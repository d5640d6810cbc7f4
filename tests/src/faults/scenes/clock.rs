//! The wall clock of a worker steps while requests are open, forward and back, and comes back to the
//! truth; the harness and PostgreSQL keep the true time. No lease changes hands for it, nobody's day is
//! said to have passed, and no waiting ends before its time where the step does not reach its end.

use std::{collections::BTreeSet, fs, path::PathBuf, time::Duration};

use efface_core::{RequestId, outside::Clock as _, request::RequestState};

use super::upgrade::until_one_is_out;
use crate::{
    faults::{
        Database, Figures, Setting, Stage, Ways,
        process::WorkerProcess,
        stage::{LOOK, PATIENCE},
    },
    vendors::{Word, person},
    world::{WallClock, stopwatch},
};

/// Whoever waits for it sees a step within a second.
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// In seconds; those that end no cooling-off of a day come first.
const STEPS: [(&str, i64); 4] =
    [("+1 h", HOUR), ("-1 d", -DAY), ("+1 d", DAY), ("+40 d", 40 * DAY)];
/// How long a wrong time lasts.
const LASTS: Duration = Duration::from_secs(3);
/// A day that has passed is on record this soon after the truth is back.
const FLAGGED: Duration = Duration::from_secs(60);

/// Shifts the time of one process, where it is installed.
fn library() -> Option<PathBuf> {
    let mut folders = vec![PathBuf::from("/usr/lib/faketime"), "/usr/lib64/faketime".into()];
    let beside = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    folders.extend(beside.map(|folder| folder.path().join("faketime")));
    folders.into_iter().map(|f| f.join("libfaketimeMT.so.1")).find(|file| file.is_file())
}

pub(super) fn cannot() -> Option<String> {
    let missing = "libfaketime is missing (Debian, Ubuntu: `apt-get install libfaketime`): nothing here shifts the wall clock of one process";
    library().is_none().then(|| missing.to_owned())
}

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 5) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting).await);
        figures.note(format!("{} rounds of 4 steps", n + 1));
    }
    figures
}

/// The time of a worker, moved by hand.
struct Moved {
    file: PathBuf,
}

impl Moved {
    fn new(stage: &Stage) -> Self {
        let moved = Self { file: stage.folder().join("time") };
        moved.by(0);
        moved
    }

    /// In seconds, from the true time.
    fn by(&self, seconds: i64) {
        let whole = self.file.with_extension("new");
        fs::write(&whole, format!("{seconds:+}\n")).expect("the time");
        fs::rename(whole, &self.file).expect("the time");
    }

    fn worker(&self, stage: &Stage, n: usize) -> WorkerProcess {
        let library = library().expect("libfaketime");
        stage.worker_with(
            n,
            &[
                ("LD_PRELOAD", library.display().to_string()),
                ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
                ("FAKETIME_CACHE_DURATION", "1".into()),
                ("DONT_FAKE_MONOTONIC", "1".into()),
                ("NO_FAKE_STAT", "1".into()),
            ],
        )
    }
}

async fn run(setting: &Setting) -> Figures {
    let mut figures = Figures::default();
    let people = setting.people(48, 400);
    let part = people / 6;
    let ways = Ways {
        people,
        filed_later: part * 4,
        people_per_call: 1,
        lease_seconds: 6,
        ..Ways::default()
    };
    let mut stage = Stage::build(setting, ways).await;
    stage.vendors.behave(&Word::Latency { low: 100, high: 600 });
    stage.set("[policy]\n", "[schedule]\noverdue_check = \"* * * * * *\"\n[policy]\n");
    // a later phase waits for an earlier one by the wall clock: erased is then who was to be suppressed
    stage.all_are_held = false;
    // nobody releases these, and these two wait for a day
    let open: Vec<RequestId> = (0..3).map(|n| file(&mut stage, n, &[])).collect();
    stage.set("cooling_off_hours = 0", "cooling_off_hours = 24");
    let cooled: Vec<RequestId> = (3..5).map(|n| file(&mut stage, n, &[])).collect();
    for id in &cooled {
        stage.run(&["request", "release", &id.to_string(), "--yes"]).ends(0, &[]);
    }
    let moved = Moved::new(&stage);
    let mut workers = vec![moved.worker(&stage, 1)];
    stage.until_called(&mut [&mut workers[0]]).await;
    if setting.database == Database::Postgresql {
        workers.push(stage.worker(2));
        until_shared(&stage, &mut workers).await;
    }
    let first = people - part * 4;
    for (n, (name, seconds)) in (0..).zip(STEPS) {
        stage.file(first + n * part..first + (n + 1) * part).await;
        step(&stage, &moved, &mut workers, (name, seconds), &mut figures).await;
        let store = stage.store().await;
        for id in &open {
            let request = store.request(*id).await.expect("a request").request;
            assert!(request.breached_at.is_none(), "{id} is said to be late by a step of {name}");
        }
        for id in cooled.iter().filter(|_| seconds < DAY) {
            let state = store.request(*id).await.expect("a request").request.state;
            let waits = matches!(state, RequestState::Released { .. });
            assert!(waits, "{id} was to wait for a day, and is {state:?} after a step of {name}");
        }
        if n == 1 {
            // what follows reaches the end of their day
            for id in &cooled {
                store.cancel(*id, "test").await.expect("withdrawn");
            }
        }
    }
    late(&mut stage, &moved, &mut workers, &mut figures).await;
    for id in open.iter().chain(stage.filed.last()) {
        stage.store().await.cancel(*id, "test").await.expect("withdrawn");
    }
    let peek = stage.peek().await;
    let now = WallClock.now().millis();
    let far = format!("SELECT count(*) FROM task WHERE wake_at > {}", now + HOUR * 1000);
    figures.note(format!(
        "{} tasks wait for a moment that the wrong clock named",
        peek.number(&far).await
    ));
    for worker in workers {
        assert!(worker.stop().success(), "{}", stage.last_words());
    }
    // it comes
    moved.by(41 * DAY);
    stage.rest(vec![moved.worker(&stage, 1)]).await;
    stage.finish(vec![], &mut figures).await;
    figures.note("takeover: from the return of the true time to the mark of a day that had passed");
    figures
}

/// Waits until both have lanes and none changes hands any more.
async fn until_shared(stage: &Stage, workers: &mut [WorkerProcess]) {
    let peek = stage.peek().await;
    let shared = async || {
        let before = peek.epochs().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let owners: BTreeSet<String> = peek.owners().await.into_values().collect();
        owners.len() == 2 && before == peek.epochs().await
    };
    let mut living: Vec<&mut WorkerProcess> = workers.iter_mut().collect();
    stage.until("sharing", &mut living, PATIENCE, shared).await;
}

/// Somebody no vendor knows asks.
fn file(stage: &mut Stage, n: u32, more: &[&str]) -> RequestId {
    let who = person(1_000_000 + n).remove(0).1;
    let words = ["request", "file", "--json", "--email", &who, "--action", "erase"];
    let proof = ["--proof", "account login"];
    let filed = stage.run(&[&words[..], &proof, more].concat()).json();
    let id = filed["request"]["id"].as_str().expect("an id").parse().expect("an id");
    stage.filed.push(id);
    stage.ways.people += 1;
    id
}

/// The clock is wrong for a while, with an order out at its first moment.
async fn step(
    stage: &Stage,
    moved: &Moved,
    workers: &mut [WorkerProcess],
    (name, seconds): (&str, i64),
    figures: &mut Figures,
) {
    let peek = stage.peek().await;
    until_one_is_out(stage, &peek, &mut workers[0]).await;
    let owners = (peek.owners().await, peek.epochs().await);
    let began = WallClock.now().millis();
    moved.by(seconds);
    // half the way and more
    let middle = began + seconds * 500;
    let bites = if seconds > 0 {
        format!("SELECT count(*) FROM journal WHERE at > {middle}")
    } else {
        format!("SELECT count(*) FROM journal WHERE at < {middle}")
    };
    let seen = peek.number(&bites).await;
    let bitten = async || peek.number(&bites).await > seen;
    let mut living: Vec<&mut WorkerProcess> = workers.iter_mut().collect();
    stage.until(&format!("word of {name}"), &mut living, PATIENCE, bitten).await;
    tokio::time::sleep(LASTS).await;
    let now = (peek.owners().await, peek.epochs().await);
    match workers.len() {
        // SQLite's time is the worker's own: it may have to take its own lanes again
        1 => assert_eq!(owners.0, now.0, "{name} moved a lane"),
        _ => assert_eq!(owners, now, "{name} moved a lane"),
    }
    figures.trials += 1;
    moved.by(0);
    tokio::time::sleep(LASTS).await;
}

/// Somebody's day has passed while the clock is wrong: told once it is right again.
async fn late(
    stage: &mut Stage,
    moved: &Moved,
    workers: &mut [WorkerProcess],
    figures: &mut Figures,
) {
    if workers.len() > 1 {
        // the other one's clock is right
        assert!(workers[1].is_alive());
        workers[1].pause();
    }
    moved.by(40 * DAY);
    tokio::time::sleep(LASTS).await;
    let day = jiff::Timestamp::from_millisecond(WallClock.now().millis() - 60 * DAY * 1000);
    let day = day.expect("a day").to_string()[..10].to_owned();
    let id = file(stage, 9, &["--received-on", &day]);
    let store = stage.store().await;
    let is_late = async || store.request(id).await.expect("a request").request.breached_at;
    tokio::time::sleep(LASTS).await;
    assert!(is_late().await.is_none(), "marked by a clock that cannot be believed");
    assert!(stage.said().contains("the wall clock stepped"), "{}", stage.last_words());
    moved.by(0);
    let back = stopwatch();
    while is_late().await.is_none() {
        assert!(stopwatch() - back < FLAGGED, "a day that has passed is not marked");
        tokio::time::sleep(LOOK).await;
    }
    figures.takeovers.push(stopwatch() - back);
    if let [_, other] = workers {
        other.wake();
    }
}

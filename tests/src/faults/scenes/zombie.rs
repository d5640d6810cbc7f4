//! Zombies: a worker is put to sleep in the middle of its work for longer than its lease, another
//! takes its lanes, and it wakes without knowing. Nothing of it may be written any more.

use std::time::Duration;

use crate::{
    dice::Dice,
    faults::{
        Database, Figures, Setting, Stage, Ways,
        process::WorkerProcess,
        stage::{GLANCE, LOOK},
        witness,
    },
    peek::Peek,
    vendors::Word,
    world::stopwatch,
};

/// Worlds played side by side: a pause is mostly waiting.
const WORLDS: usize = 6;
/// Pauses of one stage.
const PAUSES_A_STAGE: usize = 10;
/// A takeover may take this much longer than the lease.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn play(setting: Setting) -> Figures {
    let (worlds, each) = if setting.trials(0, 1) == 0 { (1, 2) } else { (WORLDS, 80) };
    let ways = Ways { lease_seconds: 3, call_timeout_seconds: 2, drain_seconds: 3, ..ways() };
    side_by_side(&setting, &ways, worlds, each).await
}

pub(super) async fn play_long(setting: Setting) -> Figures {
    let ways = Ways { lease_seconds: 30, people: 400, ..ways() };
    side_by_side(&setting, &ways, 10, 2).await
}

/// Long calls, so that many are out at any moment.
pub(super) fn ways() -> Ways {
    Ways { people: 90, people_per_call: 1, calls_in_flight: 4, ..Ways::default() }
}

async fn side_by_side(setting: &Setting, ways: &Ways, worlds: usize, each: usize) -> Figures {
    let one = async |world: usize| {
        let mut figures = Figures { stale: Some(0), ..Figures::default() };
        let mut round = 0;
        while figures.trials < each && !setting.time_is_up() {
            let pauses = (each - figures.trials).min(PAUSES_A_STAGE);
            let seed = setting.seed_of(world * 1000 + round);
            figures.add(round_of(setting, ways, pauses, seed).await);
            round += 1;
        }
        figures
    };
    let mut figures = Figures::default();
    for world in futures::future::join_all((0..worlds).map(one)).await {
        figures.add(world);
    }
    figures
}

async fn round_of(setting: &Setting, ways: &Ways, pauses: usize, seed: u64) -> Figures {
    let mut figures = Figures { stale: Some(0), ..Figures::default() };
    let (mut stage, workers) = two_workers(setting, ways).await;
    let peek = stage.peek().await;
    let workers = pause(&stage, &peek, workers, (pauses, seed, GRACE), &mut figures).await;
    stage.finish(workers, &mut figures).await;
    let stale = witness::stale_commits(&peek).await;
    assert_eq!(stale, 0, "{:?}", witness::told(&peek).await);
    figures
}

/// A stage with two workers whose writes are told apart.
pub(super) async fn two_workers(setting: &Setting, ways: &Ways) -> (Stage, Vec<WorkerProcess>) {
    let mut stage = Stage::build(setting, ways.clone()).await;
    stage.vendors.behave(&Word::Latency { low: 100, high: 700 });
    let peek = stage.peek().await;
    witness::watch(&peek).await;
    let mut workers = vec![];
    for n in 1..=2 {
        let url = witness::role(&peek, &stage.url, &stage.name(n)).await;
        workers.push(stage.worker_with(n, &[("EFFACE__DATABASE__URL", url)]));
    }
    let mut living: Vec<&mut WorkerProcess> = workers.iter_mut().collect();
    stage.until_called(&mut living).await;
    (stage, workers)
}

/// Puts one of the two to sleep, again and again; ends early when there is no work left.
pub(super) async fn pause(
    stage: &Stage,
    peek: &Peek,
    mut workers: Vec<WorkerProcess>,
    (pauses, seed, grace): (usize, u64, Duration),
    figures: &mut Figures,
) -> Vec<WorkerProcess> {
    let lease = Duration::from_secs(stage.ways.lease_seconds);
    let mut dice = Dice::new(seed);
    while figures.trials < pauses && peek.moving_tasks().await > 0 {
        tokio::time::sleep(Duration::from_millis(dice.between(100, 900))).await;
        // whoever holds lanes may be the one; today that may be one alone
        let owners = peek.owners().await;
        let lanes_of = |name: &str| -> Vec<String> {
            let mine = owners.iter().filter(|(_, owner)| *owner == name);
            mine.map(|(lane, _)| lane.clone()).collect()
        };
        let holders: Vec<usize> =
            (0..workers.len()).filter(|n| !lanes_of(workers[*n].name()).is_empty()).collect();
        if holders.is_empty() {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let which = usize::try_from(dice.between(0, holders.len() as u64 - 1)).unwrap_or(0);
        let victim = holders[which];
        workers[victim].pause();
        let slept_at = stopwatch();
        let name = workers[victim].name().to_owned();
        // what it had on the way when it fell asleep
        tokio::time::sleep(Duration::from_millis(50)).await;
        let owners = peek.owners().await;
        let mine = owners.iter().filter(|(_, owner)| **owner == name);
        let lanes: Vec<String> = mine.map(|(lane, _)| lane.clone()).collect();
        let out = if lanes.is_empty() { 0 } else { peek.sending_in(&lanes).await };
        loop {
            let owners = peek.owners().await;
            if !lanes.iter().any(|lane| owners.get(lane) == Some(&name)) {
                break;
            }
            let waited = stopwatch() - slept_at;
            assert!(
                waited < lease + grace,
                "nobody took {lanes:?} from {name} within {waited:?}; {}",
                stage.last_words()
            );
            tokio::time::sleep(GLANCE).await;
        }
        if lanes.is_empty() {
            figures.missed += 1;
        } else {
            figures.takeovers.push(stopwatch() - slept_at);
            if out > 0 {
                figures.trials += 1;
            } else {
                figures.missed += 1;
            }
        }
        // the new owner gets to work before the old one wakes
        tokio::time::sleep(Duration::from_millis(dice.between(0, 400))).await;
        workers[victim].wake();
    }
    for worker in &mut workers {
        assert!(worker.is_alive(), "{} ended by itself; {}", worker.name(), stage.last_words());
    }
    workers
}

/// On SQLite, where there is one writer, a second worker is refused, whether the first sleeps or not.
pub(super) async fn play_second(setting: Setting) -> Figures {
    assert_eq!(setting.database, Database::Sqlite);
    let wanted = setting.trials(3, 50);
    let mut figures = Figures::default();
    let mut stage = Stage::build(&setting, Ways { people: 30, ..Ways::default() }).await;
    let mut first = stage.worker(1);
    stage.until_called(&mut [&mut first]).await;
    let peek = stage.peek().await;
    let before = peek.epochs().await;
    while figures.trials < wanted && !setting.time_is_up() {
        let sleeps = figures.trials % 2 == 0;
        if sleeps {
            first.pause();
        }
        let mut second = stage.worker(2);
        let start = stopwatch();
        let mut waited = false;
        let ended = loop {
            if let Some(ended) = second.ended() {
                break ended;
            }
            if !waited && stopwatch() - start > Duration::from_secs(5) {
                figures.note("who begins while the first sleeps in the middle of a commit waits for the database before it is refused");
                waited = true;
                first.wake();
            }
            assert!(stopwatch() - start < Duration::from_secs(30), "{}", stage.last_words());
            tokio::time::sleep(LOOK).await;
        };
        assert!(!ended.success(), "a second worker ran on SQLite; {}", stage.last_words());
        figures.trials += 1;
        if sleeps {
            first.wake();
        }
    }
    let refusal = "a worker runs on this SQLite database already";
    let told = stage.said().matches(refusal).count();
    assert_eq!(told, figures.trials, "each was told why; {}", stage.last_words());
    assert_eq!(before, peek.epochs().await, "no lane changed hands");
    stage.finish(vec![first], &mut figures).await;
    figures
}

//! PostgreSQL goes away and comes back while orders are out: in good order, at once, or killed.

use std::time::Duration;

use efface_testkit::postgres::{Options, StopMode, TempPostgres};

use crate::{
    dice::Dice,
    faults::{Figures, Setting, Stage, Ways, process::WorkerProcess},
    world::stopwatch,
};

/// Restarts of one stage.
const RESTARTS_A_STAGE: usize = 9;

pub(super) async fn play(setting: Setting) -> Figures {
    let wanted = setting.trials(3, 60);
    let mut figures = Figures::default();
    // a cluster that keeps what it acknowledged; nobody else's
    let mut cluster = TempPostgres::start_with(Options::durable()).expect("PostgreSQL");
    let mut round = 0;
    while figures.trials < wanted && !setting.time_is_up() {
        let restarts = (wanted - figures.trials).min(RESTARTS_A_STAGE);
        let seed = setting.seed_of(round);
        figures.add(run(&setting, &mut cluster, restarts, seed).await);
        round += 1;
    }
    cluster.stop().expect("stopped");
    figures.note("takeover: from the database's return to the next call");
    figures
}

async fn run(setting: &Setting, cluster: &mut TempPostgres, restarts: usize, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().expect("folder");
    let url = cluster.create_database().expect("database");
    let people = if restarts > 3 { 200 } else { 50 };
    let ways = Ways { people, people_per_call: 1, ..Ways::default() };
    let mut stage = Stage::on(setting, ways, folder, url).await;
    stage.vendors.behave(&crate::vendors::Word::Latency { low: 50, high: 400 });
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    for n in 0..restarts {
        tokio::time::sleep(Duration::from_millis(dice.between(50, 900))).await;
        let out = {
            let peek = stage.peek().await;
            if peek.moving_tasks().await == 0 {
                break;
            }
            peek.sending().await
        };
        if out > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
        tokio::task::block_in_place(|| match n % 3 {
            0 => cluster.restart(StopMode::Fast),
            1 => cluster.restart(StopMode::Immediate),
            _ => cluster.kill9().and_then(|()| cluster.restart(StopMode::Immediate)),
        })
        .expect("PostgreSQL is there again");
        let back = stopwatch();
        until_it_works(&stage, &mut worker).await;
        figures.takeovers.push(stopwatch() - back);
    }
    stage.finish(vec![worker], &mut figures).await;
    figures
}

/// Waits for the next call, or for the end of all work.
pub(super) async fn until_it_works(stage: &Stage, worker: &mut WorkerProcess) {
    let logged = stage.vendors.logged_bytes();
    let peek = stage.peek().await;
    let again = async || stage.vendors.logged_bytes() > logged || peek.moving_tasks().await == 0;
    stage.until("call after it", &mut [worker], Duration::from_secs(60), again).await;
}

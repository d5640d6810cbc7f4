//! Eight workers begin at one moment: the table of lanes is locked until all of them stand before it.

use std::time::Duration;

use crate::{
    faults::{Figures, Setting, Stage, Ways, process::WorkerProcess, witness},
    peek::Peek,
    vendors::Word,
};

const WORKERS: usize = 8;

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures { stale: Some(0), ..Figures::default() };
    for _ in 0..setting.trials(1, 20) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting).await);
    }
    figures
}

async fn run(setting: &Setting) -> Figures {
    let mut figures = Figures { stale: Some(0), trials: 1, ..Figures::default() };
    let ways = Ways {
        people: setting.people(40, 60),
        people_per_call: 2,
        lease_seconds: 5,
        ..Ways::default()
    };
    let mut stage = Stage::build(setting, ways).await;
    stage.vendors.behave(&Word::Latency { low: 5, high: 120 });
    let peek = stage.peek().await;
    witness::watch(&peek).await;
    let gate = Peek::at(&stage.url).await;
    let shut = gate.shut_lanes().await;
    let mut workers = vec![];
    for n in 1..=WORKERS {
        let url = witness::role(&peek, &stage.url, &stage.name(n)).await;
        workers.push(stage.worker_with(n, &[("EFFACE__DATABASE__URL", url)]));
    }
    let mut living: Vec<&mut WorkerProcess> = workers.iter_mut().collect();
    let here = async || peek.before_a_lock().await >= WORKERS as i64;
    stage.until("start of all", &mut living, Duration::from_secs(60), here).await;
    shut.open().await;
    stage.until_called(&mut living).await;
    stage.finish(workers, &mut figures).await;
    let stale = witness::stale_commits(&peek).await;
    assert_eq!(stale, 0, "{:?}", witness::told(&peek).await);
    figures
}

//! Negative controls: the same scenes over builds that lack what keeps people safe. If the oracle
//! finds nothing there, it finds nothing anywhere.

use std::time::Duration;

use super::zombie;
use crate::faults::{Figures, Setting, Stage, Ways, stage::PATIENCE, variant, witness};

/// Pauses after which a build without fencing must have been seen.
const PAUSES: usize = 10;

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures { stale: Some(0), ..Figures::default() };
    without_order_commit(&setting, &mut figures).await;
    without_fencing(&setting, &mut figures).await;
    figures
}

fn crippled(setting: &Setting, feature: &str) -> Setting {
    let efface = tokio::task::block_in_place(|| variant::build(feature));
    Setting { efface, ..setting.clone() }
}

async fn without_order_commit(setting: &Setting, figures: &mut Figures) {
    let setting = crippled(setting, "without-order-commit");
    let stage = Stage::build(&setting, Ways { people: 30, ..Ways::default() }).await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    worker.kill_9();
    let verdict = stage.judge().await;
    let found = verdict.tally.without_call;
    assert!(found > 0, "calls without an order went unnoticed: {:?}", verdict.faults);
    figures.trials += 1;
    figures
        .note(format!("without the order's commit: {found} calls found that no order stands for"));
}

async fn without_fencing(setting: &Setting, figures: &mut Figures) {
    let setting = crippled(setting, "without-fencing");
    let ways = Ways {
        people: 200,
        lease_seconds: 3,
        call_timeout_seconds: 2,
        drain_seconds: 3,
        ..zombie::ways()
    };
    let mut stale = 0;
    let mut round = 0;
    while stale == 0 && round < 3 {
        let (stage, workers) = zombie::two_workers(&setting, &ways).await;
        let peek = stage.peek().await;
        let mut here = Figures::default();
        let seed = setting.seed_of(round);
        drop(zombie::pause(&stage, &peek, workers, (PAUSES, seed, PATIENCE), &mut here).await);
        stale = witness::stale_commits(&peek).await;
        figures.trials += here.trials;
        round += 1;
    }
    assert!(stale > 0, "commits of workers who had lost their lane went unnoticed");
    figures.note(format!("without fencing: {stale} stale commits found"));
}

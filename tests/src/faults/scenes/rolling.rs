//! SIGTERM and a new worker under another name, again and again: each ends within its drain, gives
//! its lanes back, and no order is ever in doubt.

use std::time::Duration;

use crate::{
    dice::Dice,
    faults::{Database, Figures, Setting, Stage, Ways, stage::LOOK},
    world::stopwatch,
};

/// Restarts of one stage.
const RESTARTS_A_STAGE: usize = 25;
/// What a process needs beside the drain.
const GRACE: Duration = Duration::from_secs(2);

pub(super) async fn play(setting: Setting) -> Figures {
    let wanted = setting.trials(3, 50);
    let mut figures = Figures::default();
    let mut round = 0;
    while figures.trials < wanted && !setting.time_is_up() {
        let restarts = (wanted - figures.trials).min(RESTARTS_A_STAGE);
        figures.add(run(&setting, restarts, setting.seed_of(round)).await);
        round += 1;
    }
    figures.note("takeover: from the old worker's end to the first call of the new one");
    figures
}

async fn run(setting: &Setting, restarts: usize, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let ways = Ways {
        people: setting.people(40, 250),
        people_per_call: 1,
        // whoever must wait for this lease shows
        lease_seconds: 60,
        ..Ways::default()
    };
    let drain = Duration::from_secs(ways.drain_seconds);
    let mut stage = Stage::build(setting, ways).await;
    stage.vendors.behave(&crate::vendors::Word::Latency { low: 20, high: 250 });
    let peek = stage.peek().await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    for n in 0..restarts {
        tokio::time::sleep(Duration::from_millis(dice.between(0, 500))).await;
        if peek.moving_tasks().await == 0 {
            break;
        }
        if peek.sending().await > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
        let asked = stopwatch();
        worker.ask_to_stop();
        let ended = loop {
            if let Some(ended) = worker.ended() {
                break ended;
            }
            let waited = stopwatch() - asked;
            assert!(waited < drain + GRACE, "it runs on {waited:?}; {}", stage.last_words());
            tokio::time::sleep(LOOK).await;
        };
        assert!(ended.success(), "asked to stop, it ended with {ended}; {}", stage.last_words());
        assert_eq!(peek.sending().await, 0, "a stopped worker leaves no order out");
        assert_eq!(peek.owners().await.len(), 0, "a stopped worker keeps no lane");
        let stopped = stopwatch();
        worker = stage.worker(if setting.database == Database::Sqlite { 1 } else { n + 2 });
        stage
            .until("call", &mut [&mut worker], Duration::from_secs(30), async || {
                peek.sending().await > 0 || peek.moving_tasks().await == 0
            })
            .await;
        figures.takeovers.push(stopwatch() - stopped);
    }
    stage.finish(vec![worker], &mut figures).await;
    assert_eq!(figures.unknown, 0, "no answer is lost by a stop in good order");
    assert!(figures.repeats.values().all(|r| *r == (0, 0)), "nothing is sent twice: {figures:?}");
    figures
}

//! `kill -9` of the only worker at random moments while orders are out.

use std::time::Duration;

use crate::{
    dice::Dice,
    faults::{
        Figures, Setting, Stage, Ways,
        process::WorkerProcess,
        stage::{GLANCE, PATIENCE},
    },
    peek::Peek,
    world::{WallClock, stopwatch},
};
use efface_core::outside::Clock as _;

/// The moment of a kill after the first call of a life, in milliseconds.
const MOMENT: (u64, u64) = (0, 400);
/// The same where a life is short, so that a stage serves for more kills.
const SHORT_MOMENT: (u64, u64) = (0, 90);
/// Kills of one stage in the night.
const KILLS_A_STAGE: usize = 40;

/// How much is put under the axe.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub people: u32,
    /// Kills that hit while an order was out.
    pub kills: usize,
    moment: (u64, u64),
}

impl Size {
    #[must_use]
    pub const fn new(people: u32, kills: usize) -> Self {
        Self { people, kills, moment: MOMENT }
    }
}

pub(super) async fn play(setting: Setting) -> Figures {
    let wanted = setting.trials(5, 500);
    let mut figures = Figures::default();
    let mut round = 0;
    while figures.trials < wanted && !setting.time_is_up() {
        let kills = (wanted - figures.trials).min(KILLS_A_STAGE);
        let people = if kills == KILLS_A_STAGE { 240 } else { 60 };
        let size = Size { people, kills, moment: SHORT_MOMENT };
        figures.add(run(&setting, size, setting.seed_of(round)).await);
        round += 1;
    }
    figures
}

/// Kills, lets a last worker come to rest, and judges.
///
/// # Panics
/// When anything is not as it must be.
pub async fn run(setting: &Setting, size: Size, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut stage = Stage::build(setting, Ways { people: size.people, ..Ways::default() }).await;
    kill(&stage, size, seed, &mut figures).await;
    stage.finish(vec![], &mut figures).await;
    figures
}

async fn kill(stage: &Stage, size: Size, seed: u64, figures: &mut Figures) {
    let mut dice = Dice::new(seed);
    let peek = stage.peek().await;
    let mut killed_at = None;
    while figures.trials < size.kills {
        let mut worker = stage.worker(1);
        let Some(taken_over) = until_it_calls(stage, &peek, &mut worker).await else {
            // everything was done before its time
            assert!(worker.stop().success(), "{}", stage.last_words());
            break;
        };
        if let Some(at) = killed_at {
            figures.takeovers.push(taken_over - at);
        }
        tokio::time::sleep(Duration::from_millis(dice.between(size.moment.0, size.moment.1))).await;
        worker.kill_9();
        killed_at = Some(stopwatch());
        if peek.sending().await > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
    }
    assert!(
        figures.trials * 3 >= size.kills,
        "an order was out at {} of {} kills: there is too little work",
        figures.trials,
        figures.trials + figures.missed
    );
}

/// Waits until a new worker holds every lane and has made a call; when it held them. `None` when
/// there is nothing left to call for.
async fn until_it_calls(
    stage: &Stage,
    peek: &Peek,
    worker: &mut WorkerProcess,
) -> Option<Duration> {
    let end = stopwatch() + PATIENCE;
    let before = peek.epochs().await;
    let logged = stage.vendors.logged_bytes();
    let mut held_at = None;
    loop {
        assert!(worker.is_alive(), "the worker ended by itself; {}", stage.last_words());
        assert!(stopwatch() < end, "the worker makes no call; {}", stage.last_words());
        tokio::time::sleep(GLANCE).await;
        if held_at.is_none() {
            let now = peek.epochs().await;
            let all = now.len() > stage.vendors.all.len();
            if all && now.iter().all(|(lane, epoch)| before.get(lane) < Some(epoch)) {
                held_at = Some(stopwatch());
            }
        }
        if let Some(at) = held_at {
            if stage.vendors.logged_bytes() > logged {
                return Some(at);
            }
            if peek.moving(WallClock.now().millis()).await == 0 {
                return None;
            }
        }
    }
}

//! Vendors that refuse, fail, fall silent before or after the deed, break off and talk nonsense, at
//! random and all at once, while the work goes on.

use std::time::Duration;

use crate::{
    faults::{Figures, Setting, Stage, Ways},
    vendors::{Trouble, Word},
};

/// Part of the time in which a vendor is troubled.
const PERCENT: u64 = 12;

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 12) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting, setting.seed_of(n)).await);
    }
    figures
}

async fn run(setting: &Setting, seed: u64) -> Figures {
    let mut figures = Figures { trials: 1, ..Figures::default() };
    let long = setting.trials(0, 1) == 1;
    let ways = Ways {
        people: setting.people(30, 120),
        people_per_call: 2,
        call_timeout_seconds: 1,
        ..Ways::default()
    };
    let mut stage = Stage::build(setting, ways).await;
    let mut worker = stage.worker(1);
    stage.vendors.behave(&Word::Storm { seed, percent: PERCENT, troubles: Trouble::ALL.to_vec() });
    stage.until_called(&mut [&mut worker]).await;
    let peek = stage.peek().await;
    let lasts = Duration::from_secs(if long { 30 } else { 5 });
    let end = crate::world::stopwatch() + lasts;
    while crate::world::stopwatch() < end && peek.moving_tasks().await > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(worker.is_alive(), "the worker ended by itself; {}", stage.last_words());
    }
    stage.finish(vec![worker], &mut figures).await;
    figures
}

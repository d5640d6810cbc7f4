//! The worker is cut off from its database: the way falls silent, or is broken, for seconds. No call
//! leaves without a committed order, and the work goes on afterwards without anybody's help.

use std::time::Duration;

use super::restart::until_it_works;
use crate::{
    dice::Dice,
    faults::{
        Figures, Setting, Stage, Ways,
        hop::{Hop, Way},
    },
    vendors::Word,
    world::stopwatch,
};

/// Cuts of one stage.
const CUTS_A_STAGE: usize = 6;
/// What was on its way when the way was cut still reaches the vendors.
const ON_THE_WAY: Duration = Duration::from_millis(900);

pub(super) async fn play(setting: Setting) -> Figures {
    let wanted = setting.trials(2, 36);
    let mut figures = Figures::default();
    let mut round = 0;
    while figures.trials < wanted && !setting.time_is_up() {
        let cuts = (wanted - figures.trials).min(CUTS_A_STAGE);
        let longest = if wanted > 2 { 12_000 } else { 2_500 };
        figures.add(run(&setting, cuts, longest, setting.seed_of(round)).await);
        round += 1;
    }
    figures.note("takeover: from the way's return to the next call");
    figures
}

async fn run(setting: &Setting, cuts: usize, longest: u64, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let people = if cuts > 2 { 160 } else { 40 };
    let ways = Ways { people, people_per_call: 1, lease_seconds: 6, ..Ways::default() };
    let mut stage = Stage::build(setting, ways).await;
    stage.vendors.behave(&Word::Latency { low: 50, high: 500 });
    let (before, after) = stage.url.split_once('@').expect("a user");
    let (address, database) = after.split_once('/').expect("a database");
    let hop = Hop::to(address.to_owned()).await;
    let through = format!("{before}@127.0.0.1:{}/{database}", hop.port());
    let mut worker = stage.worker_with(1, &[("EFFACE__DATABASE__URL", through)]);
    stage.until_called(&mut [&mut worker]).await;
    let peek = stage.peek().await;
    for n in 0..cuts {
        tokio::time::sleep(Duration::from_millis(dice.between(50, 700))).await;
        if peek.moving_tasks().await == 0 {
            break;
        }
        hop.set(if (n as u64 + seed).is_multiple_of(2) { Way::Silent } else { Way::Cut });
        tokio::time::sleep(ON_THE_WAY).await;
        let orders = peek.count("orders").await;
        let logged = stage.vendors.logged_bytes();
        let out = peek.sending().await;
        tokio::time::sleep(Duration::from_millis(dice.between(200, longest))).await;
        assert_eq!(peek.count("orders").await, orders, "nobody can commit an order");
        // a call of several requests may still be at it, but no more than were out
        let later = stage.vendors.logged_bytes();
        if later > logged {
            figures.note("calls of orders committed before a cut ended during it");
        }
        if out > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
        hop.set(Way::Open);
        let back = stopwatch();
        until_it_works(&stage, &mut worker).await;
        figures.takeovers.push(stopwatch() - back);
    }
    stage.finish(vec![worker], &mut figures).await;
    figures
}

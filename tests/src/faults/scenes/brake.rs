//! People withdraw and `efface stop --all` is pulled while calls leave: no new order after the brake,
//! what is out comes home, and everybody's wish ends as it should.

use std::{collections::BTreeSet, process::Command, time::Duration};

use efface_core::request::RequestState;

use crate::{
    dice::Dice,
    faults::{Figures, Setting, Stage, Ways},
    vendors::Word,
};

pub(super) async fn play(setting: Setting) -> Figures {
    let mut figures = Figures::default();
    for n in 0..setting.trials(1, 10) {
        if setting.time_is_up() {
            break;
        }
        figures.add(run(&setting, setting.seed_of(n)).await);
    }
    figures
}

async fn run(setting: &Setting, seed: u64) -> Figures {
    let mut figures = Figures::default();
    let mut dice = Dice::new(seed);
    let ways = Ways { people: setting.people(50, 90), people_per_call: 2, ..Ways::default() };
    let people = ways.people as usize;
    let mut stage = Stage::build(setting, ways).await;
    stage.vendors.behave(&Word::Latency { low: 20, high: 250 });
    let store = stage.store().await;
    let peek = stage.peek().await;
    let mut worker = stage.worker(1);
    stage.until_called(&mut [&mut worker]).await;
    let mut withdrawn = BTreeSet::new();
    for _ in 0..3 {
        for _ in 0..6 {
            let who = usize::try_from(dice.between(0, people as u64 - 1)).unwrap_or(0);
            // whose request is over already cannot withdraw it
            if store.cancel(stage.filed[who], "test").await.is_ok() {
                withdrawn.insert(who);
            }
            tokio::time::sleep(Duration::from_millis(dice.between(0, 40))).await;
        }
        let out = peek.sending().await;
        stop(setting, &stage);
        let orders = peek.count("orders").await;
        let quiet = async || peek.sending().await == 0;
        stage.until("calls come home", &mut [&mut worker], Duration::from_secs(30), quiet).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(peek.count("orders").await, orders, "no order after the brake");
        if out > 0 {
            figures.trials += 1;
        } else {
            figures.missed += 1;
        }
        for account in efface_store::Store::accounts(&store).await.expect("accounts") {
            store.resume_account(&account.id, "test").await.expect("resumed");
        }
        tokio::time::sleep(Duration::from_millis(dice.between(50, 400))).await;
    }
    stage.settle(vec![worker], &mut figures).await;
    figures.note(format!("{} withdrew in a round", withdrawn.len()));
    for (n, id) in stage.filed.iter().enumerate() {
        let view = store.request(*id).await.expect("request");
        let state = &view.request.state;
        assert!(state.is_over(), "{id} is {state:?}; {}", stage.last_words());
        if withdrawn.contains(&n) {
            // what was out ran to its end, and nothing else of it was sent
            let sent = view.tasks.iter().any(|t| t.row.task.sent);
            let cancelled = matches!(state, RequestState::Cancelled { .. });
            assert!(cancelled || sent, "{id} withdrew before anything was sent, and is {state:?}");
        }
    }
    figures
}

/// As somebody at a terminal pulls it.
fn stop(setting: &Setting, stage: &Stage) {
    let done = Command::new(&setting.efface)
        .args(["stop", "--all", "--config"])
        .arg(&stage.home.settings)
        .output()
        .expect("efface runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

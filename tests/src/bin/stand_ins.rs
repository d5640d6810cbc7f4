//! Every vendor's stand-in in one process, answering within 5 to 60 ms, until its input ends.
//!
//! `stand_ins FOLDER PEOPLE` prints one line that lists them; what it is told on its input, and what
//! it answers, is [`Word`].

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use efface_connector::fake::{FakeServer, Tuning};
use efface_tests::{
    dice::Dice,
    vendors::{KEY, StandIn, Trouble, Word, person},
};

/// How often the vendors' mood changes.
const MOOD: Duration = Duration::from_millis(10);

/// How the vendors feel.
struct Mood {
    latency: (u64, u64),
    percent: u64,
    troubles: Vec<Trouble>,
    dice: Dice,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let folder = PathBuf::from(words.next().context("which folder?")?);
    let people: u32 = words.next().context("how many people?")?.parse()?;
    let mut servers = vec![];
    let mut announced = vec![];
    for plugin in efface_registry::PLUGINS {
        let log = folder.join(format!("{}.calls.ndjson", plugin.id));
        let tuning = Tuning { key: KEY.into(), ..Tuning::default() };
        let server = FakeServer::start((plugin.fake)(), tuning, Some(&log)).await?;
        // the file is the log; memory is not asked
        server.forget_log();
        for n in 0..people {
            server.fake().put(&person(n));
        }
        announced.push(StandIn {
            vendor: plugin.id.to_owned(),
            base_url: server.base_url(),
            settings: server.fake().settings(KEY),
            log,
        });
        servers.push((plugin.id, server));
    }
    println!("{}", serde_json::to_string(&announced)?);
    let servers = Arc::new(servers);
    let mood = Mood { latency: (5, 60), percent: 0, troubles: vec![], dice: Dice::new(1) };
    let mood = Arc::new(Mutex::new(mood));
    tokio::spawn(moods(servers.clone(), mood.clone()));
    for line in std::io::stdin().lines() {
        let answer = hear(serde_json::from_str(&line?)?, &servers, &mood);
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

/// Does as told; the people each still holds, where that was asked.
fn hear(
    word: Word,
    servers: &[(&'static str, FakeServer)],
    mood: &Mutex<Mood>,
) -> Option<BTreeMap<&'static str, usize>> {
    let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
    match word {
        Word::People => {
            return Some(servers.iter().map(|(id, s)| (*id, s.fake().people())).collect());
        }
        Word::Latency { low, high } => mood.latency = (low, high),
        Word::Storm { seed, percent, troubles } => {
            (mood.percent, mood.troubles, mood.dice) = (percent, troubles, Dice::new(seed));
        }
        Word::Calm => {
            mood.percent = 0;
            servers.iter().for_each(|(_, server)| server.faults().always(None));
        }
        Word::Key { vendor, key } => {
            for (_, server) in servers.iter().filter(|(id, _)| *id == vendor) {
                server.tune(|tuning| tuning.key = key.clone());
            }
        }
    }
    None
}

/// Nobody knows how long the next answer takes, nor whether it comes.
async fn moods(servers: Arc<Vec<(&'static str, FakeServer)>>, mood: Arc<Mutex<Mood>>) {
    loop {
        {
            let mut mood = mood.lock().unwrap_or_else(PoisonError::into_inner);
            let (low, high) = mood.latency;
            for (_, server) in servers.iter() {
                server.faults().latency(Duration::from_millis(mood.dice.between(low, high)));
                if mood.percent > 0 && !mood.troubles.is_empty() {
                    let troubled = mood.dice.between(1, 100) <= mood.percent;
                    let last = mood.troubles.len() as u64 - 1;
                    let which = usize::try_from(mood.dice.between(0, last)).unwrap_or(0);
                    let trouble = mood.troubles[which];
                    server.faults().always(troubled.then(|| trouble.fault()));
                }
            }
        }
        tokio::time::sleep(MOOD).await;
    }
}

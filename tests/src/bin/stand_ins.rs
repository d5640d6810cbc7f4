//! Every vendor's stand-in in one process, answering within 5 to 60 ms, until its input ends.
//!
//! `stand_ins FOLDER PEOPLE` prints one line that lists them; `people` on its input is answered by
//! how many people each still holds.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use efface_connector::fake::{FakeServer, Tuning};
use efface_tests::{
    dice::Dice,
    vendors::{KEY, StandIn, person},
};

/// How often the vendors' mood changes.
const MOOD: Duration = Duration::from_millis(10);

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
    tokio::spawn(moods(servers.clone()));
    for line in std::io::stdin().lines() {
        line?;
        let held: BTreeMap<_, _> =
            servers.iter().map(|(id, server)| (id, server.fake().people())).collect();
        println!("{}", serde_json::to_string(&held)?);
    }
    Ok(())
}

/// Nobody knows how long the next answer takes.
async fn moods(servers: Arc<Vec<(&'static str, FakeServer)>>) {
    let mut dice = Dice::new(1);
    loop {
        for (_, server) in servers.iter() {
            server.faults().latency(Duration::from_millis(dice.between(5, 60)));
        }
        tokio::time::sleep(MOOD).await;
    }
}

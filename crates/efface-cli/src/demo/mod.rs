//! `efface demo`: the main job on SQLite and built-in stand-ins, with every brake passed the way a
//! person passes it.

mod check;
mod people;
mod scenes;
mod stage;
mod summary;

use std::{io::IsTerminal as _, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use efface_core::ImportId;
use efface_store::{SqlStore, Store as _};
use efface_worker::Worker;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use self::{scenes::Scenes, stage::Stage, summary::Summary};
use crate::{
    args::GlobalArgs,
    wiring::{Context, fleet},
};

const EXAMPLES: &str = "\
Examples:
  efface demo                          500 people at six vendors' stand-ins
  efface demo --json                   the summary alone, as JSON
  efface demo --people 50 --seed 3     fewer people, others
  efface demo --vendors mailchimp,sendgrid";

/// Carry out the main job on stand-ins: file, release, fan out, verify, keep evidence.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// How many people.
    #[arg(long, default_value_t = people::DEFAULT_PEOPLE)]
    people: usize,
    /// Which people.
    #[arg(long, default_value_t = people::DEFAULT_SEED)]
    seed: u64,
    /// Which vendors, separated by commas; `all` for every one there is.
    #[arg(long, default_value = "all", value_delimiter = ',')]
    vendors: Vec<String>,
    /// Where settings, key, database and the stand-ins' logs are put.
    #[arg(long, default_value = "efface-demo")]
    pub folder: PathBuf,
    /// Give up after this many seconds.
    #[arg(long, default_value_t = 120)]
    patience_seconds: u64,
    /// Print the file of people and do nothing else.
    #[arg(long)]
    print_people: bool,
}

/// # Errors
/// When the stage cannot be built, the job does not come to rest in time, or the evidence and the
/// stand-ins' own logs disagree.
pub async fn run(demo: Demo, global: &GlobalArgs) -> Result<()> {
    let people = people::make(demo.people, demo.seed);
    if demo.print_people {
        crate::print::line(people::csv(&people).trim_end())?;
        return Ok(());
    }
    let ids: Vec<String> = if demo.vendors == ["all"] {
        efface_registry::PLUGINS.iter().map(|p| p.id.to_owned()).collect()
    } else {
        demo.vendors.clone()
    };
    let stage = Stage::build(&demo.folder, &ids, &people, global.json).await?;
    let context = Context::open(&stage.global).await?;
    say(
        global,
        &format!(
            "{} vendors stand in on this machine; settings, key and database are in {}",
            stage.vendors.len(),
            demo.folder.display()
        ),
    );
    stage.enable(&context).await?;
    stage.temper(&people);
    say(global, "every account was probed, its side effects accepted by name, and taken live");

    let file = demo.folder.join("people.csv");
    std::fs::write(&file, people::csv(&people))?;
    let taken = crate::command::import::take_file(&context, &file).await?;
    let import: ImportId = taken.import;
    let awaiting = context.store.awaiting_release(import).await?;
    say(
        global,
        &format!(
            "{} rows read: {} filed, {} refused; {} await release",
            taken.rows,
            taken.filed,
            taken.refused,
            awaiting.len()
        ),
    );
    for id in &awaiting {
        context.store.release(*id, "demo").await?;
    }
    say(global, &format!("{} requests released by the actor `demo`", awaiting.len()));

    let mut scenes = Scenes::default();
    let rested =
        work(&context, &stage, &mut scenes, Duration::from_secs(demo.patience_seconds), global)
            .await?;
    let summary = Summary::gather(&context, &stage, &taken, import, &mut scenes).await?;
    let disagreements = check::against_the_logs(&context, &stage, &people).await?;
    summary.print(global, &scenes, &demo.folder)?;
    if !rested {
        bail!(
            "the job did not come to rest within {} s; `efface --config {}/efface.toml request list --state running` shows what is open",
            demo.patience_seconds,
            demo.folder.display()
        );
    }
    if !disagreements.is_empty() {
        bail!(
            "the evidence and the stand-ins' own state disagree:\n  {}",
            disagreements.join("\n  ")
        );
    }
    let is_default = demo.people == people::DEFAULT_PEOPLE
        && demo.seed == people::DEFAULT_SEED
        && demo.vendors == ["all"];
    if is_default {
        summary.compare_with_expected()?;
    }
    Ok(())
}

fn say(global: &GlobalArgs, text: &str) {
    if !global.json {
        crate::print::aside(format!("· {text}"));
    }
}

/// Runs a worker until everything has ended or waits for a person; parks and unparks the lane with
/// the low ceiling on the way.
async fn work(
    context: &Context,
    stage: &Stage,
    scenes: &mut Scenes,
    patience: Duration,
    global: &GlobalArgs,
) -> Result<bool> {
    let options = fleet::options(&context.settings, "demo".into());
    let worker =
        Worker::new(context.store.clone(), fleet::fleet(context)?, context.hands(), options);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(async move {
        worker
            .run(async move {
                // a dropped sender stops the worker too
                let _ = stopped.await;
            })
            .await
    });
    let watched = watch(context, stage, scenes, patience, global).await;
    let _ = stop.send(());
    running.await??;
    watched
}

async fn watch(
    context: &Context,
    stage: &Stage,
    scenes: &mut Scenes,
    patience: Duration,
    global: &GlobalArgs,
) -> Result<bool> {
    let bars = Bars::new(stage, global);
    let until = context.now().plus(patience);
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        bars.show(&context.store).await?;
        scenes.look(context, stage).await?;
        if at_rest(&context.store).await? {
            return Ok(true);
        }
        if context.now() >= until {
            return Ok(false);
        }
    }
}

/// Whether nothing moves by itself any more: what is open waits for a person.
async fn at_rest(store: &Arc<SqlStore>) -> Result<bool> {
    let held: Vec<String> = store
        .accounts()
        .await?
        .into_iter()
        .filter(|a| {
            a.condition
                .stands_in_the_way(a_long_time_ago())
                .is_some_and(|(_, until)| until.is_none())
        })
        .map(|a| a.id.to_string())
        .collect();
    let counts = store.counts().await?;
    let moving = counts.tasks.iter().filter(|(account, _, _)| !held.contains(account)).any(
        |(_, state, n)| {
            *n > 0
                && matches!(
                    state.as_str(),
                    "ready" | "sending" | "unknown" | "waiting" | "confirmed"
                )
        },
    );
    if moving {
        return Ok(false);
    }
    let released = counts.requests.iter().any(|(state, n)| state == "released" && *n > 0);
    // what nobody proves is looked at again in weeks
    let soon = store.now().plus(Duration::from_secs(24 * 3600));
    let lane = efface_core::LaneId::new(efface_store::REQUESTS_LANE)?;
    Ok(!released && store.next_wake(&lane).await?.is_none_or(|at| at > soon))
}

fn a_long_time_ago() -> efface_core::Timestamp {
    efface_core::Timestamp::from_millis(0)
}

/// A bar for each account, on a terminal only.
struct Bars {
    bars: Vec<(String, ProgressBar)>,
    // keeps the bars drawn together
    _together: MultiProgress,
}

impl Bars {
    fn new(stage: &Stage, global: &GlobalArgs) -> Self {
        let together = MultiProgress::new();
        let visible = !global.json && std::io::stderr().is_terminal();
        let style = ProgressStyle::with_template("{prefix:>12} {bar:32} {pos:>4}/{len:<4} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let names = stage.vendors.iter().map(|v| v.id.to_owned()).chain([stage::SECOND.to_owned()]);
        let bars = names
            .filter(|_| visible)
            .map(|name| {
                let bar = together
                    .add(ProgressBar::new(0).with_style(style.clone()).with_prefix(name.clone()));
                (name, bar)
            })
            .collect();
        Self { bars, _together: together }
    }

    async fn show(&self, store: &Arc<SqlStore>) -> Result<()> {
        if self.bars.is_empty() {
            return Ok(());
        }
        let counts = store.counts().await?;
        for (name, bar) in &self.bars {
            let mine: Vec<_> =
                counts.tasks.iter().filter(|(account, _, _)| account == name).collect();
            let total: u64 = mine.iter().map(|(_, _, n)| n).sum();
            let settled: u64 =
                mine.iter().filter(|(_, state, _)| state == "settled").map(|(_, _, n)| n).sum();
            let others: Vec<String> = mine
                .iter()
                .filter(|(_, state, _)| state != "settled")
                .map(|(_, state, n)| format!("{state} {n}"))
                .collect();
            bar.set_length(total);
            bar.set_position(settled);
            bar.set_message(others.join(", "));
        }
        Ok(())
    }
}

//! The fault harness from the command line: `cargo xtask faults`.

use std::{panic::AssertUnwindSafe, process::ExitCode, time::Duration};

use clap::{Parser, ValueEnum};
use efface_tests::{
    faults::{Database, LEFT_OUT, Row, Scene, Setting, Tier, beside, scenes::SCENES, table},
    world::stopwatch,
};
use futures::FutureExt as _;

const EXAMPLES: &str = "\
Examples:
  cargo xtask faults                                   each scene in its small size
  cargo xtask faults --tier night --minutes 60
  cargo xtask faults --only kill,zombie --seed 7
  cargo xtask faults --only storm --database sqlite

The same seed throws the same dice; processes and disks have moods of their own.";

#[derive(Parser)]
#[command(name = "cargo xtask faults", about = "Breaks everything around the real efface and lets an oracle judge.", after_help = EXAMPLES)]
struct Arguments {
    /// How much is tried
    #[arg(long, value_enum, default_value = "short")]
    tier: TierWord,
    /// What the dice begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// These scenes alone, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "SCENE")]
    only: Vec<String>,
    /// No round begins after so many minutes; each scene has its share of what is left
    #[arg(long, value_name = "N")]
    minutes: Option<u64>,
    #[arg(long, value_enum, default_value = "both")]
    database: DatabaseWord,
    /// Names the scenes and ends
    #[arg(long)]
    list: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TierWord {
    Short,
    Night,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DatabaseWord {
    Sqlite,
    Postgresql,
    Both,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        SCENES.iter().for_each(|scene| println!("{:<12} {}", scene.name, scene.about));
        return ExitCode::SUCCESS;
    }
    let unknown = arguments.only.iter().find(|name| SCENES.iter().all(|s| s.name != **name));
    if let Some(name) = unknown {
        let names: Vec<&str> = SCENES.iter().map(|scene| scene.name).collect();
        eprintln!("error: there is no scene {name}; there are {}", names.join(", "));
        return ExitCode::FAILURE;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime");
    let (rows, left_out) = runtime.block_on(play_all(&arguments));
    println!("\n{}", table(&rows));
    println!("\nleft out:");
    for (what, why) in &left_out {
        println!("  {what}: {why}");
    }
    let failed: Vec<&Row> = rows.iter().filter(|row| row.figures.is_err()).collect();
    for row in &failed {
        eprintln!(
            "error: {} on {} failed; again with: cargo xtask faults --only {} --database {} --seed {}",
            row.scene,
            row.database.word(),
            row.scene,
            row.database.word(),
            row.seed
        );
    }
    if failed.is_empty() && !rows.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn play_all(arguments: &Arguments) -> (Vec<Row>, Vec<(String, String)>) {
    let tier = match arguments.tier {
        TierWord::Short => Tier::Short,
        TierWord::Night => Tier::Night,
    };
    let wanted = |database: Database| match arguments.database {
        DatabaseWord::Both => true,
        DatabaseWord::Sqlite => database == Database::Sqlite,
        DatabaseWord::Postgresql => database == Database::Postgresql,
    };
    let end = arguments.minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let mut left_out: Vec<(String, String)> =
        LEFT_OUT.iter().map(|(what, why)| ((*what).into(), (*why).into())).collect();
    let mut plays: Vec<(&Scene, Database)> = vec![];
    for scene in SCENES {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|name| name == scene.name) {
            continue;
        }
        if !scene.tiers.contains(&tier) {
            left_out.push((scene.name.into(), "with --tier night alone".into()));
        } else if let Some(why) = (scene.cannot)() {
            left_out.push((scene.name.into(), why));
        } else {
            let databases = scene.databases.iter().copied().filter(|d| wanted(*d));
            plays.extend(databases.map(|database| (scene, database)));
        }
    }
    let mut rows = vec![];
    for (n, (scene, database)) in plays.iter().enumerate() {
        let start = stopwatch();
        // what others did not use is everybody's
        let share = |end: Duration| {
            let left = u32::try_from(plays.len() - n).unwrap_or(1);
            start + end.saturating_sub(start) / left.max(1)
        };
        let setting = Setting {
            database: *database,
            tier,
            seed: arguments.seed,
            efface: beside("efface"),
            stand_ins: beside("stand_ins"),
            until: end.map(share),
        };
        println!("{} on {}: {} …", scene.name, database.word(), scene.about);
        let played = AssertUnwindSafe((scene.play)(setting)).catch_unwind().await;
        let took = stopwatch() - start;
        let figures = played.map_err(|panic| {
            let words = panic.downcast_ref::<String>().cloned();
            words
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
                .unwrap_or_else(|| "it panicked".to_owned())
        });
        let row =
            Row { scene: scene.name, database: *database, seed: arguments.seed, took, figures };
        println!("{}\n", table(std::slice::from_ref(&row)));
        rows.push(row);
    }
    (rows, left_out)
}

//! The command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::place::Kind;

const HELP: &str = "\
cargo xtask bench [options]

  --database sqlite|postgres|both   which to measure (both)
  --runs N                          runs of each side (5)
  --only NAME[,NAME]                of: single, batch, intake, latency, workers, backlog, start
  --lanes N                         vendor accounts, a lane each (1)
  --in-flight N                     calls out at once (256)
  --quick                           few and small runs, to see that it works
  --json FILE                       write the figures to a file";

const CASES: [&str; 7] = ["single", "batch", "intake", "latency", "workers", "backlog", "start"];

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Args {
    pub databases: Vec<Kind>,
    pub runs: usize,
    pub only: Option<String>,
    pub lanes: u32,
    pub in_flight: u32,
    pub quick: bool,
    pub json: Option<PathBuf>,
}

/// Reads the words after the program's name.
pub fn read(mut words: impl Iterator<Item = String>) -> Result<Args> {
    let mut args = Args {
        databases: vec![Kind::Sqlite, Kind::Postgres],
        runs: 5,
        only: None,
        lanes: 1,
        in_flight: 256,
        quick: false,
        json: None,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value"));
        match word.as_str() {
            "--database" => {
                args.databases = match value()?.as_str() {
                    "sqlite" => vec![Kind::Sqlite],
                    "postgres" => vec![Kind::Postgres],
                    "both" => vec![Kind::Sqlite, Kind::Postgres],
                    other => bail!("--database is sqlite, postgres or both, not {other}"),
                }
            }
            "--runs" => args.runs = value()?.parse().context("--runs")?,
            "--only" => {
                let only = value()?;
                for name in only.split(',') {
                    ensure!(CASES.contains(&name), "--only: no case is called {name}\n\n{HELP}");
                }
                args.only = Some(only);
            }
            "--lanes" => args.lanes = value()?.parse().context("--lanes")?,
            "--in-flight" => args.in_flight = value()?.parse().context("--in-flight")?,
            "--quick" => args.quick = true,
            "--json" => args.json = Some(value()?.into()),
            "--help" | "-h" => {
                println!("{HELP}");
                std::process::exit(0);
            }
            other => bail!("unknown option {other}\n\n{HELP}"),
        }
    }
    ensure!(args.runs > 0 && args.lanes > 0 && args.in_flight > 0, "numbers must be above 0");
    if args.quick {
        args.runs = args.runs.min(2);
    }
    Ok(args)
}

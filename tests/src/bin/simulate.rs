//! `simulate --seeds 10000 --from 1 [--days 30]`, and `simulate --trace SEED` for the journal of one.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use efface_tests::sim::{Settings, Tally, simulate};

struct Arguments {
    seeds: u64,
    from: u64,
    trace: Option<u64>,
    settings: Settings,
}

fn read(words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut read = Arguments { seeds: 1000, from: 1, trace: None, settings: Settings::default() };
    let mut words = words.skip(1);
    while let Some(word) = words.next() {
        let value = words.next().with_context(|| format!("{word} needs a number"))?;
        let number: u64 = value.parse().with_context(|| format!("{word} {value}"))?;
        match word.as_str() {
            "--seeds" => read.seeds = number,
            "--from" => read.from = number,
            "--trace" => read.trace = Some(number),
            "--days" => read.settings.days = u32::try_from(number)?,
            other => bail!("{other} is unknown; there are --seeds, --from, --days and --trace"),
        }
    }
    Ok(read)
}

fn main() -> Result<ExitCode> {
    let arguments = read(std::env::args())?;
    if let Some(seed) = arguments.trace {
        let outcome = simulate(seed, arguments.settings);
        println!("{}", outcome.journal);
        outcome.faults.iter().for_each(|fault| eprintln!("{fault}"));
        return Ok(if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut total = Tally::default();
    let mut broken = vec![];
    for seed in arguments.from..arguments.from + arguments.seeds {
        let outcome = simulate(seed, arguments.settings);
        total.add(&outcome.tally);
        if !outcome.faults.is_empty() {
            eprintln!("seed {seed}: {}", outcome.faults.join("\n  "));
            broken.push(seed);
        }
    }
    println!("{total}");
    if broken.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let days = arguments.settings.days;
    for seed in broken.iter().take(20) {
        println!("again: simulate --trace {seed} --days {days}");
    }
    println!("{} of {} seeds broke a promise", broken.len(), arguments.seeds);
    Ok(ExitCode::FAILURE)
}

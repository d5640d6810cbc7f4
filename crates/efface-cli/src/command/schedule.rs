//! `efface schedule`: the recurring jobs, when they run, and running one now.

use std::time::Duration;

use anyhow::Result;
use clap::{
    Args as ClapArgs, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use efface_core::Timestamp;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    jobs,
    print::{self, Table, maybe_when, say},
    wiring::Context,
};

/// What can be done with the schedule.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the jobs with their last and next run
    List(ListArgs),
    /// Run a job now
    Run(RunArgs),
}

/// `efface schedule list`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  efface schedule list --json")]
pub struct ListArgs {}

/// `efface schedule run`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  efface schedule run overdue_check")]
pub struct RunArgs {
    /// The job
    #[arg(value_parser = PossibleValuesParser::new(jobs::NAMES).map(|w| w))]
    job: String,
}

#[derive(Debug, Serialize)]
struct JobJson {
    job: &'static str,
    expression: String,
    last_run_at: Option<Timestamp>,
    last_result: Option<String>,
    next_run_at: Option<Timestamp>,
}

/// # Errors
/// When the database cannot be read or the job fails.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::List(_) => list(context).await,
        Command::Run(args) => {
            let result =
                jobs::run(&context.store, &context.keys, &context.settings, &args.job).await?;
            if context.json {
                print::json(&serde_json::json!({ "job": args.job, "result": result }))?;
            } else {
                say!("{}: {result}", args.job);
            }
            Ok(Exit::Done)
        }
    }
}

async fn list(context: &Context) -> Result<Exit> {
    let last = context.store.last_runs().await?;
    let mut lines = vec![];
    for (job, expression) in jobs::expressions(&context.settings) {
        let ran = last.iter().find(|(name, _, _)| name == job);
        let next = efface_worker::next_run(&expression).await.map_err(|e| {
            Failure::new(Exit::Failed, format!("config: schedule.{job} cannot be read: {e}"))
        })?;
        lines.push(JobJson {
            job,
            expression,
            last_run_at: ran.map(|r| r.1),
            last_result: ran.map(|r| r.2.clone()),
            next_run_at: next.map(|wait: Duration| context.now().plus(wait)),
        });
    }
    if context.json {
        print::json(&lines)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["job", "expression (utc)", "last run", "next run", "last result"]);
    for line in lines {
        table.row([
            line.job.to_owned(),
            line.expression,
            maybe_when(line.last_run_at),
            line.next_run_at.map_or_else(|| "off".into(), print::when),
            line.last_result.unwrap_or_else(|| "-".into()),
        ]);
    }
    table.print("")?;
    say!("\nThe jobs run within `efface serve` and `efface worker`.");
    Ok(Exit::Done)
}

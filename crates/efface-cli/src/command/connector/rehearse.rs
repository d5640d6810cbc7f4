//! `efface connector rehearse`: would the account find these people? Look-ups only; nothing is filed
//! and nothing is changed.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::Identifier;
use efface_store::ErrandKind;
use serde::{Deserialize, Serialize};

use crate::{
    command::import::{NamingArgs, people_of},
    exit::{Exit, Failure},
    identifiers::{IdentifierArgs, default_region},
    print::{self, Table, say},
    show::masked_row,
    wiring::{BuiltAccount, Context, errand::wait_for_errand},
};

const AFTER: &str = "\
Examples:
  efface connector rehearse crm-eu --email ada@example.org
  efface connector rehearse crm-eu --file people.csv --json

The file is one that `efface request import` takes, CSV or NDJSON, with --map and --ignore-column as
there; of its columns the identifiers are read, each row is one person. Rows that cannot be read are
told with their line and the others are looked up; the exit code is then 1.";

/// People of one rehearsal at most: each costs calls of the vendor's quota.
const MOST: usize = 10_000;

/// `efface connector rehearse`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    account: String,
    #[command(flatten)]
    person: IdentifierArgs,
    /// A file of people, as for `efface request import`
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    naming: NamingArgs,
    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait: u64,
}

/// One person's answer, as the lane writes it.
#[derive(Debug, Deserialize)]
struct Answer {
    person: usize,
    presence: String,
    records: u32,
    matched_by: Vec<String>,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct PersonJson {
    /// Counted from 1.
    person: usize,
    /// The line of the file.
    line: Option<u64>,
    /// Masked.
    identifiers: String,
    presence: String,
    records: u32,
    matched_by: Vec<String>,
    error: Option<String>,
}

/// # Errors
/// When the vendor cannot be asked, the file cannot be read or nobody answers in time.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let built = context.account(&args.account)?;
    if built.spec.manifest.look_up.is_none() {
        let title = built.spec.manifest.title;
        return Err(Failure::refused(format!(
            "{title} offers no look-up, so nothing can be rehearsed"
        ))
        .hint("`efface request plan` shows what a request would do there")
        .into());
    }
    let (people, unread) = people(context, args, built)?;
    let (places, people): (Vec<_>, Vec<_>) =
        people.into_iter().map(|p| (p.line, p.identifiers)).unzip();
    let id = context.store.send_errand(&built.spec.id, &ErrandKind::Rehearse, &people).await?;
    let patience = Duration::from_secs(args.wait);
    let answer = wait_for_errand(context, id, &built.spec.lane, patience).await?;
    let answers: Vec<Answer> = serde_json::from_str(&answer)
        .context("the worker's answer cannot be read; is it of another version?")?;
    let lines: Vec<PersonJson> = answers.into_iter().map(|a| line(a, &people, &places)).collect();
    let failed = lines.iter().filter(|l| l.error.is_some()).count();
    if context.json {
        print::json(&lines)?;
    } else {
        tell(&lines)?;
    }
    Ok(if failed + unread > 0 { Exit::Failed } else { Exit::Done })
}

fn line(answer: Answer, people: &[Vec<Identifier>], places: &[Option<u64>]) -> PersonJson {
    PersonJson {
        person: answer.person + 1,
        line: places.get(answer.person).copied().flatten(),
        identifiers: people.get(answer.person).map(|p| masked_row(p)).unwrap_or_default(),
        presence: answer.presence,
        records: answer.records,
        matched_by: answer.matched_by,
        error: answer.error,
    }
}

fn tell(lines: &[PersonJson]) -> Result<()> {
    let mut table =
        Table::new(&["person", "identifiers (masked)", "presence", "records", "matched by"]);
    for line in lines {
        let presence = match &line.error {
            Some(error) => format!("{}: {error}", line.presence),
            None => line.presence.clone(),
        };
        table.row([
            line.line.map_or_else(|| line.person.to_string(), |at| format!("line {at}")),
            line.identifiers.clone(),
            presence,
            line.records.to_string(),
            print::list(&line.matched_by),
        ]);
    }
    table.print("nobody was looked up")?;
    let count = |word: &str| lines.iter().filter(|l| l.presence == word).count();
    say!(
        "\n{} there, {} not there, {} ambiguous, {} failed or unclear. Nothing was filed or changed.",
        count("present"),
        count("absent"),
        count("ambiguous"),
        count("failed") + count("cannot tell")
    );
    Ok(())
}

/// A person to look up, and the line of the file it stands on.
struct Person {
    line: Option<u64>,
    identifiers: Vec<Identifier>,
}

/// Who is to be looked up, and how many rows of the file could not be read; those are told.
fn people(context: &Context, args: &Args, built: &BuiltAccount) -> Result<(Vec<Person>, usize)> {
    let controller = &built.spec.controller;
    let (mut people, mut unread) = (vec![], 0);
    if !args.person.is_empty() {
        people.push(Person { line: None, identifiers: args.person.read(context, controller)? });
    }
    if let Some(path) = &args.file {
        let region = default_region(context, controller)?;
        for row in people_of(context, path, &args.naming, region, MOST)? {
            match row.read {
                Ok(identifiers) => people.push(Person { line: Some(row.line), identifiers }),
                Err(reason) => {
                    unread += 1;
                    print::aside(format!("line {}: {reason}", row.line));
                }
            }
        }
    }
    if people.is_empty() {
        return Err(Failure::usage("nobody to look up")
            .hint("give --email ada@example.org, or --file people.csv")
            .into());
    }
    Ok((people, unread))
}

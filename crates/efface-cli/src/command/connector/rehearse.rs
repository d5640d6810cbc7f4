//! `efface connector rehearse`: would the account find these people? Look-ups only; nothing is filed
//! and nothing is changed.

use std::{fs::File, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::{Identifier, IdentifierKind, Provenance};
use efface_store::ErrandKind;
use serde::{Deserialize, Serialize};

use crate::{
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

The file is CSV; its first line names the kinds: email, phone, user_id, anonymous_id, device_id,
advertising_id or vendor:<namespace>. Each further line is one person.";

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
    /// A CSV file of people
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
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
    /// The line of the file, or 1.
    person: usize,
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
    let people = people(context, args, built)?;
    let id = context.store.send_errand(&built.spec.id, &ErrandKind::Rehearse, &people).await?;
    let patience = Duration::from_secs(args.wait);
    let answer = wait_for_errand(context, id, &built.spec.lane, patience).await?;
    let answers: Vec<Answer> = serde_json::from_str(&answer)
        .context("the worker's answer cannot be read; is it of another version?")?;
    let lines: Vec<PersonJson> = answers.into_iter().map(|a| line(a, &people)).collect();
    let failed = lines.iter().filter(|l| l.error.is_some()).count();
    if context.json {
        print::json(&lines)?;
    } else {
        tell(&lines)?;
    }
    Ok(if failed > 0 { Exit::Failed } else { Exit::Done })
}

fn line(answer: Answer, people: &[Vec<Identifier>]) -> PersonJson {
    PersonJson {
        person: answer.person + 1,
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
            line.person.to_string(),
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

fn people(context: &Context, args: &Args, built: &BuiltAccount) -> Result<Vec<Vec<Identifier>>> {
    let controller = &built.spec.controller;
    let mut people = vec![];
    if !args.person.is_empty() {
        people.push(args.person.read(context, controller)?);
    }
    if let Some(path) = &args.file {
        let region = default_region(context, controller)?;
        read_file(path, region, &mut people)?;
    }
    if people.is_empty() {
        return Err(Failure::usage("nobody to look up")
            .hint("give --email ada@example.org, or --file people.csv")
            .into());
    }
    Ok(people)
}

fn read_file(
    path: &PathBuf,
    region: Option<&str>,
    people: &mut Vec<Vec<Identifier>>,
) -> Result<()> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot open {shown}"))?;
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).flexible(true).from_reader(file);
    let heads = reader.headers().with_context(|| format!("{shown} is not CSV"))?;
    let mut kinds: Vec<IdentifierKind> = vec![];
    for (column, head) in (1..).zip(heads) {
        // not quoted: where the headings are missing it is a person
        let unknown = |_| {
            Failure::usage(format!("{shown}, line 1: the heading of column {column} is not a kind of identifier"))
                .hint("the first line names the kinds: email, phone, user_id, anonymous_id, device_id, advertising_id or vendor:<namespace>")
        };
        kinds.push(head.parse().map_err(unknown)?);
    }
    for (number, record) in (2..).zip(reader.records()) {
        let record = record.with_context(|| format!("{shown}, line {number}"))?;
        let mut person = vec![];
        for (kind, text) in kinds.iter().zip(record.iter()).filter(|(_, text)| !text.is_empty()) {
            let read = Identifier::parse(kind.clone(), text, Provenance::Stated, region);
            person.push(read.map_err(|e| Failure::usage(format!("{shown}, line {number}: {e}")))?);
        }
        if person.is_empty() {
            return Err(
                Failure::usage(format!("{shown}, line {number}: nobody stands there")).into()
            );
        }
        people.push(person);
        if people.len() > MOST {
            return Err(Failure::usage(format!("{shown} holds more than {MOST} people")).into());
        }
    }
    Ok(())
}

//! `efface suppression check`: who of these stands on the list? Nothing is written down.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{ControllerId, Identifier, IdentifierKind, suppression::parse_client_hash};
use efface_store::{Asked, MOST_CHECKED, Verdict};
use serde::Serialize;

use crate::{
    command::import::{NamingArgs, people_of},
    exit::{Exit, Failure},
    identifiers::{IdentifierArgs, default_region},
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression check --email ada@example.org
  efface suppression check --email-sha256 8c62…  (SHA-256 of the address in lower case, hexadecimal)
  efface suppression check --file people.csv > verdicts.csv

The file is one that `efface request import` takes; each row is one person, and the verdicts come as
CSV with the row's line: they name nobody. A person is suppressed when any identifier of the row is.
Rows that cannot be read are told, and the exit code is then 1.";

/// People of one file at most.
const MOST: usize = 1_000_000;

/// `efface suppression check`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    person: IdentifierArgs,
    /// SHA-256 of an e-mail address in lower case; may be repeated
    #[arg(long, value_name = "HEX")]
    email_sha256: Vec<String>,
    /// SHA-256 of a telephone number in E.164; may be repeated
    #[arg(long, value_name = "HEX")]
    phone_sha256: Vec<String>,
    /// A file of people, as for `efface request import`
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    naming: NamingArgs,
    /// Whose list
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
}

/// Somebody asked for, and where they stand.
struct Somebody {
    line: Option<u64>,
    asked: Vec<Asked>,
}

#[derive(Debug, Serialize)]
struct VerdictJson {
    /// The line of the file, or the number of the option.
    row: u64,
    suppressed: bool,
    entries: Vec<EntryJson>,
}

#[derive(Debug, Serialize)]
struct EntryJson {
    entry: String,
    scope: &'static str,
    kind: &'static str,
    reason: &'static str,
    since: efface_core::Timestamp,
}

/// # Errors
/// When nobody is named, the file cannot be read or the database does not answer.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let (people, unread) = people(context, args)?;
    let mut verdicts = vec![];
    for (n, (somebody, found)) in (1..).zip(check(context, &args.controller, people).await?) {
        verdicts.push(VerdictJson {
            row: somebody.line.unwrap_or(n),
            suppressed: !found.is_empty(),
            entries: found.iter().map(entry).collect(),
        });
    }
    if context.json {
        print::json(&verdicts)?;
    } else {
        say!("row,suppressed,scopes,reasons,since");
        for verdict in &verdicts {
            say!("{}", line(verdict));
        }
    }
    Ok(if unread > 0 { Exit::Failed } else { Exit::Done })
}

fn entry(verdict: &Verdict) -> EntryJson {
    EntryJson {
        entry: verdict.entry.to_string(),
        scope: verdict.scope.word(),
        kind: verdict.kind.word(),
        reason: verdict.reason.word(),
        since: verdict.since,
    }
}

/// A verdict as a line of CSV; none of its words needs a quote.
fn line(verdict: &VerdictJson) -> String {
    let words = |word: fn(&EntryJson) -> &'static str| -> String {
        let mut words: Vec<&str> = verdict.entries.iter().map(word).collect();
        words.dedup();
        words.join(" ")
    };
    let since = verdict.entries.iter().map(|e| e.since).min();
    format!(
        "{},{},{},{},{}",
        verdict.row,
        if verdict.suppressed { "yes" } else { "no" },
        words(|e| e.scope),
        words(|e| e.reason),
        since.map_or_else(String::new, |at| at.to_string())
    )
}

/// Asks in groups that the store takes.
async fn check(
    context: &Context,
    controller: &ControllerId,
    people: Vec<Somebody>,
) -> Result<Vec<(Somebody, Vec<Verdict>)>> {
    let asked: Vec<Asked> = people.iter().flat_map(|p| p.asked.clone()).collect();
    let mut found = Vec::with_capacity(asked.len());
    for group in asked.chunks(MOST_CHECKED) {
        found.extend(context.store.check_list(controller, group).await?);
    }
    let mut found = found.into_iter();
    Ok(people
        .into_iter()
        .map(|somebody| {
            let mut verdicts: Vec<Verdict> =
                found.by_ref().take(somebody.asked.len()).flatten().collect();
            verdicts.sort_by_key(|v| v.entry);
            verdicts.dedup_by_key(|v| v.entry);
            (somebody, verdicts)
        })
        .collect())
}

/// Who is asked for, and how many rows could not be read; those are told.
fn people(context: &Context, args: &Args) -> Result<(Vec<Somebody>, usize)> {
    let controller = &args.controller;
    let (mut people, mut unread) = (vec![], 0);
    let plain = |identifiers: Vec<Identifier>| identifiers.into_iter().map(Asked::Plain).collect();
    if !args.person.is_empty() {
        let asked = plain(args.person.read(context, controller)?);
        people.push(Somebody { line: None, asked });
    }
    for (option, kind, hashes) in [
        ("--email-sha256", IdentifierKind::Email, &args.email_sha256),
        ("--phone-sha256", IdentifierKind::Phone, &args.phone_sha256),
    ] {
        for text in hashes {
            let hash = parse_client_hash(text)
                .ok_or_else(|| Failure::usage(format!("{option} is not 64 hexadecimal digits")))?;
            let asked = vec![Asked::Hashed { kind: kind.clone(), hash }];
            people.push(Somebody { line: None, asked });
        }
    }
    if let Some(path) = &args.file {
        let region = default_region(context, controller)?;
        for row in people_of(context, path, &args.naming, region, MOST)? {
            match row.read {
                Ok(identifiers) => {
                    people.push(Somebody { line: Some(row.line), asked: plain(identifiers) });
                }
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

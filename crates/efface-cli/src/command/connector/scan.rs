//! `efface connector scan`: a vendor's own list of people, held against the suppression list.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_core::{
    Scope, Timestamp,
    manifest::Lists,
    scan::{Scan, ScanState, Tally},
};
use efface_store::ErrandKind;
use serde::Serialize;

use super::{backfill::entries, row};
use crate::{
    command::suppression::scope_parser,
    exit::{Exit, Failure},
    print::{self, say},
    wiring::{Context, errand::wait_for_errand},
};

const AFTER: &str = "\
Examples:
  efface connector scan crm-eu
  efface connector scan crm-eu --scope marketing --json

Reads the vendor's list page by page, through the account's lane and at its pace, and holds each page
against the entries in force of the account's controller and of the scope; those of people who were
erased have the scope all_processing. Whoever is found goes to the desk, once for each person and
account, and nothing is sent: `efface desk decide` says how they come to be there. Nobody of the list
is stored. A scan that is interrupted goes on with the page after the last one written, also when this
command is given again. The exit code is 1 when the rest of the list could not be read.";

/// `efface connector scan`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    pub account: String,
    /// Entries of this scope
    #[arg(long, default_value = "all_processing", value_parser = scope_parser())]
    pub scope: Scope,
    /// Seconds to wait for the end
    #[arg(long, default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub wait: u64,
}

/// What a scan came to.
#[derive(Debug, Serialize)]
struct ScanJson {
    account: String,
    controller: String,
    scope: &'static str,
    asked_by: String,
    begun_at: Timestamp,
    ended_at: Option<Timestamp>,
    /// Whether the vendor has shown its last page.
    complete: bool,
    /// Why the rest was not read.
    given_up: Option<String>,
    pages: u64,
    #[serde(flatten)]
    tally: Tally,
    /// Kinds of identifier that the vendor's list shows.
    compared_by: Vec<String>,
    /// Entries in force of this scope, and those known by none of these kinds.
    entries: u64,
    entries_beyond: u64,
}

/// # Errors
/// When the vendor lists nobody, the account is paused, or nobody answers in time.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let built = context.account(&args.account)?;
    let (spec, manifest) = (&built.spec, &built.spec.manifest);
    let card = match &manifest.lists {
        Lists::InPages(card) => card,
        Lists::Cannot(why) => {
            return Err(Failure::refused(format!("account {} cannot be scanned: {why}", spec.id))
                .hint("`efface connector rehearse` looks up people whom you name")
                .into());
        }
    };
    let condition = row(context, &spec.id).await?.condition;
    if let Some(pause) = &condition.pause {
        return Err(Failure::refused(format!(
            "account {} is paused by {}: {}",
            spec.id, pause.by, pause.reason
        ))
        .hint(format!("efface connector resume {}", spec.id))
        .into());
    }
    let under_way = context.store.open_scan(&spec.id).await?;
    let id = match under_way {
        Some((_, scope)) if scope != args.scope => {
            return Err(Failure::refused(format!(
                "a scan of {} for {} is under way",
                spec.id,
                scope.word()
            ))
            .hint("ask again when it has ended, or wait for it with its --scope")
            .into());
        }
        Some((id, _)) => {
            print::aside(format!("a scan of {} is under way already; waiting for it", spec.id));
            id
        }
        None => {
            let kind = ErrandKind::Scan { scope: args.scope, by: context.actor.clone() };
            context.store.send_errand(&spec.id, &kind, &[]).await?
        }
    };
    let patience = Duration::from_secs(args.wait);
    let answer = wait_for_errand(context, id, &spec.lane, patience).await?;
    let scan: Scan = serde_json::from_str(&answer)
        .context("the worker's answer cannot be read; is it of another version?")?;
    let (entries, entries_beyond) =
        context.store.suppressions_beyond(&scan.controller, scan.scope, &card.by).await?;
    let (ended_at, given_up) = match &scan.state {
        ScanState::Walking { .. } => (None, None),
        ScanState::Ended { at } => (Some(*at), None),
        ScanState::GivenUp { at, why } => (Some(*at), Some(why.clone())),
    };
    let told = ScanJson {
        account: scan.account.to_string(),
        controller: scan.controller.to_string(),
        scope: scan.scope.word(),
        asked_by: scan.by,
        begun_at: scan.begun_at,
        ended_at,
        complete: given_up.is_none() && ended_at.is_some(),
        given_up,
        pages: scan.pages,
        tally: scan.tally,
        compared_by: card.by.iter().map(ToString::to_string).collect(),
        entries,
        entries_beyond,
    };
    if context.json {
        print::json(&told)?;
    } else {
        tell(&told)?;
    }
    Ok(if told.complete { Exit::Done } else { Exit::Failed })
}

fn tell(told: &ScanJson) -> Result<()> {
    let tally = &told.tally;
    print::pairs(&[
        ("account", told.account.clone()),
        ("held against", format!("{} in force ({})", entries(number(told.entries)), told.scope)),
        ("compared by", print::list(&told.compared_by)),
        ("seen there", format!("{} people on {} pages", tally.people, told.pages)),
        ("named by an entry", tally.hits.to_string()),
    ])?;
    for (people, what) in [
        (tally.opened, "put on the desk: efface desk list"),
        (tally.on_desk, "on the desk already"),
        (tally.expected, "there because the vendor was told to leave them alone"),
        (tally.not_yet, "within the time that the vendor takes to erase by its own word"),
        (tally.explained, "known to have come back by their own act"),
    ] {
        if people > 0 {
            say!("  {people} {what}");
        }
    }
    if tally.not_comparable > 0 {
        say!("{} people show no identifier that can be compared", tally.not_comparable);
    }
    if told.entries_beyond > 0 {
        let beyond = entries(number(told.entries_beyond));
        say!("{beyond} known by other kinds of identifier alone: not to be met here");
    }
    if let Some(why) = &told.given_up {
        say!("the rest of the list was not read: {why}");
    }
    Ok(())
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

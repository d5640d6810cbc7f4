//! `efface suppression list`: the entries, newest first; nobody is named.

use anyhow::Result;
use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use efface_core::{ControllerId, Scope, suppression::EntryState};
use efface_store::{SuppressionFilter, SuppressionView};
use serde_json::json;

use super::{EntryJson, entry_id, scope_parser};
use crate::{
    exit::Exit,
    print::{self, Table, say, when},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression list --state in_force --scope marketing
  efface suppression list --drift --json
  efface suppression list --limit 50 --after 0193…

To look somebody up: efface suppression check --email ada@example.org";

/// `efface suppression list`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Only entries in this state
    #[arg(long, value_parser = PossibleValuesParser::new(EntryState::WORDS).map(|w| w))]
    state: Option<String>,
    /// Only this controller's
    #[arg(long, value_name = "ID")]
    controller: Option<ControllerId>,
    /// Only of this scope
    #[arg(long, value_parser = scope_parser())]
    scope: Option<Scope>,
    /// Only those with an account that is not as it should be (of the page read)
    #[arg(long)]
    drift: bool,
    /// At most so many (1 to 1000)
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on after this entry (older ones)
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

/// # Errors
/// When the database cannot be read.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let filter = SuppressionFilter {
        controller: args.controller.clone(),
        scope: args.scope,
        kind: None,
        state: args.state.clone(),
        after: args.after.as_deref().map(entry_id).transpose()?,
        limit: args.limit,
    };
    let mut found = context.store.suppressions(&filter).await?;
    let full = found.len() == usize::try_from(args.limit).unwrap_or(usize::MAX);
    let next = found.last().filter(|_| full).map(|v| v.entry.id.to_string());
    found.retain(|view| !args.drift || view.drift() > 0);
    if context.json {
        let entries: Vec<EntryJson> = found.iter().map(EntryJson::of).collect();
        print::json(&json!({ "suppressions": entries, "next": next }))?;
        return Ok(Exit::Done);
    }
    table(&found).print("no entry fits")?;
    if let Some(next) = next {
        say!("\nmore: add --after {next}");
    }
    Ok(Exit::Done)
}

fn table(entries: &[SuppressionView]) -> Table {
    let head = ["entry", "state", "scope", "kind", "reason", "controller", "since", "drift"];
    let mut table = Table::new(&head);
    for view in entries {
        let entry = &view.entry;
        let drifts = view.accounts.iter().filter(|a| a.drifts);
        let drifts: Vec<String> =
            drifts.map(|a| format!("{} ({})", a.account, a.observed)).collect();
        table.row([
            entry.id.to_string(),
            entry.state.word().to_owned(),
            entry.scope.to_string(),
            entry.kind.to_string(),
            entry.reason.to_string(),
            entry.controller.to_string(),
            when(entry.since),
            print::list(&drifts),
        ]);
    }
    table
}

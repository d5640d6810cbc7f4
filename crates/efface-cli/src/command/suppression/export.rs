//! `efface suppression export`: the list as CSV; identifiers only when they are asked for by name.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{
    ControllerId, Identifier, Scope, SuppressionId,
    suppression::{EntryState, Kind},
};
use efface_store::{SuppressionFilter, SuppressionView};

use super::{pending::every, scope_parser};
use crate::{
    exit::Exit,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression export > list.csv
  efface suppression export --with-identifiers --scope marketing > people.csv

Without --with-identifiers the rows name nobody. With it the sealed entries in force are opened and
their identifiers printed in columns that `efface suppression import` reads, one scope at a time; that
is written into the journal first. Hash-only entries cannot be carried elsewhere: their tags are keyed
by this database and find nobody in another.";

/// `efface suppression export`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Print the identifiers of sealed entries; written into the journal
    #[arg(long, requires = "scope")]
    with_identifiers: bool,
    /// Only of this scope
    #[arg(long, value_parser = scope_parser())]
    scope: Option<Scope>,
    /// Whose list
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
}

/// # Errors
/// When the database cannot be read, or an entry does not open.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let filter = SuppressionFilter {
        controller: Some(args.controller.clone()),
        scope: args.scope,
        ..SuppressionFilter::default()
    };
    let mut found = vec![];
    every(context, filter, |view| found.push(view)).await?;
    let hashes = found.iter().filter(|v| v.entry.kind == Kind::HashOnly).count();
    if args.with_identifiers {
        people(context, &found).await?;
    } else {
        rows(&found)?;
    }
    if hashes > 0 {
        let entries = if hashes == 1 { "entry keeps" } else { "entries keep" };
        print::aside(format!(
            "{hashes} hash-only {entries} keyed tags alone, which find nobody in another database; they are {}",
            if args.with_identifiers { "left out" } else { "listed without them" }
        ));
    }
    Ok(Exit::Done)
}

fn rows(found: &[SuppressionView]) -> Result<()> {
    say!("entry,controller,scope,kind,reason,state,since,legal_basis,expires_at,drift");
    for view in found {
        let entry = &view.entry;
        let cells = [
            entry.id.to_string(),
            entry.controller.to_string(),
            entry.scope.to_string(),
            entry.kind.to_string(),
            entry.reason.to_string(),
            entry.state.word().to_owned(),
            entry.since.to_string(),
            entry.legal_basis.clone().unwrap_or_default(),
            entry.expires_at.map_or_else(String::new, |at| at.to_string()),
            view.drift().to_string(),
        ];
        say!("{}", record(&cells));
    }
    Ok(())
}

/// Identifiers by column; the second of a kind has a column of its own.
async fn people(context: &Context, found: &[SuppressionView]) -> Result<()> {
    let now = context.now();
    let kept: Vec<SuppressionId> = found
        .iter()
        .map(|v| &v.entry)
        .filter(|e| e.kind == Kind::Sealed && e.in_force(now))
        .filter(|e| !matches!(e.state, EntryState::Lifted { .. }))
        .map(|e| e.id)
        .collect();
    // before anything is handed out
    context.store.note_export(kept.len(), &context.actor).await?;
    let mut people: Vec<BTreeMap<String, String>> = vec![];
    for id in kept {
        people.push(by_column(&context.store.listed_person(id).await?));
    }
    let mut columns: Vec<&String> = people.iter().flat_map(BTreeMap::keys).collect();
    columns.sort();
    columns.dedup();
    if columns.is_empty() {
        print::aside("no sealed entry in force");
        return Ok(());
    }
    let head: Vec<String> = columns.iter().map(|c| (*c).clone()).collect();
    say!("{}", record(&head));
    for person in &people {
        let cells: Vec<String> =
            columns.iter().map(|c| person.get(*c).cloned().unwrap_or_default()).collect();
        say!("{}", record(&cells));
    }
    Ok(())
}

fn by_column(identifiers: &[Identifier]) -> BTreeMap<String, String> {
    let mut row = BTreeMap::new();
    for identifier in identifiers {
        let kind = identifier.kind.word();
        let column = (1..)
            .map(|n| if n == 1 { kind.clone() } else { format!("{kind}_{n}") })
            .find(|column| !row.contains_key(column));
        if let Some(column) = column {
            row.insert(column, identifier.typed.expose().to_owned());
        }
    }
    row
}

/// A record of RFC 4180.
fn record(cells: &[String]) -> String {
    let quoted = |cell: &String| {
        if cell.contains(['"', ',', '\n', '\r', ';', '\t']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell.clone()
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}

//! `efface suppression import`: the people of a file are put on the list.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{ControllerId, Scope, suppression::Reason};
use efface_store::{Added, NewSuppression};
use jiff::civil::Date;
use serde_json::json;

use super::{end_of, scope_parser};
use crate::{
    command::{
        import::{NamingArgs, people_of},
        request::file::date,
    },
    exit::Exit,
    identifiers::default_region,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression import old-blocklist.csv --scope marketing --reason 'list of the former system'
  efface suppression import robinson.csv --map 'Adresse=email' --scope marketing --reason 'national list'

The file is one that `efface request import` takes, CSV or NDJSON; of its columns the identifiers are
read, each row is one person. Whoever stands there already keeps one entry, so that the same file may
be read again. No vendor is told by this: `efface suppression reconcile` shows whom to tell.

Exit code 1 when rows were refused.";

/// People of one file at most.
const MOST: usize = 1_000_000;

/// `efface suppression import`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The file, or - for standard input
    file: PathBuf,
    #[command(flatten)]
    naming: NamingArgs,
    /// What is to stop, for every row
    #[arg(long, value_parser = scope_parser())]
    scope: Scope,
    /// Why, in your words
    #[arg(long, value_name = "WHY")]
    reason: String,
    /// The law it rests on
    #[arg(long, value_name = "LAW")]
    legal_basis: Option<String>,
    /// The last day it holds [default: until it is lifted]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    expires_on: Option<Date>,
    /// In whose name
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
}

/// # Errors
/// When the file cannot be read or the database cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    context.need_zone(&args.controller)?;
    let expires_at =
        args.expires_on.map(|day| end_of(context, &args.controller, day)).transpose()?;
    let region = default_region(context, &args.controller)?;
    let (mut added, mut known, mut refused) = (0, 0, 0);
    for row in people_of(context, &args.file, &args.naming, region, MOST)? {
        let listed = match row.read {
            Err(reason) => Err(reason),
            Ok(identifiers) => {
                let new = NewSuppression {
                    controller: args.controller.clone(),
                    scope: args.scope,
                    identifiers,
                    reason: Reason::Imported,
                    note: Some(args.reason.clone()),
                    legal_basis: args.legal_basis.clone(),
                    expires_at,
                    by: context.actor.clone(),
                };
                match context.store.suppress(new).await {
                    Ok(added) => Ok(added),
                    Err(efface_store::Error::Refused(why)) => Err(why),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        match listed {
            Ok(Added::New(_)) => added += 1,
            Ok(Added::Before(_)) => known += 1,
            Err(reason) => {
                refused += 1;
                print::aside(format!("line {}: {reason}", row.line));
            }
        }
    }
    if context.json {
        print::json(&json!({ "added": added, "known": known, "refused": refused }))?;
    } else {
        say!("{added} added, {known} stood there already, {refused} refused");
        say!("next: efface suppression reconcile shows which accounts were not told");
    }
    Ok(if refused > 0 { Exit::Failed } else { Exit::Done })
}

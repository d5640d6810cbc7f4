//! `efface suppression add`: a person is put on the list by hand.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{ControllerId, Scope, suppression::Reason};
use efface_store::{Added, NewSuppression};
use jiff::civil::Date;

use super::{EntryJson, end_of, scope_parser};
use crate::{
    command::request::file::date,
    exit::Exit,
    identifiers::IdentifierArgs,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression add --email ada@example.org --scope marketing --reason 'asked at the fair'
  efface suppression add --phone +442079460958 --scope all_processing --legal-basis 'GDPR Art. 21(1)' \\
      --reason 'letter of 2026-11-20' --expires-on 2029-12-31

No vendor is told by this: the accounts that were not told show as drift, and `efface suppression
reconcile --apply` files what is missing. Whoever stands on the list already keeps one entry. Write
nothing about the person into --reason: it is kept readable.";

/// `efface suppression add`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    person: IdentifierArgs,
    /// What is to stop
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
/// When nobody is named, the guard list refuses or the database cannot be written.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    context.need_zone(&args.controller)?;
    let identifiers = args.person.read_some(context, &args.controller)?;
    let expires_at =
        args.expires_on.map(|day| end_of(context, &args.controller, day)).transpose()?;
    let new = NewSuppression {
        controller: args.controller,
        scope: args.scope,
        identifiers,
        reason: Reason::Added,
        note: Some(args.reason),
        legal_basis: args.legal_basis,
        expires_at,
        by: context.actor.clone(),
    };
    let added = context.store.suppress(new).await?;
    let view = context.store.suppression(added.id()).await?;
    if context.json {
        print::json(&EntryJson::of(&view))?;
        return Ok(Exit::Done);
    }
    let id = added.id();
    match added {
        Added::New(_) => say!("entry {id}: suppressed ({}) from now on", view.entry.scope),
        Added::Before(_) => say!("entry {id}: the person stood there already; it was renewed"),
    }
    if view.drift() > 0 {
        let accounts = print::count(view.drift(), "account");
        say!("next: {accounts} not told yet: efface suppression reconcile --apply");
    }
    Ok(Exit::Done)
}

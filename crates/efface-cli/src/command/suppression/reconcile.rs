//! `efface suppression reconcile`: what accounts know against what they should know.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::ControllerId;
use serde_json::json;

use super::pending::{Filed, Pending, file};
use crate::{
    ask,
    exit::Exit,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface suppression reconcile              show what is missing
  efface suppression reconcile --apply      file it, after asking

What is filed waits for `efface request release --all-of IMPORT`, and each account's daily ceiling
holds. Nobody on the list has to prove anything again. Entries without an identifier that an account is
keyed by, and those to be given back, are counted and not filed: `efface suppression list --drift` names
them. Exit code 5 when something is missing and nothing was filed.";

/// `efface suppression reconcile`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// File what is missing
    #[arg(long)]
    apply: bool,
    /// Do not ask
    #[arg(long, requires = "apply")]
    yes: bool,
    /// Whose list
    #[arg(long, default_value = "default", value_name = "ID")]
    controller: ControllerId,
}

/// # Errors
/// When nobody confirms, or the database cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    context.need_zone(&args.controller)?;
    let pending = Pending::read(context, &args.controller, None).await?;
    let missing = pending.to_file.len();
    if !args.apply {
        if context.json {
            print::json(&preview(&pending))?;
        } else {
            pending.print()?;
            if missing > 0 {
                say!("\nnext: efface suppression reconcile --apply files {}", requests(missing));
            }
        }
        let drifts = !pending.by_account.is_empty();
        return Ok(if drifts { Exit::Waits } else { Exit::Done });
    }
    if !context.json {
        pending.print()?;
    }
    apply(context, &pending, "suppression list: reconcile", args.yes).await
}

/// Asks, files and tells.
///
/// # Errors
/// When nobody confirms, or the database cannot be written.
pub async fn apply(context: &Context, pending: &Pending, name: &str, yes: bool) -> Result<Exit> {
    if pending.to_file.is_empty() {
        if context.json {
            print::json(&preview(pending))?;
        } else {
            say!("nothing to file");
        }
        return Ok(Exit::Done);
    }
    ask::confirm(&format!("file {}?", requests(pending.to_file.len())), yes)?;
    let done = file(context, pending, name).await?;
    if context.json {
        print::json(&done)?;
    } else {
        tell(&done)?;
    }
    Ok(if done.refused > 0 { Exit::Failed } else { Exit::Done })
}

/// What is missing, for programs.
pub fn preview(pending: &Pending) -> serde_json::Value {
    let accounts: Vec<_> = pending
        .by_account
        .iter()
        .map(|(account, lacks)| json!({ "account": account, "lacks": lacks }))
        .collect();
    json!({
        "to_file": pending.to_file.len(),
        "accounts": accounts,
        "hash_only": pending.hash_only,
    })
}

fn requests(n: usize) -> String {
    print::count(n, "request")
}

fn tell(done: &Filed) -> Result<()> {
    say!("{} filed, {} under way already, {} refused", done.filed, done.under_way, done.refused);
    if done.filed > 0 {
        say!("next: release them: efface request release --all-of {}", done.import);
    }
    Ok(())
}

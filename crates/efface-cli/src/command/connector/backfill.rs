//! `efface connector backfill`: an account that was connected later is told of everybody on the
//! suppression list, or scanned for who stands on it.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{Scope, account::Mode};
use efface_store::Store as _;

use super::scan;
use crate::{
    command::suppression::{
        pending::Pending,
        reconcile::{apply, preview},
    },
    exit::{Exit, Failure},
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface connector backfill crm-eu --dry-run
  efface connector backfill crm-eu
  efface connector backfill crm-eu --scan

Files one request for each sealed entry of the suppression list that the account was not told of, for
this account alone, after asking. They wait for `efface request release --all-of IMPORT`, and the
account's daily ceiling holds. Nobody of whom the list keeps hashes alone can be told: their number is
shown, and imports and checks recognise them, and so does --scan: it reads the vendor's own list of
people and puts who stands on ours on the desk, as `efface connector scan` does, and files nothing.";

/// `efface connector backfill`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    account: String,
    /// Show the numbers and file nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Hold the vendor's own list against ours instead; nothing is filed
    #[arg(long, conflicts_with_all = ["dry_run", "yes"])]
    scan: bool,
}

/// So many entries, in words.
pub fn entries(n: usize) -> String {
    if n == 1 { "1 entry".into() } else { format!("{n} entries") }
}

/// # Errors
/// When the account only observes, nobody confirms, or the database cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    if args.scan {
        let (account, scope) = (args.account.clone(), Scope::AllProcessing);
        return scan::run(context, &scan::Args { account, scope, wait: 3600 }).await;
    }
    let spec = &context.account(&args.account)?.spec;
    let mode = context.store.account(&spec.id).await?.condition.mode;
    if mode == Mode::Observe {
        return Err(Failure::refused(format!(
            "account {} only observes: nobody is told there",
            spec.id
        ))
        .hint(format!("make it live first: efface connector enable {}", spec.id))
        .into());
    }
    let pending = Pending::read(context, &spec.controller, Some(&spec.id)).await?;
    if !context.json {
        let lacks = pending.by_account.get(&spec.id).copied().unwrap_or_default();
        say!("{} to be told of at {}", entries(lacks.to_tell), spec.id);
        if lacks.unreachable > 0 {
            say!("{} without an identifier that the account is keyed by", lacks.unreachable);
        }
        if pending.hash_only > 0 {
            say!(
                "{} of which the list keeps hashes alone: nobody can push those; imports and checks recognise them, and `--scan` finds them in the vendor's own list",
                pending.hash_only
            );
        }
    }
    if args.dry_run {
        if context.json {
            print::json(&preview(&pending))?;
        }
        return Ok(Exit::Done);
    }
    apply(context, &pending, &format!("suppression list: backfill {}", spec.id), args.yes).await
}

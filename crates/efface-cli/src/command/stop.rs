//! `efface stop`: the emergency brake. It takes effect before the next order, asks nothing, and tells
//! what is out already.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde_json::json;

use super::request::import_id;
use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, Table, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface stop --all
  efface stop --account crm-eu
  efface stop --import 0193…

Go on with `efface connector resume ACCOUNT`, or `efface request hold ID --end` for an import's
requests.";

/// `efface stop`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
#[group(required = true, multiple = false)]
pub struct Args {
    /// Every account
    #[arg(long)]
    all: bool,
    /// One account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Every open request of one import
    #[arg(long, value_name = "IMPORT")]
    import: Option<String>,
}

/// # Errors
/// When there is no such account or import.
pub async fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let context = Context::open(global).await?;
    let report = match (&args.account, &args.import) {
        (_, Some(import)) => context.store.stop_import(import_id(import)?, &context.actor).await?,
        (Some(account), None) => {
            let id = context.account(account)?.spec.id.clone();
            context.store.stop_accounts(Some(&id), &context.actor).await?
        }
        (None, None) => context.store.stop_accounts(None, &context.actor).await?,
    };
    let what = if args.import.is_some() { "request" } else { "account" };
    if context.json {
        let out: Vec<_> = report
            .out
            .iter()
            .map(|(account, state, count, recall)| {
                json!({ "account": account, "state": state, "count": count, "can_be_recalled": recall })
            })
            .collect();
        print::json(&json!({ "stopped": report.stopped, "out": out }))?;
        return Ok(Exit::Done);
    }
    say!("stopped {}: {}", print::count(report.stopped.len(), what), print::list(&report.stopped));
    let mut table = Table::new(&["account", "state", "people", "recall"]);
    for (account, state, count, recall) in &report.out {
        let recall = if *recall { "asked for on cancel" } else { "not offered" };
        table.row([account.clone(), state.clone(), count.to_string(), recall.to_owned()]);
    }
    say!("");
    if !table.is_empty() {
        say!(
            "out already; no other will be sent, and these run to their own end unless they are taken back:"
        );
    }
    table.print("nothing is out at any vendor")?;
    if report.out.iter().any(|(_, _, _, recall)| *recall) {
        say!("");
        say!(
            "what a vendor still gives back is asked for when you cancel: efface request cancel ID"
        );
        say!("a running worker asks for it, also while the account is stopped");
    }
    Ok(Exit::Done)
}

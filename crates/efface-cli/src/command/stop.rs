//! `efface stop`: the emergency brake. It takes effect before the next order, asks nothing, and tells
//! what is out already.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::AccountId;
use efface_store::{StopReport, Store as _};
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

Needs the database and its key, and no vendor's secrets; other mistakes in the settings are told and
do not hold it up.

Go on with `efface connector resume ACCOUNT`, or `efface request hold --end --import IMPORT`.";

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
    let context = Context::open_to_stop(global).await?;
    let report = match (&args.account, &args.import) {
        (_, Some(import)) => context.store.stop_import(import_id(import)?, &context.actor).await?,
        (Some(account), None) => {
            let id = account_id(&context, account).await?;
            context.store.stop_accounts(Some(&id), &context.actor).await?
        }
        (None, None) => context.store.stop_accounts(None, &context.actor).await?,
    };
    let report = with_cards(&context, report).await?;
    let what = if args.import.is_some() { "request" } else { "account" };
    if context.json {
        let out: Vec<_> = report
            .out
            .iter()
            .map(|(account, state, count, recall)| {
                json!({ "account": account, "state": state, "count": count, "can_be_recalled": recall })
            })
            .collect();
        print::json(
            &json!({ "stopped": report.stopped, "held_before": report.held_before, "out": out }),
        )?;
        return Ok(ends(&report));
    }
    say!("stopped {}: {}", print::count(report.stopped.len(), what), print::list(&report.stopped));
    if !report.held_before.is_empty() {
        print::aside(format!(
            "warning: {} on hold already, for another reason; the stop adds nothing to it, and what is held goes on when that hold ends: {}",
            print::count(report.held_before.len(), "request"),
            print::list(&report.held_before)
        ));
    }
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
    Ok(ends(&report))
}

/// Where another hold stands in the stop's place, not everything was done.
fn ends(report: &StopReport) -> Exit {
    if report.held_before.is_empty() { Exit::Done } else { Exit::Failed }
}

/// An account of the settings, or one that only the database knows.
async fn account_id(context: &Context, text: &str) -> Result<AccountId> {
    let unknown = match context.account(text) {
        Ok(built) => return Ok(built.spec.id.clone()),
        Err(unknown) => unknown,
    };
    let rows = context.store.accounts().await?;
    let found = rows.into_iter().find(|row| row.id.as_str() == text);
    found.map(|row| row.id).ok_or(unknown)
}

/// What can be recalled at accounts that are not in the settings stands on their vendors' cards.
async fn with_cards(context: &Context, mut report: StopReport) -> Result<StopReport> {
    let rows = context.store.accounts().await?;
    for (account, _, _, recalls) in &mut report.out {
        let row = rows.iter().find(|row| row.id.as_str() == account.as_str());
        if let Some(row) = row.filter(|row| context.spec(&row.id).is_none()) {
            let plugin = efface_registry::find(row.connector.as_str());
            *recalls = plugin.is_some_and(|plugin| (plugin.manifest)().recalls);
        }
    }
    Ok(report)
}

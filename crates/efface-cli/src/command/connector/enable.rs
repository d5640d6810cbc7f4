//! `efface connector enable`: from looking to acting. Shows whose account the key opens and what
//! acting does, refuses what was not accepted by name, asks, and pins the vendor's account id.

use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{RequestId, account::Mode, request::Request};
use efface_store::RequestFilter;
use serde_json::json;

use super::{AccountJson, card, check::hint, not_accepted, probe, row};
use crate::{
    ask,
    exit::{Exit, Failure},
    print::{self, Table, say},
    wiring::{BuiltAccount, Context},
};

const AFTER: &str = "\
Examples:
  efface connector enable crm-eu
  efface connector enable crm-eu --yes --replan 0193… --replan 0194…

Requests that are open stay planned as they are; those named with --replan are planned anew, and need
their release again.";

/// `efface connector enable`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    account: String,
    /// Plan this open request anew once the account is live; may be repeated
    #[arg(long, value_name = "REQUEST")]
    replan: Vec<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Seconds to wait for the vendor's answer
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// # Errors
/// When a side effect is not accepted, the key does not work, or the person says no.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let built = context.account(&args.account)?;
    let id = &built.spec.id;
    refuse_unaccepted(built)?;
    let open = open_requests(context, built).await?;
    let replan = named(context, args, built).await?;
    let before = row(context, id).await?.condition;
    let answer = probe(context, built, Duration::from_secs(args.wait)).await?;
    if let Some(error) = &answer.error {
        return Err(Failure::refused(format!("account {id} is not enabled: {error}"))
            .hint(hint(error))
            .into());
    }
    if !context.json {
        answer.print(id)?;
        if let Some(pinned) = before.pinned.as_ref().filter(|p| answer.pin.as_ref() != Some(p)) {
            say!("\nattention: until now it was pinned to {pinned}");
        }
        say!("");
        card::print(&built.spec.manifest)?;
        say!("");
        list(&open)?;
    }
    let missing = answer.missing_rights();
    if !missing.is_empty() {
        return Err(Failure::refused(format!(
            "account {id} is not enabled: the key may not {}",
            missing.join(", ")
        ))
        .hint("give the key these rights at the vendor, then try again")
        .into());
    }
    let named = answer.account_name.as_deref().or(answer.account_id.as_deref());
    let question = match named {
        Some(named) => format!("make account {id} live, so that it changes data at {named}?"),
        None => format!("make account {id} live, so that it changes data there?"),
    };
    ask::confirm(&question, args.yes)?;
    let after = context.store.enable_account(id, answer.pin.as_deref(), &context.actor).await?;
    let mut replanned = vec![];
    for request in replan {
        let changed = context.store.replan(request, &context.actor).await?;
        replanned.push(json!({ "request": request, "tasks_changed": changed }));
        if !context.json {
            say!(
                "request {request} was planned anew ({}); release it again: efface request release {request}",
                print::count(changed, "change")
            );
        }
    }
    if context.json {
        let open: Vec<String> = open.iter().map(|r| r.id.to_string()).collect();
        let account = AccountJson::of(built, &after.condition, context.now());
        print::json(&json!({
            "account": account, "answer": answer, "open_requests": open, "replanned": replanned,
            "was_live": before.mode == Mode::Live,
        }))?;
    } else {
        say!("account {id} is live");
    }
    Ok(Exit::Done)
}

fn refuse_unaccepted(built: &BuiltAccount) -> Result<()> {
    let missing = not_accepted(built);
    if missing.is_empty() {
        return Ok(());
    }
    let mut all: Vec<&str> = built.accepted.iter().map(|s| s.word()).collect();
    all.extend(&missing);
    let all: Vec<String> = all.iter().map(|word| format!("\"{word}\"")).collect();
    let id = &built.spec.id;
    let connector = &built.spec.connector;
    Err(Failure::refused(format!(
        "account {id} is not enabled: these side effects are not accepted: {}",
        missing.join(", ")
    ))
    .hint(format!(
        "read `efface connector show {connector}`; to accept them, add this line to [accounts.{id}]:\n      accept_side_effects = [{}]",
        all.join(", ")
    ))
    .into())
}

async fn open_requests(context: &Context, built: &BuiltAccount) -> Result<Vec<Request>> {
    let mut open = vec![];
    for state in ["received", "identified", "released", "running"] {
        let filter = RequestFilter {
            state: Some(state.to_owned()),
            controller: Some(built.spec.controller.to_string()),
            limit: 1000,
            ..RequestFilter::default()
        };
        open.extend(context.store.requests(&filter).await?);
    }
    Ok(open)
}

/// The requests to plan anew: each must be open and of this account's controller.
async fn named(context: &Context, args: &Args, built: &BuiltAccount) -> Result<Vec<RequestId>> {
    let mut ids = vec![];
    for text in &args.replan {
        let id = context.store.resolve_request(text).await?;
        let request = context.store.request(id).await?.request;
        if request.state.is_over() {
            let state = request.state.describe();
            return Err(Failure::refused(format!(
                "request {id} cannot be planned anew: it is {state}"
            ))
            .into());
        }
        if request.controller != built.spec.controller {
            let account = &built.spec.id;
            return Err(Failure::refused(format!(
                "request {id} is of another controller than account {account}"
            ))
            .into());
        }
        ids.push(id);
    }
    Ok(ids)
}

fn list(open: &[Request]) -> Result<()> {
    if open.is_empty() {
        return Ok(());
    }
    say!("open requests of its controller; they stay as planned unless named with --replan:");
    let mut table = Table::new(&["request", "state", "action", "received", "due"]);
    for request in open.iter().take(20) {
        table.row([
            request.id.to_string(),
            request.state.describe(),
            request.action.to_string(),
            request.received_on.to_string(),
            request.due_on.to_string(),
        ]);
    }
    table.print("")?;
    if open.len() > 20 {
        say!("… and {} more", open.len() - 20);
    }
    say!("");
    Ok(())
}

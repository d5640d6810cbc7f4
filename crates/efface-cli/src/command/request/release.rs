//! `efface request release`: shows what would happen, asks, and releases exactly what was shown.

use std::collections::BTreeMap;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{
    RequestId, TaskAction,
    request::RequestState,
    task::{Cause, TaskState},
};
use futures::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;

use super::{import_id, need_import};
use crate::{
    ask,
    exit::{Exit, Failure},
    print::{self, Table, say, when},
    show::masked_row,
    wiring::{Context, errand},
};

const AFTER: &str = "\
Examples:
  efface request release 0193…
  efface request release --all-of 0193…       (every request of an import that waits for release)
  efface request release 0193… 0194… --yes    (without asking; for scripts)

An erasure still waits for the cooling-off (24 h by default); `efface request cancel` costs nothing
until then.";

/// Rows of a preview.
const ROWS: usize = 10;
/// Releases under way at once: their commits travel together.
const TOGETHER: usize = 64;

/// `efface request release`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The requests
    #[arg(required_unless_present = "all_of", conflicts_with = "all_of")]
    ids: Vec<String>,
    /// All requests of this import that wait for release
    #[arg(long, value_name = "IMPORT")]
    all_of: Option<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What would be released.
#[derive(Debug, Serialize)]
struct Preview {
    count: usize,
    /// How many of them are on hold: nothing is sent until that ends.
    held: usize,
    accounts: Vec<AccountPreview>,
    rows: Vec<Row>,
    #[serde(skip)]
    ids: Vec<RequestId>,
}

/// What it means at one account.
#[derive(Debug, Serialize)]
struct AccountPreview {
    account: String,
    action: String,
    /// Tasks that will act.
    will_act: u64,
    /// Tasks that wait for an identifier.
    wait: u64,
    /// Tasks that end without acting.
    nothing: u64,
    side_effects: Vec<&'static str>,
    reversibility: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Row {
    request: String,
    action: &'static str,
    received_on: String,
    /// Masked.
    identifiers: String,
}

/// # Errors
/// When one of the requests does not wait for release, or the person says no.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let preview = match &args.all_of {
        Some(import) => of_import(context, import).await?,
        None => of_ids(context, &args.ids).await?,
    };
    if preview.ids.is_empty() {
        return Err(Failure::refused("nothing waits for release")
            .hint("`efface request list --state identified` shows what does; requests without a proof of identity wait for `efface request identify` first")
            .into());
    }
    if !context.json {
        show(&preview)?;
    }
    let question = format!("release {}?", print::count(preview.count, "request"));
    ask::confirm(&question, args.yes)?;
    let refused = release(context, &preview.ids).await;
    let released = preview.count - refused.len();
    let cooling = first_cooling(context, &preview, &refused).await?;
    if context.json {
        let refused: Vec<_> =
            refused.iter().map(|(id, why)| json!({ "request": id, "why": why })).collect();
        print::json(&json!({
            "preview": preview, "released": released, "refused": refused, "cooling_until": cooling,
        }))?;
    } else {
        say!("released {}", print::count(released, "request"));
        if let Some(until) = cooling {
            say!("nothing irreversible is sent before {}", when(until));
        }
        for (id, why) in &refused {
            say!("not released: {id}: {why}");
        }
    }
    Ok(if refused.is_empty() { Exit::Done } else { Exit::Refused })
}

async fn release(context: &Context, ids: &[RequestId]) -> Vec<(RequestId, String)> {
    let bar = errand::bar(ids.len());
    let each = stream::iter(ids.iter().copied()).map(|id| {
        let bar = &bar;
        async move {
            let done = context.store.release(id, &context.actor).await;
            bar.inc(1);
            done.err().map(|error| (id, error.to_string()))
        }
    });
    let refused = each.buffer_unordered(TOGETHER).filter_map(|r| async { r }).collect().await;
    bar.finish_and_clear();
    refused
}

async fn first_cooling(
    context: &Context,
    preview: &Preview,
    refused: &[(RequestId, String)],
) -> Result<Option<efface_core::Timestamp>> {
    let Some(id) = preview.ids.iter().find(|id| !refused.iter().any(|(r, _)| r == *id)) else {
        return Ok(None);
    };
    match context.store.request(*id).await?.request.state {
        RequestState::Released { cooling_until, .. } if cooling_until > context.now() => {
            Ok(Some(cooling_until))
        }
        RequestState::Released { .. }
        | RequestState::Received
        | RequestState::Identified
        | RequestState::Running { .. }
        | RequestState::Closed { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => Ok(None),
    }
}

async fn of_ids(context: &Context, texts: &[String]) -> Result<Preview> {
    let mut ids: Vec<RequestId> = vec![];
    let mut counts = BTreeMap::new();
    let mut held = 0;
    for text in texts {
        let id = context.store.resolve_request(text).await?;
        if ids.contains(&id) {
            continue;
        }
        let view = context.store.request(id).await?;
        match &view.request.state {
            RequestState::Identified => {}
            RequestState::Received => {
                return Err(Failure::refused(format!(
                    "request {id} cannot be released: nothing proves who the person is"
                ))
                .hint(format!("efface request identify {id} --proof '…'"))
                .into());
            }
            other => {
                let state = other.describe();
                return Err(Failure::refused(format!(
                    "request {id} cannot be released: it is {state}"
                ))
                .hint("nothing was released; leave it out")
                .into());
            }
        }
        for task in &view.tasks {
            let task = &task.row.task;
            let key = (task.account.to_string(), task.action.word().to_owned());
            tally(counts.entry(key).or_default(), &task.state, 1);
        }
        held += usize::from(view.request.hold.is_some());
        ids.push(id);
    }
    preview(context, ids, held, counts).await
}

async fn of_import(context: &Context, text: &str) -> Result<Preview> {
    let import = import_id(text)?;
    need_import(context, import).await?;
    let ids = context.store.awaiting_release(import).await?;
    let held = context.store.held_before_release(import).await?;
    let mut counts: BTreeMap<(String, String), [u64; 3]> = BTreeMap::new();
    for (account, action, state, n) in context.store.release_counts(import).await? {
        let slot = counts.entry((account, action)).or_default();
        let at = match state.as_str() {
            "missing_identifier" => 1,
            "settled" => 2,
            _ => 0,
        };
        slot[at] += n;
    }
    preview(context, ids, held, counts).await
}

fn tally(slot: &mut [u64; 3], state: &TaskState, n: u64) {
    let at = match state {
        TaskState::Blocked { cause: Cause::MissingIdentifier { .. } } => 1,
        TaskState::Settled { .. } => 2,
        TaskState::Blocked { .. }
        | TaskState::Ready { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Waiting { .. }
        | TaskState::Confirmed { .. }
        | TaskState::Desk { .. } => 0,
    };
    slot[at] += n;
}

async fn preview(
    context: &Context,
    ids: Vec<RequestId>,
    held: usize,
    counts: BTreeMap<(String, String), [u64; 3]>,
) -> Result<Preview> {
    let accounts = counts.into_iter().map(|((account, action), [will_act, wait, nothing])| {
        let spec = context.accounts.iter().map(|a| &a.spec).find(|s| s.id.as_str() == account);
        let word: Option<TaskAction> = action.parse().ok();
        let card = spec.zip(word).and_then(|(s, word)| s.manifest.action(word));
        AccountPreview {
            side_effects: card
                .map_or_else(Vec::new, |c| c.side_effects.iter().map(|s| s.word()).collect()),
            reversibility: card.map(|c| c.reversibility.word()),
            account,
            action,
            will_act,
            wait,
            nothing,
        }
    });
    let accounts = accounts.collect();
    let mut rows = vec![];
    for id in ids.iter().take(ROWS) {
        let request = context.store.request(*id).await?.request;
        let dossier = context.store.dossier(*id).await?;
        rows.push(Row {
            request: id.to_string(),
            action: request.action.word(),
            received_on: request.received_on.to_string(),
            identifiers: masked_row(&dossier.identifiers),
        });
    }
    Ok(Preview { count: ids.len(), held, accounts, rows, ids })
}

fn show(preview: &Preview) -> Result<()> {
    say!("{} would be released:\n", print::count(preview.count, "request"));
    let mut table = Table::new(&[
        "account",
        "action",
        "will act",
        "wait",
        "nothing",
        "side effects",
        "can be taken back",
    ]);
    for one in &preview.accounts {
        table.row([
            one.account.clone(),
            one.action.clone(),
            one.will_act.to_string(),
            one.wait.to_string(),
            one.nothing.to_string(),
            print::list(&one.side_effects),
            one.reversibility.unwrap_or("-").replace('_', " "),
        ]);
    }
    table.print("no account is connected: nothing would be done anywhere")?;
    say!("");
    let mut table = Table::new(&["request", "action", "received", "person (masked)"]);
    for row in &preview.rows {
        table.row([
            row.request.clone(),
            row.action.to_owned(),
            row.received_on.clone(),
            row.identifiers.clone(),
        ]);
    }
    table.print("")?;
    if preview.count > preview.rows.len() {
        say!("… and {} more", preview.count - preview.rows.len());
    }
    if preview.held > 0 {
        let (held, all) = (preview.held, preview.count);
        say!(
            "\n{held} of {all} on hold: nothing is sent for them until `efface request hold --end`"
        );
    }
    say!("");
    Ok(())
}

//! `efface request hold`: a legal hold, and its end. Nothing new is sent while it stands. A whole
//! import is held, or let go, as it was shown.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{
    ImportId, RequestId,
    request::{Hold, Request},
};
use efface_store::RequestFilter;
use futures::{StreamExt as _, stream};
use serde::Serialize;
use serde_json::json;

use super::{import_id, need_import, tell};
use crate::{
    ask,
    exit::{Exit, Failure},
    print::{self, Table, say},
    show::masked_row,
    wiring::{Context, errand},
};

const AFTER: &str = "\
Examples:
  efface request hold 0193… --reason 'litigation 4 O 12/26'
  efface request hold 0193… --end
  efface request hold --import 0193… --reason 'the file was wrong'    (every open request of it)
  efface request hold --end --import 0193…                            (also after `efface stop`)

Ending the holds of an import ends those of one reason: where its requests are held for several,
--reason says which, so that a litigation's hold does not end with the others.";

/// Rows of a preview.
const ROWS: usize = 10;
/// Holds under way at once: their commits travel together.
const TOGETHER: usize = 64;
/// Requests read at once.
const PAGE: u32 = 1000;

/// `efface request hold`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    #[arg(required_unless_present = "import", conflicts_with = "import")]
    id: Option<String>,
    /// Every open request of this import
    #[arg(long, value_name = "IMPORT")]
    import: Option<String>,
    /// Why it is held; with --end and --import, which holds end
    #[arg(long, required_unless_present = "end")]
    reason: Option<String>,
    /// End the hold
    #[arg(long)]
    end: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// What would be held or let go.
#[derive(Debug, Serialize)]
struct Preview {
    count: usize,
    /// Open requests of the import that stay as they are.
    left: usize,
    rows: Vec<Row>,
    #[serde(skip)]
    ids: Vec<RequestId>,
}

#[derive(Debug, Serialize)]
struct Row {
    request: String,
    state: String,
    action: &'static str,
    /// Why it is held now.
    held: Option<String>,
    /// Masked.
    identifiers: String,
}

/// # Errors
/// When the request is over, held already or not held.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    match (&args.id, &args.import) {
        (Some(id), None) => one(context, args, id).await,
        (None, Some(import)) => many(context, args, import_id(import)?).await,
        // clap takes exactly one of them
        (Some(_), Some(_)) | (None, None) => {
            Err(Failure::usage("name a request, or an import with --import").into())
        }
    }
}

async fn one(context: &Context, args: &Args, id: &str) -> Result<Exit> {
    let id = context.store.resolve_request(id).await?;
    match (&args.reason, args.end) {
        (Some(_), true) => {
            Err(Failure::usage("--reason goes with --end for an import alone").into())
        }
        (Some(reason), false) => {
            let request = context.store.hold(id, reason, &context.actor).await?;
            tell(context, &request, "is held: nothing new is sent")
        }
        (None, _) => {
            let request = context.store.end_hold(id, &context.actor).await?;
            tell(context, &request, "is not held any more")
        }
    }
}

async fn many(context: &Context, args: &Args, import: ImportId) -> Result<Exit> {
    need_import(context, import).await?;
    let open = open_requests(context, import).await?;
    let of_reason = |hold: &Hold| args.reason.as_ref().is_none_or(|reason| *reason == hold.reason);
    let fits = |request: &&Request| match (&request.hold, args.end) {
        (Some(hold), true) => of_reason(hold),
        (hold, is_end) => hold.is_none() && !is_end,
    };
    let chosen: Vec<&Request> = open.iter().filter(fits).collect();
    if args.end {
        refuse_several_reasons(&chosen, import)?;
    }
    if chosen.is_empty() {
        let what = if args.end { "is held" } else { "is open and not held" };
        return Err(Failure::refused(format!("nothing of this import {what}"))
            .hint(format!("efface request list --import {import}"))
            .into());
    }
    let preview = preview(context, &chosen, open.len()).await?;
    let verb = if args.end { "let go" } else { "held" };
    if !context.json {
        show(&preview, verb)?;
    }
    let counted = print::count(preview.count, "request");
    let question = match args.end {
        true => format!("end the hold of {counted}?"),
        false => format!("hold {counted}?"),
    };
    ask::confirm(&question, args.yes)?;
    let refused = act(context, &preview.ids, args).await;
    let done = preview.count - refused.len();
    if context.json {
        let refused: Vec<_> =
            refused.iter().map(|(id, why)| json!({ "request": id, "why": why })).collect();
        print::json(&json!({ "preview": preview, "done": done, "refused": refused }))?;
    } else {
        let counted = print::count(done, "request");
        match args.end {
            true => say!("ended the hold of {counted}; what was due goes on"),
            false => say!("held {counted}: nothing new is sent"),
        }
        for (id, why) in &refused {
            say!("not {verb}: {id}: {why}");
        }
    }
    Ok(if refused.is_empty() { Exit::Done } else { Exit::Refused })
}

/// Every request of the import that is not over, oldest first.
async fn open_requests(context: &Context, import: ImportId) -> Result<Vec<Request>> {
    let mut open = vec![];
    let mut after = None;
    loop {
        let filter =
            RequestFilter { import: Some(import), after, limit: PAGE, ..RequestFilter::default() };
        let page = context.store.requests(&filter).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        open.extend(page.into_iter().filter(|r| !r.state.is_over()));
    }
    open.reverse();
    Ok(open)
}

/// A hold ends for the reason it was set for, not because others of its import end.
fn refuse_several_reasons(chosen: &[&Request], import: ImportId) -> Result<()> {
    let mut reasons: Vec<&str> =
        chosen.iter().filter_map(|r| r.hold.as_ref()).map(|h| h.reason.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    if reasons.len() < 2 {
        return Ok(());
    }
    let told: Vec<String> = reasons.iter().map(|r| format!("`{r}`")).collect();
    Err(Failure::refused(format!(
        "nothing was done: its requests are held for different reasons: {}",
        told.join(", ")
    ))
    .hint(format!(
        "say which of these ends: efface request hold --end --import {import} --reason '…'"
    ))
    .into())
}

async fn preview(context: &Context, chosen: &[&Request], open: usize) -> Result<Preview> {
    let mut rows = vec![];
    for request in chosen.iter().take(ROWS) {
        let dossier = context.store.dossier(request.id).await?;
        rows.push(Row {
            request: request.id.to_string(),
            state: request.state.describe(),
            action: request.action.word(),
            held: request.hold.as_ref().map(|h| format!("{} (by {})", h.reason, h.by)),
            identifiers: masked_row(&dossier.identifiers),
        });
    }
    let ids: Vec<RequestId> = chosen.iter().map(|r| r.id).collect();
    Ok(Preview { count: ids.len(), left: open - ids.len(), rows, ids })
}

fn show(preview: &Preview, verb: &str) -> Result<()> {
    say!("{} would be {verb}:\n", print::count(preview.count, "request"));
    let mut table = Table::new(&["request", "state", "action", "held for", "person (masked)"]);
    for row in &preview.rows {
        table.row([
            row.request.clone(),
            row.state.clone(),
            row.action.to_owned(),
            row.held.clone().unwrap_or_else(|| "-".into()),
            row.identifiers.clone(),
        ]);
    }
    table.print("")?;
    if preview.count > preview.rows.len() {
        say!("… and {} more", preview.count - preview.rows.len());
    }
    if preview.left > 0 {
        say!("{} of this import would stay as they are", print::count(preview.left, "other"));
    }
    say!("");
    Ok(())
}

/// Acts on exactly what was shown.
async fn act(context: &Context, ids: &[RequestId], args: &Args) -> Vec<(RequestId, String)> {
    let bar = errand::bar(ids.len());
    let each = stream::iter(ids.iter().copied()).map(|id| {
        let bar = &bar;
        async move {
            let (store, by) = (&context.store, &context.actor);
            let done = match (&args.reason, args.end) {
                (Some(reason), false) => store.hold(id, reason, by).await,
                (_, _) => store.end_hold(id, by).await,
            };
            bar.inc(1);
            done.err().map(|error| (id, error.to_string()))
        }
    });
    let refused = each.buffer_unordered(TOGETHER).filter_map(|r| async { r }).collect().await;
    bar.finish_and_clear();
    refused
}

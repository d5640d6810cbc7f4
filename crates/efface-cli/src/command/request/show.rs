//! `efface request show`: one request with its tasks and, when asked for, every exchange.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::Store as _;
use serde_json::json;

use crate::{
    exit::Exit,
    history::{EventJson, event, exchange_table, exchanges},
    print::{self, Table, say, when},
    show::{
        IdentifierJson, RequestJson, TaskJson, WatchJson, evidence_line, head, task_table,
        watch_table,
    },
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface request show 0193…
  efface request show 0193… --exchanges --history
  efface request show 0193… --reveal        (prints the person's identifiers)";

/// `efface request show`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// Print identifiers in the clear
    #[arg(long)]
    reveal: bool,
    /// Print what was exchanged with each vendor
    #[arg(long)]
    exchanges: bool,
    /// Print what happened, from the journal
    #[arg(long)]
    history: bool,
}

/// # Errors
/// When there is no such request.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let view = context.store.request(id).await?;
    // forgotten: nothing of it is kept
    let dossier = context.store.dossier_if_kept(id).await?;
    let kept = dossier.iter().flat_map(|d| &d.identifiers);
    let identifiers: Vec<IdentifierJson> =
        kept.map(|i| IdentifierJson::of(i, args.reveal)).collect();
    let exchanges = if args.exchanges { exchanges(context, &view).await? } else { vec![] };
    let history: Vec<EventJson> = if args.history {
        let entries = context.store.history(id).await?;
        entries.iter().map(|entry| event(entry, |task| task.to_string())).collect()
    } else {
        vec![]
    };
    let kept_until =
        efface_core::request::kept_until(&view.request, &context.store.directory().records);
    if context.json {
        let tasks: Vec<TaskJson> = view.tasks.iter().map(TaskJson::of).collect();
        let mut body = json!({
            "request": RequestJson::of(&view.request, context.now()),
            "identifiers": identifiers,
            "reference": dossier.as_ref().and_then(|d| d.external_reference.as_ref()),
            "tasks": tasks,
            "record_kept_until": kept_until,
            "watches": view.watches.iter().map(WatchJson::of).collect::<Vec<_>>(),
        });
        if let (true, Some(dossier)) = (args.reveal, &dossier) {
            let contact = dossier.requester.contact.as_ref().map(|c| c.expose().to_owned());
            body["contact"] = json!(contact);
            body["note"] = json!(dossier.note);
        }
        if args.exchanges {
            let all: Vec<_> =
                exchanges.iter().map(|(task, e)| json!({ "task": task, "exchange": e })).collect();
            body["exchanges"] = json!(all);
        }
        if args.history {
            body["history"] = json!(history);
        }
        print::json(&body)?;
        return Ok(Exit::Done);
    }
    let mut lines = head(&view.request, context.now());
    lines.push(("requester", view.request.relation.word().to_owned()));
    if let Some(dossier) = &dossier {
        lines.extend(dossier.external_reference.clone().map(|r| ("reference", r)));
    }
    if let (true, Some(dossier)) = (args.reveal, &dossier) {
        let contact = dossier.requester.contact.as_ref().map(|c| c.expose().to_owned());
        lines.extend(contact.map(|c| ("contact", c)));
        lines.extend(dossier.note.clone().map(|n| ("note", n)));
    }
    lines.extend(kept_until.map(|at| ("record kept until", when(at))));
    lines.extend(evidence_line(&view.tasks).map(|line| ("evidence", line)));
    print::pairs(&lines)?;
    say!("");
    let mut table = Table::new(&["identifier", "value", "standing", "provenance"]);
    for one in identifiers {
        table.row([one.kind, one.value, one.standing.into(), one.provenance]);
    }
    table.print("no identifier is kept any more")?;
    say!("");
    task_table(&view.tasks).print("no tasks")?;
    if !view.watches.is_empty() {
        say!("");
        watch_table(&view.watches).print("")?;
    }
    if args.exchanges {
        say!("");
        exchange_table(&exchanges).print("nothing was exchanged with any vendor")?;
    }
    if args.history {
        say!("");
        let mut table = Table::new(&["when", "what", "who"]);
        for one in history {
            table.row([when(one.at), one.event, one.actor]);
        }
        table.print("no history")?;
    }
    Ok(Exit::Done)
}

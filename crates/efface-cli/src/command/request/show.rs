//! `efface request show`: one request with its tasks and, when asked for, every exchange.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::journal::{About, ReadEntry};
use efface_store::{ExchangeView, RequestView};
use serde::Serialize;
use serde_json::json;

use crate::{
    exit::Exit,
    print::{self, Table, say, when},
    show::{IdentifierJson, RequestJson, TaskJson, evidence_line, head, task_table},
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

#[derive(Serialize)]
struct EventJson {
    at: efface_core::Timestamp,
    actor: String,
    event: String,
}

/// # Errors
/// When there is no such request.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let view = context.store.request(id).await?;
    let dossier = context.store.dossier(id).await?;
    let identifiers: Vec<IdentifierJson> =
        dossier.identifiers.iter().map(|i| IdentifierJson::of(i, args.reveal)).collect();
    let exchanges = if args.exchanges { exchanges(context, &view).await? } else { vec![] };
    let history: Vec<EventJson> = if args.history {
        context.store.history(id).await?.iter().map(event).collect()
    } else {
        vec![]
    };
    if context.json {
        let tasks: Vec<TaskJson> = view.tasks.iter().map(TaskJson::of).collect();
        let mut body = json!({
            "request": RequestJson::of(&view.request, context.now()),
            "identifiers": identifiers,
            "reference": dossier.external_reference,
            "tasks": tasks,
        });
        if args.reveal {
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
    lines.extend(dossier.external_reference.clone().map(|r| ("reference", r)));
    let relation = dossier.requester.relation.word().to_owned();
    lines.push(("requester", relation));
    if args.reveal {
        let contact = dossier.requester.contact.as_ref().map(|c| c.expose().to_owned());
        lines.extend(contact.map(|c| ("contact", c)));
        lines.extend(dossier.note.clone().map(|n| ("note", n)));
    }
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

/// The exchanges of every task, with the task's id.
pub(super) async fn exchanges(
    context: &Context,
    view: &RequestView,
) -> Result<Vec<(String, ExchangeView)>> {
    let mut all = vec![];
    for task in &view.tasks {
        let id = task.row.task.id;
        let found = context.store.exchanges(id).await?;
        all.extend(found.into_iter().map(|exchange| (id.to_string(), exchange)));
    }
    Ok(all)
}

/// Exchanges for eyes.
pub(crate) fn exchange_table(exchanges: &[(String, ExchangeView)]) -> Table {
    let mut table =
        Table::new(&["when", "account", "call", "status", "vendor's id", "body digest"]);
    for (_, exchange) in exchanges {
        let text = |name: &str| exchange.detail.get(name).and_then(|v| v.as_str()).unwrap_or("");
        let digest: String = text("request_digest").chars().take(16).collect();
        table.row([
            when(exchange.at),
            exchange.account.clone(),
            format!("{} {}", text("method"), text("url_template")),
            exchange.status.map_or_else(|| text("failure").to_owned(), |s| s.to_string()),
            text("vendor_request_id").to_owned(),
            digest,
        ]);
    }
    table
}

/// One entry of the journal in words; nothing personal stands there.
fn event(entry: &ReadEntry) -> EventJson {
    let event = match &entry.about {
        About::RequestFiled { .. } => "filed".to_owned(),
        About::RequestMoved { event, .. } => event.clone(),
        About::OrderSent { order } => format!("order {} sent to {}", order.id, order.account),
        About::OrderAnswered { order, .. } => format!("order {order} answered"),
        About::OrderUnknown { order, why } => format!("order {order}: outcome unknown ({why})"),
        About::ReceiptPolled { order, .. } => format!("order {order} polled"),
        About::RecallWanted { order, people, in_doubt } => {
            let lost = if *in_doubt > 0 {
                format!("; of {in_doubt} an earlier answer was lost")
            } else {
                String::new()
            };
            format!("order {order}: {people} wanted back, the vendor is asked{lost}")
        }
        About::RecallAsked { order, answer, .. } => {
            format!("order {order}: asked to take it back: {answer}")
        }
        About::LookedUp { account, .. } => format!("looked up at {account}"),
        About::LateAnswer { order, note, .. } => format!("late answer to order {order}: {note}"),
        About::TasksMoved { cause } => cause.clone(),
        About::AccountChanged { account, change, .. } => format!("account {account}: {change}"),
        About::DeskClosed { subject, decision, note, .. } if note.is_empty() => {
            format!("{subject}: {decision}")
        }
        About::DeskClosed { subject, decision, note, .. } => {
            format!("{subject}: {decision} ({note})")
        }
        About::ImportTaken { import, .. } => format!("import {import} taken"),
        About::KeyChanged { key, change, .. } => format!("{key} {change}"),
        About::Note { text } => text.clone(),
    };
    let moved: Vec<String> =
        entry.changes.iter().map(|c| format!("{}: {}", c.task, c.event)).collect();
    let event = if moved.is_empty() { event } else { format!("{event} [{}]", moved.join("; ")) };
    EventJson { at: entry.at, actor: entry.actor.clone(), event }
}

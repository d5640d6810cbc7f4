//! What happened to a request, in words: the exchanges with vendors and the entries of the journal.
//! Nothing personal stands in either.

use anyhow::Result;
use efface_core::{
    TaskId,
    journal::{About, ReadEntry},
};
use efface_store::{ExchangeView, RequestView};
use serde::Serialize;

use crate::{
    print::{Table, when},
    wiring::Context,
};

/// The headings of [`exchange_cells`].
pub const EXCHANGE_HEAD: [&str; 6] =
    ["when", "account", "call", "status", "vendor's id", "body digest"];

/// The exchanges of every task, with the task's id.
///
/// # Errors
/// When the database cannot be read.
pub async fn exchanges(
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
#[must_use]
pub fn exchange_table(exchanges: &[(String, ExchangeView)]) -> Table {
    let mut table = Table::new(&EXCHANGE_HEAD);
    for (_, exchange) in exchanges {
        let mut cells = exchange_cells(exchange);
        if let Some(digest) = cells.last_mut() {
            *digest = digest.chars().take(16).collect();
        }
        table.row(cells);
    }
    table
}

/// One exchange, cell by cell.
#[must_use]
pub fn exchange_cells(exchange: &ExchangeView) -> [String; 6] {
    let text = |name: &str| exchange.detail.get(name).and_then(|v| v.as_str()).unwrap_or("");
    [
        when(exchange.at),
        exchange.account.clone(),
        format!("{} {}", text("method"), text("url_template")),
        exchange.status.map_or_else(|| text("failure").to_owned(), |s| s.to_string()),
        text("vendor_request_id").to_owned(),
        text("request_digest").to_owned(),
    ]
}

/// One entry of the journal in words.
#[derive(Debug, Serialize)]
pub struct EventJson {
    pub at: efface_core::Timestamp,
    pub actor: String,
    pub event: String,
}

/// One entry in words; `called` says how a task is called there.
pub fn event(entry: &ReadEntry, called: impl Fn(TaskId) -> String) -> EventJson {
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
        About::WatchMoved { event, watches, .. } => {
            let at: Vec<&str> = watches.iter().map(|w| w.account.as_str()).collect();
            format!("{event}, at {}", at.join(", "))
        }
        About::RecordEnded { .. } => "the record ended by retention".to_owned(),
        About::ImportTaken { import, .. } => format!("import {import} taken"),
        About::KeyChanged { key, change, .. } => format!("{key} {change}"),
        About::SuppressionMoved { event, entry, .. } => {
            format!("suppression list: entry {} ({}) {event}", entry.id, entry.scope)
        }
        About::ListScanned { event, scan, found } => format!(
            "{event}: {} people of {} seen on {} pages, {} put on the desk",
            scan.tally.people,
            scan.account,
            scan.pages,
            found.len()
        ),
        About::LogBegun { log, leaves, .. } => {
            format!("the log goes on as {log} after leaf {leaves}: the database was set back")
        }
        About::Restored { change, by } => format!("{change}, by {by}"),
        About::Note { text } => text.clone(),
    };
    let moved: Vec<String> =
        entry.changes.iter().map(|c| format!("{}: {}", called(c.task), c.event)).collect();
    let event = if moved.is_empty() { event } else { format!("{event} [{}]", moved.join("; ")) };
    EventJson { at: entry.at, actor: entry.actor.clone(), event }
}

//! The record for people, as HTML and as PDF: what a pack says, and what it does not prove.

mod html;
mod pdf;

use std::collections::BTreeMap;

use anyhow::Result;
use efface_core::{
    Outcome, TaskId, Timestamp,
    journal::{Leaf, ReadEntry, TaskChange},
};
use efface_ledger::pack::{LIMITS, PackedLeaf, TITLE};
use efface_store::{ExchangeView, TaskView};

use super::export::Material;
use crate::{
    history::{EXCHANGE_HEAD, event, exchange_cells},
    print::{maybe_when, when},
    show::{TaskJson, evidence_line, head},
};

/// What a record is made of.
enum Block {
    Heading(String),
    Paragraph(String),
    /// What has to be known to read the rest.
    Note(String),
    Small(String),
    Verbatim(String),
    List(Vec<String>),
    Facts(Vec<(&'static str, String)>),
    Table {
        head: Vec<&'static str>,
        rows: Vec<Vec<String>>,
    },
}

/// The record in both forms.
pub struct Record {
    pub html: String,
    pub pdf: Vec<u8>,
}

#[derive(Default)]
struct Page(Vec<Block>);

impl Page {
    fn heading(&mut self, text: &str) {
        self.0.push(Block::Heading(text.to_owned()));
    }

    fn paragraph(&mut self, text: &str) {
        self.0.push(Block::Paragraph(text.to_owned()));
    }

    fn table(&mut self, head: &[&'static str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            return self.paragraph(empty);
        }
        self.0.push(Block::Table { head: head.to_vec(), rows });
    }
}

/// The whole record.
///
/// # Errors
/// When a leaf cannot be read.
pub fn record(material: &Material, now: Timestamp) -> Result<Record> {
    let mut page = Page::default();
    let version = env!("CARGO_PKG_VERSION");
    let made = format!("Made by efface {version} on {}; times are UTC.", when(now));
    page.0.push(Block::Small(made));
    request(&mut page, material, now);
    tasks(&mut page, material);
    exchanges(&mut page, material);
    history(&mut page, material)?;
    proof(&mut page, material);
    Ok(Record { html: html::write(TITLE, &page.0), pdf: pdf::write(TITLE, &page.0) })
}

fn request(page: &mut Page, material: &Material, now: Timestamp) {
    page.heading("The request");
    let mut facts = head(&material.request, now);
    facts.push(("requester", material.request.relation.word().to_owned()));
    page.0.push(Block::Facts(facts));
    match &material.opening {
        None => page.paragraph("No identifier of the person is opened in this record. What people wrote themselves (channel, reasons, notes, proofs) stands in it as they wrote it."),
        Some(opening) => page.paragraph(&format!(
            "This record was made for the holder of one {} of the person: opening.json lets that holder check that the request was filed about it.",
            opening.kind
        )),
    }
}

fn tasks(page: &mut Page, material: &Material) {
    page.heading("What became of it, account by account");
    page.0.push(Block::Note("Until it is confirmed, nothing is called erased. Instructed: the vendor was told. Accepted: it took the request on. Confirmed: it says that it is done. Verified: looked for again, and not there any more. Attested: a named person says that it is done, and left a proof.".into()));
    let views = &material.view.tasks;
    if let Some(line) = evidence_line(views) {
        page.paragraph(&format!("Evidence of the tasks that ended: {line}."));
    }
    let open = views.iter().filter(|view| !view.row.task.state.is_settled()).count();
    if open > 0 {
        page.paragraph(&format!("{open} of {} are not ended yet.", views.len()));
    }
    let head = ["account", "action", "outcome", "evidence", "since", "promised by", "in words"];
    let row = |view: &TaskView| {
        let task = TaskJson::of(view);
        let account = match task.connector.as_str() {
            "" => task.account,
            connector if connector == task.account => task.account,
            connector => format!("{} ({connector})", task.account),
        };
        let words = match view.row.task.state.outcome() {
            Some(Outcome::NotFound) => "the vendor knows nobody by what it was asked for".into(),
            _ => task.detail,
        };
        vec![
            account,
            task.action.to_owned(),
            task.outcome.unwrap_or(task.state).to_owned(),
            task.evidence.to_owned(),
            when(task.since),
            maybe_when(task.promised_by),
            words,
        ]
    };
    page.table(&head, views.iter().map(row).collect(), "No task was planned at any account.");
}

fn exchanges(page: &mut Page, material: &Material) {
    page.heading("What was exchanged with the vendors");
    let mut exchanges: Vec<&ExchangeView> = material.exchanges.iter().map(|(_, e)| e).collect();
    exchanges.sort_by_key(|exchange| exchange.at);
    let rows = exchanges.into_iter().map(|exchange| exchange_cells(exchange).to_vec());
    page.table(&EXCHANGE_HEAD, rows.collect(), "Nothing was exchanged with any vendor.");
    if !material.exchanges.is_empty() {
        page.0.push(Block::Small("One order carries many people, and all of its calls stand here. A body digest is keyed: it tells two bodies apart and nothing about a person.".into()));
    }
}

fn history(page: &mut Page, material: &Material) -> Result<()> {
    page.heading("What was decided and done");
    let tasks = material.view.tasks.iter().map(|view| &view.row.task);
    let names: BTreeMap<TaskId, String> =
        tasks.map(|task| (task.id, format!("{} at {}", task.action, task.account))).collect();
    let called = |id: TaskId| names.get(&id).cloned().unwrap_or_else(|| id.to_string());
    let mut rows = vec![];
    for leaf in &material.leaves {
        let told = event(&entry(leaf)?, called);
        rows.push(vec![when(told.at), told.event, told.actor, leaf.index.to_string()]);
    }
    page.table(&["when", "what", "who", "leaf"], rows, "Nothing.");
    Ok(())
}

/// The entry with those of its items that are this request's.
fn entry(packed: &PackedLeaf) -> Result<ReadEntry> {
    let Leaf { id, at, actor, about, .. } = Leaf::read(&packed.body)?;
    let lines = packed.items.iter().map(|item| TaskChange::read(id, &item.line));
    Ok(ReadEntry { id, at, actor, about, changes: lines.collect::<Result<_, _>>()? })
}

fn proof(page: &mut Page, material: &Material) {
    let row = &material.signed.row;
    page.heading("How this can be checked");
    page.paragraph(&format!(
        "Each line of the history above is a leaf of a journal whose first {} leaves were signed on {}. With the log's verifier key, anybody can check the pack without the one who made it:",
        row.size,
        when(row.at)
    ));
    page.0.push(Block::Verbatim("efface verify PACK --key VKEY".into()));
    page.paragraph("The key is this one; whoever checks gets it from the controller by another way than this pack.");
    page.0.push(Block::Verbatim(material.key.clone()));
    page.paragraph("The signed checkpoint:");
    page.0.push(Block::Verbatim(row.note.trim_end().into()));
    page.heading("What it does not prove");
    page.0.push(Block::List(LIMITS.map(str::to_owned).to_vec()));
}

//! `record.html`: the pack for people. One file without script or outside parts; all that is filled
//! in is escaped.

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

const STYLE: &str = "
body{font:15px/1.45 Georgia,'Times New Roman',serif;color:#111;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .4rem;border-bottom:1px solid #999;break-after:avoid}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem .25rem 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere}
thead{display:table-header-group}tr{break-inside:avoid}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}
pre,code{font:12px/1.4 ui-monospace,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
pre{border:1px solid #bbb;padding:.6rem}.note{border-left:3px solid #111;padding-left:.8rem}.small{color:#555;font-size:.85rem}
@page{margin:18mm}@media print{body{margin:0;max-width:none;font-size:11pt}}
";

/// Grows by escaped text and our own markup alone.
#[derive(Default)]
struct Page(String);

impl Page {
    /// Our own markup, which holds nothing from outside.
    fn markup(&mut self, html: &'static str) {
        self.0.push_str(html);
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    fn heading(&mut self, text: &str) {
        self.markup("<h2>");
        self.text(text);
        self.markup("</h2>\n");
    }

    fn paragraph(&mut self, text: &str) {
        self.markup("<p>");
        self.text(text);
        self.markup("</p>\n");
    }

    fn verbatim(&mut self, text: &str) {
        self.markup("<pre>");
        self.text(text);
        self.markup("</pre>\n");
    }

    fn facts<'a>(&mut self, facts: impl IntoIterator<Item = (&'a str, String)>) {
        self.markup("<dl>\n");
        for (name, value) in facts {
            self.markup("<dt>");
            self.text(name);
            self.markup("</dt><dd>");
            self.text(&value);
            self.markup("</dd>\n");
        }
        self.markup("</dl>\n");
    }

    fn table(&mut self, head: &[&str], rows: Vec<Vec<String>>, empty: &str) {
        if rows.is_empty() {
            return self.paragraph(empty);
        }
        self.markup("<table><thead><tr>");
        for name in head {
            self.markup("<th>");
            self.text(name);
            self.markup("</th>");
        }
        self.markup("</tr></thead><tbody>\n");
        for row in rows {
            self.markup("<tr>");
            for cell in row {
                self.markup("<td>");
                self.text(&cell);
                self.markup("</td>");
            }
            self.markup("</tr>\n");
        }
        self.markup("</tbody></table>\n");
    }
}

/// The whole page.
///
/// # Errors
/// When a leaf cannot be read.
pub fn page(material: &Material, now: Timestamp) -> Result<String> {
    let mut page = Page::default();
    page.markup("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.markup("<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    page.text(TITLE);
    page.markup("</title>\n<style>");
    page.markup(STYLE);
    page.markup("</style></head><body>\n<h1>");
    page.text(TITLE);
    page.markup("</h1>\n<p class=\"small\">");
    let version = env!("CARGO_PKG_VERSION");
    page.text(&format!("Made by efface {version} on {}; times are UTC.", when(now)));
    page.markup("</p>\n");
    request(&mut page, material, now);
    tasks(&mut page, material);
    exchanges(&mut page, material);
    history(&mut page, material)?;
    proof(&mut page, material);
    page.markup("</body></html>\n");
    Ok(page.0)
}

fn request(page: &mut Page, material: &Material, now: Timestamp) {
    page.heading("The request");
    let mut facts = head(&material.request, now);
    facts.push(("requester", material.request.relation.word().to_owned()));
    page.facts(facts);
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
    page.markup("<p class=\"note\">");
    page.text("Until it is confirmed, nothing is called erased. Instructed: the vendor was told. Accepted: it took the request on. Confirmed: it says that it is done. Verified: looked for again, and not there any more. Attested: a named person says that it is done, and left a proof.");
    page.markup("</p>\n");
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
        page.markup("<p class=\"small\">");
        page.text(
            "One order carries many people, and all of its calls stand here. A body digest is keyed: it tells two bodies apart and nothing about a person.",
        );
        page.markup("</p>\n");
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
    page.verbatim("efface verify PACK --key VKEY");
    page.paragraph("The key is this one; whoever checks gets it from the controller by another way than this pack.");
    page.verbatim(&material.key);
    page.paragraph("The signed checkpoint:");
    page.verbatim(row.note.trim_end());
    page.heading("What it does not prove");
    page.markup("<ul>\n");
    for limit in LIMITS {
        page.markup("<li>");
        page.text(limit);
        page.markup("</li>\n");
    }
    page.markup("</ul>\n");
}

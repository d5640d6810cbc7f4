//! `efface request mark-in-error`: freezes what can be frozen and prints an incident sheet: what was
//! sent where, what can be recalled, what to tell whom.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{
    Timestamp,
    request::Request,
    task::{self, Queue, Recall, TaskState, WaitsOn},
};
use efface_store::RequestView;
use serde::Serialize;

use crate::{
    exit::Exit,
    print::{self, Table, maybe_when, say},
    show::{TaskJson, head},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface request mark-in-error 0193… --reason 'wrong customer: ticket 12 named another person'

The request is put on hold and nothing of it is forgotten while the mark stands.";

/// `efface request mark-in-error`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// What went wrong
    #[arg(long)]
    reason: String,
}

/// The sheet.
#[derive(Debug, Serialize)]
struct Sheet {
    request: String,
    state: String,
    reason: String,
    marked_at: Option<Timestamp>,
    tasks: Vec<Line>,
    to_do: Vec<String>,
}

/// What happened at one account.
#[derive(Debug, Serialize)]
struct Line {
    account: String,
    connector: String,
    action: &'static str,
    state: String,
    evidence: &'static str,
    /// Whether anything that changes something left for the vendor.
    sent: bool,
    first_call_at: Option<Timestamp>,
    calls: usize,
    /// Whether the vendor offers to take an accepted order back.
    can_be_recalled: bool,
    /// Whether the vendor is being asked to.
    is_asked_back: bool,
    reversibility: &'static str,
    /// What the vendor keeps, and might restore from.
    vendor_keeps: Vec<&'static str>,
}

impl Line {
    const fn recall(&self) -> &'static str {
        match (self.is_asked_back, self.can_be_recalled) {
            (true, _) => "asked for",
            (false, true) => "offered",
            (false, false) => "not offered",
        }
    }
}

/// Whether what is out may still be given back: it has not ended, and was not asked for in vain.
const fn may_go_back(state: &TaskState) -> bool {
    match state {
        TaskState::Sending { .. } | TaskState::Unknown { .. } => true,
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => {
            !matches!(recall, Recall::InVain | Recall::InDoubt)
        }
        TaskState::Waiting { on: WaitsOn::Promise { .. }, .. }
        | TaskState::Blocked { .. }
        | TaskState::Ready { .. }
        | TaskState::Confirmed { .. }
        | TaskState::Desk { .. }
        | TaskState::Settled { .. } => false,
    }
}

/// # Errors
/// When there is no such request.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    context.store.mark_in_error(id, &args.reason, &context.actor).await?;
    let view = context.store.request(id).await?;
    let lines = lines(context, &view).await?;
    let sheet = Sheet {
        request: id.to_string(),
        state: view.request.state.describe(),
        reason: args.reason.clone(),
        marked_at: view.request.in_error.as_ref().map(|e| e.at),
        to_do: to_do(&view.request, &lines),
        tasks: lines,
    };
    if context.json {
        print::json(&sheet)?;
        return Ok(Exit::Done);
    }
    say!("INCIDENT SHEET\n");
    print::pairs(&head(&view.request, context.now()))?;
    say!("");
    table(&sheet.tasks).print("no account was concerned")?;
    say!("\nwhat to do");
    for (n, step) in (1..).zip(&sheet.to_do) {
        say!("  {n}. {step}");
    }
    Ok(Exit::Done)
}

async fn lines(context: &Context, view: &RequestView) -> Result<Vec<Line>> {
    let mut lines = vec![];
    for task in &view.tasks {
        let json = TaskJson::of(task);
        let row = &task.row.task;
        let exchanges = context.store.exchanges(row.id).await?;
        let manifest = context.spec(&row.account).map(|s| &s.manifest);
        lines.push(Line {
            account: json.account,
            connector: json.connector,
            action: json.action,
            state: json.outcome.unwrap_or(json.state).to_owned(),
            evidence: json.evidence,
            sent: row.sent,
            first_call_at: exchanges.iter().map(|e| e.at).min(),
            calls: exchanges.len(),
            can_be_recalled: manifest.is_some_and(|m| m.recalls) && may_go_back(&row.state),
            is_asked_back: task::queue(row).0 == Queue::Recall,
            reversibility: manifest
                .and_then(|m| m.action(row.action))
                .map_or("unknown", |card| card.reversibility.word()),
            vendor_keeps: manifest.map_or_else(Vec::new, |m| m.keeps.to_vec()),
        });
    }
    Ok(lines)
}

fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&[
        "account",
        "action",
        "sent",
        "first call",
        "stands at",
        "evidence",
        "recall",
        "reversible",
    ]);
    for line in lines {
        table.row([
            line.account.clone(),
            line.action.to_owned(),
            if line.sent { "yes" } else { "no" }.to_owned(),
            maybe_when(line.first_call_at),
            line.state.clone(),
            line.evidence.to_owned(),
            line.recall().to_owned(),
            line.reversibility.replace('_', " "),
        ]);
    }
    table
}

/// What a person has to do now, in order.
fn to_do(request: &Request, lines: &[Line]) -> Vec<String> {
    let id = request.id;
    let mut steps = vec![];
    let sent: Vec<&Line> = lines.iter().filter(|l| l.sent).collect();
    if sent.is_empty() {
        steps.push("nothing was sent to any vendor: no data was changed by this request".into());
    }
    if !request.state.is_over() {
        steps.push(format!(
            "what was not sent is held; end the request: efface request cancel {id}"
        ));
    }
    for line in sent.iter().filter(|l| l.can_be_recalled && !l.is_asked_back) {
        steps.push(format!(
            "{}: the vendor may still take the order back; cancelling the request asks for it",
            line.account
        ));
    }
    for line in sent.iter().filter(|l| l.is_asked_back) {
        steps.push(format!(
            "{}: a running worker asks the vendor to take the order back; look whether it did: efface request show {id}",
            line.account
        ));
    }
    for line in sent.iter().filter(|l| l.reversibility == "by_lift") {
        steps.push(format!(
            "{}: a suppression can be lifted: efface request file --action lift …",
            line.account
        ));
    }
    for line in sent.iter().filter(|l| l.reversibility == "irreversible") {
        steps.push(format!("{}: call the vendor's support at once; some restore deleted records for a few days. It keeps: {}", line.account, print::list(&line.vendor_keeps)));
    }
    if !sent.is_empty() {
        steps.push("tell your data protection officer today: data destroyed by mistake is a personal data breach (GDPR Art. 4(12)); the authority may have to be told within 72 hours of your learning of it (Art. 33), the person without delay when the risk is high (Art. 34)".into());
        steps.push(format!("keep the record of each call: efface request show {id} --exchanges --history --json > incident-{id}.json"));
    }
    if request.told.is_some() {
        steps.push("the requester has been told an outcome: correct what they were told".into());
    }
    steps
}

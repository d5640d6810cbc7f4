//! `efface desk`: what waits for a person, and the person's decisions.

use anyhow::Result;
use clap::{
    Args as ClapArgs, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use efface_core::{
    DeskId, Timestamp,
    desk::{Choice, Reason},
};
use efface_store::{DeskRow, Error};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure},
    print::{self, Table, say, when},
    wiring::{Context, shortened},
};

/// What can be done at the desk.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what waits for a person, oldest first
    List(ListArgs),
    /// Show one item with what may be decided
    Show(ShowArgs),
    /// Decide
    Decide(DecideArgs),
}

/// `efface desk list`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  efface desk list\n  efface desk list --all --json")]
pub struct ListArgs {
    /// Closed items too
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// `efface desk show`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Example:\n  efface desk show 0193…")]
pub struct ShowArgs {
    /// The item
    id: String,
}

const AFTER_DECIDE: &str = "\
Examples:
  efface desk decide 0193… retry
  efface desk decide 0193… attest --note 'deleted by hand, screenshot in ticket 12'
  efface desk decide 0193… waive --note 'the account was closed last year'
  efface desk decide 0193… pick --candidate 2
  efface desk decide 0193… re-imported --note 'with the May list of the shop'
(returned-by-own-act, re-imported and never-erased say how a person came to be seen again; nothing is
sent for it: file a new request for whoever should go again)";

/// `efface desk decide`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER_DECIDE)]
pub struct DecideArgs {
    /// The item
    id: String,
    /// What you decide; `desk show` tells what is offered
    #[arg(value_parser = choice_parser())]
    choice: Choice,
    /// The reason of a waiver, the proof of an attestation, what an explanation rests on
    #[arg(long, default_value = "")]
    note: String,
    /// Which candidate is the person, counted from 1
    #[arg(long, value_name = "N", conflicts_with = "note")]
    candidate: Option<u32>,
}

fn choice_parser() -> impl TypedValueParser<Value = Choice> {
    PossibleValuesParser::new(Choice::ALL.iter().map(|c| c.word()))
        .try_map(|word| word.parse::<Choice>())
}

/// One item.
#[derive(Debug, Serialize)]
struct DeskJson {
    id: String,
    subject_kind: &'static str,
    subject: String,
    request: Option<String>,
    account: Option<String>,
    reason: &'static str,
    sentence: String,
    choices: Vec<&'static str>,
    candidates: Vec<String>,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    closed_by: Option<String>,
    closed_how: Option<String>,
}

impl DeskJson {
    fn of(row: &DeskRow) -> Self {
        let item = &row.item;
        let candidates = if let Reason::Choose { candidates } = &item.reason {
            candidates.clone()
        } else {
            vec![]
        };
        Self {
            id: item.id.to_string(),
            subject_kind: item.subject.kind(),
            subject: item.subject.id(),
            request: row.request.map(|r| r.to_string()),
            account: row.account.as_ref().map(ToString::to_string),
            reason: item.reason.word(),
            sentence: item.reason.sentence(),
            choices: item.reason.choices().iter().map(|c| c.word()).collect(),
            candidates,
            opened_at: item.opened_at,
            closed_at: item.closed.as_ref().map(|c| c.at),
            closed_by: item.closed.as_ref().map(|c| c.by.clone()),
            closed_how: item.closed.as_ref().map(|c| c.how.clone()),
        }
    }
}

/// # Errors
/// When there is no such item or the decision does not fit it.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::List(args) => list(context, &args).await,
        Command::Show(args) => show(context, &args).await,
        Command::Decide(args) => decide(context, &args).await,
    }
}

fn desk_id(text: &str) -> Result<DeskId, Error> {
    let missing = |_| Error::NotFound { what: "desk item", id: shortened(text), list: "desk" };
    text.parse().map_err(missing)
}

async fn list(context: &Context, args: &ListArgs) -> Result<Exit> {
    let rows = context.store.desk(!args.all, args.limit).await?;
    let items: Vec<DeskJson> = rows.iter().map(DeskJson::of).collect();
    if context.json {
        print::json(&items)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["item", "since", "account", "request", "reason", "what to do"]);
    for item in items {
        let told = item.closed_how.map_or(item.sentence, |how| format!("closed: {how}"));
        table.row([
            item.id,
            when(item.opened_at),
            item.account.unwrap_or_else(|| "-".into()),
            item.request.unwrap_or_else(|| "-".into()),
            item.reason.to_owned(),
            told,
        ]);
    }
    table.print("the desk is empty")?;
    Ok(Exit::Done)
}

async fn show(context: &Context, args: &ShowArgs) -> Result<Exit> {
    let row = context.store.desk_row(desk_id(&args.id)?).await?;
    let item = DeskJson::of(&row);
    if context.json {
        print::json(&item)?;
        return Ok(Exit::Done);
    }
    let mut lines = vec![
        ("item", item.id.clone()),
        ("about", format!("{} {}", item.subject_kind, item.subject)),
    ];
    lines.extend(item.account.map(|a| ("account", a)));
    lines.extend(item.request.map(|r| ("request", r)));
    lines.push(("since", when(item.opened_at)));
    lines.push(("reason", item.sentence));
    print::pairs(&lines)?;
    for (n, candidate) in (1..).zip(&item.candidates) {
        say!("  candidate {n}: {candidate}");
    }
    if let (Some(by), Some(how)) = (item.closed_by, item.closed_how) {
        say!("closed by {by}: {how}");
        return Ok(Exit::Done);
    }
    say!("\nyou may decide:");
    for choice in item.choices {
        let more = match choice {
            "attest" => " --note 'what was done, and where it can be seen'",
            "waive" => " --note 'why not'",
            "pick" => " --candidate N",
            _ => "",
        };
        say!("  efface desk decide {} {choice}{more}", item.id);
    }
    Ok(Exit::Done)
}

async fn decide(context: &Context, args: &DecideArgs) -> Result<Exit> {
    let id = desk_id(&args.id)?;
    let detail = match (args.choice, args.candidate) {
        (Choice::Pick, Some(n)) => n.to_string(),
        (Choice::Pick, None) => {
            return Err(Failure::usage("pick needs --candidate N")
                .hint(format!("`efface desk show {id}` numbers them"))
                .into());
        }
        (_, Some(_)) => return Err(Failure::usage("--candidate goes with pick alone").into()),
        (_, None) => args.note.clone(),
    };
    context.store.decide(id, args.choice, &detail, &context.actor).await?;
    let row = context.store.desk_row(id).await?;
    let item = DeskJson::of(&row);
    if context.json {
        print::json(&item)?;
    } else {
        say!("decided: {}", args.choice);
    }
    Ok(Exit::Done)
}

//! `efface task`: one request × account × action.

use anyhow::Result;
use clap::{
    Args as ClapArgs, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser as _},
};
use efface_core::TaskId;
use efface_store::Error;
use serde_json::json;

use crate::{
    exit::Exit,
    history::exchange_table,
    print::{self, Table, say, when},
    show::TaskJson,
    wiring::{Context, shortened},
};

const STATES: [&str; 8] =
    ["blocked", "ready", "sending", "unknown", "waiting", "confirmed", "desk", "settled"];

/// What can be done with tasks.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List tasks, earliest deadline first
    List(ListArgs),
    /// Show one task with what was exchanged
    Show(IdArgs),
    /// Put a task from the desk back into its lane
    Retry(IdArgs),
    /// End a task without doing it, with a reason
    Waive(WaiveArgs),
    /// Record that a task was done by hand, with a proof
    Attest(AttestArgs),
}

/// `efface task list`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  efface task list --state desk\n  efface task list --account crm-eu --json"
)]
pub struct ListArgs {
    /// Only tasks in this state
    #[arg(long, value_parser = PossibleValuesParser::new(STATES).map(|w| w))]
    state: Option<String>,
    /// Only this account's
    #[arg(long)]
    account: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

/// A task's id.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  efface task show 0193…\n  efface task retry 0193…")]
pub struct IdArgs {
    /// The task
    id: String,
}

/// `efface task waive`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface task waive 0193… --reason 'the contract with this vendor ended'"
)]
pub struct WaiveArgs {
    /// The task
    id: String,
    /// Why it is not done
    #[arg(long)]
    reason: String,
}

/// `efface task attest`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface task attest 0193… --proof 'deleted in the vendor’s console, ticket 12'"
)]
pub struct AttestArgs {
    /// The task
    id: String,
    /// What was done and where it can be seen
    #[arg(long)]
    proof: String,
}

/// # Errors
/// When there is no such task or it does not allow the move.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    let (store, by) = (&context.store, context.actor.as_str());
    match command {
        Command::List(args) => list(context, &args).await,
        Command::Show(args) => show(context, task_id(&args.id)?).await,
        Command::Retry(args) => {
            let id = task_id(&args.id)?;
            store.retry_task(id, by).await?;
            tell(context, id, "goes back into its lane").await
        }
        Command::Waive(args) => {
            let id = task_id(&args.id)?;
            store.waive_task(id, &args.reason, by).await?;
            tell(context, id, "is waived").await
        }
        Command::Attest(args) => {
            let id = task_id(&args.id)?;
            store.attest_task(id, &args.proof, by).await?;
            tell(context, id, "is attested").await
        }
    }
}

fn task_id(text: &str) -> Result<TaskId, Error> {
    let missing = |_| Error::NotFound { what: "task", id: shortened(text), list: "task" };
    text.parse().map_err(missing)
}

async fn tell(context: &Context, id: TaskId, done: &str) -> Result<Exit> {
    let task = TaskJson::of(&context.store.task(id).await?);
    if context.json {
        print::json(&task)?;
    } else {
        let state = task.outcome.unwrap_or(task.state);
        say!("task {id} ({} at {}) {done}; it is now {state}", task.action, task.account);
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, args: &ListArgs) -> Result<Exit> {
    let account = match &args.account {
        Some(text) => Some(context.account(text)?.spec.id.clone()),
        None => None,
    };
    let found =
        context.store.tasks(args.state.as_deref(), account.as_ref(), None, args.limit).await?;
    let tasks: Vec<TaskJson> = found.iter().map(TaskJson::of).collect();
    if context.json {
        print::json(&tasks)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "task", "account", "action", "state", "evidence", "deadline", "request", "detail",
    ]);
    for task in tasks {
        table.row([
            task.id,
            task.account,
            task.action.to_owned(),
            task.outcome.unwrap_or(task.state).to_owned(),
            task.evidence.to_owned(),
            when(task.deadline),
            task.request,
            task.detail,
        ]);
    }
    table.print("no task fits")?;
    Ok(Exit::Done)
}

async fn show(context: &Context, id: TaskId) -> Result<Exit> {
    let task = TaskJson::of(&context.store.task(id).await?);
    let exchanges = context.store.exchanges(id).await?;
    if context.json {
        print::json(&json!({ "task": task, "exchanges": exchanges }))?;
        return Ok(Exit::Done);
    }
    print::pairs(&[
        ("task", task.id),
        ("request", task.request),
        ("account", format!("{} ({})", task.account, task.connector)),
        ("action", task.action.to_owned()),
        ("state", task.outcome.unwrap_or(task.state).to_owned()),
        ("evidence", task.evidence.to_owned()),
        ("since", when(task.since)),
        ("next", print::maybe_when(task.next_at)),
        ("deadline", when(task.deadline)),
        ("step", task.step),
        ("failures", task.failures.to_string()),
        ("generation", task.generation.to_string()),
        ("detail", task.detail),
    ])?;
    say!("");
    let exchanges: Vec<_> = exchanges.into_iter().map(|e| (id.to_string(), e)).collect();
    exchange_table(&exchanges).print("nothing was exchanged with the vendor")?;
    Ok(Exit::Done)
}

//! `efface request cancel`: what was not sent never will be.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::task::{Recall, Task, TaskState, WaitsOn};

use super::tell;
use crate::{
    exit::Exit,
    print::{self, say},
    show::{RequestJson, TaskJson},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface request cancel 0193…

Before anything was sent the request ends here. After that the rest is not sent, and a running worker
asks each vendor that offers it to take back what is out. What is not taken back runs to its own end.

With --json: `request` as `request show` prints it, and `out`, the tasks that are out at a vendor and
run on; empty when nothing was sent. Where it is not empty the request goes on until they have ended.";

/// `efface request cancel`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
}

/// Whether the vendor is going to be asked for it; what is still out may be taken on first.
fn wanted_back(task: &Task) -> bool {
    let recall = match &task.state {
        TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } => recall,
        _ => return false,
    };
    matches!(recall, Recall::Wanted { .. })
}

/// # Errors
/// When the request is over.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let request = context.store.cancel(id, &context.actor).await?;
    if request.state.is_over() && !context.json {
        return tell(context, &request, "was cancelled; nothing was sent");
    }
    let view = context.store.request(id).await?;
    let out =
        view.tasks.iter().filter(|t| t.row.task.cancel_marked && !t.row.task.state.is_settled());
    let out: Vec<TaskJson> = out.map(TaskJson::of).collect();
    if context.json {
        let request = RequestJson::of(&view.request, context.now());
        print::json(&serde_json::json!({ "request": request, "out": out }))?;
        return Ok(Exit::Done);
    }
    say!(
        "request {id} was cancelled as far as it could be; {} already out:",
        print::count(out.len(), "task")
    );
    for task in &out {
        say!("  {}  {}  {}: {}", task.account, task.action, task.state, task.detail);
    }
    if view.tasks.iter().any(|t| wanted_back(&t.row.task)) {
        say!(
            "a running worker asks for what a vendor may take back; the rest runs to its own end:"
        );
        say!("efface request show {id}");
    } else {
        say!("these run to their own end: efface request show {id}");
    }
    Ok(Exit::Done)
}

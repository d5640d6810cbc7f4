//! `efface request plan`: what a request would do at each account. Nothing is filed or sent.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::{
    TaskAction,
    plan::PlannedTask,
    task::{Cause, TaskState},
};
use serde::Serialize;

use super::file::WishArgs;
use crate::{
    exit::Exit,
    print::{self, Table, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface request plan --email ada@example.org --action erase --proof 'account login'
  efface request plan --email ada@example.org --phone +442079460958 \\
      --action erase_and_suppress --scope marketing --json";

/// `efface request plan`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    #[command(flatten)]
    wish: WishArgs,
}

/// One line of the matrix.
#[derive(Debug, Serialize)]
pub struct PlanJson {
    pub account: String,
    pub connector: String,
    pub action: &'static str,
    /// `can_act`, `needs_identifier`, `not_supported` or `observe`.
    pub verdict: &'static str,
    pub why: String,
    pub side_effects: Vec<&'static str>,
}

/// # Errors
/// As filing.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let new = args.wish.read(context)?;
    let planned = context.store.plan(&new).await?;
    let lines: Vec<PlanJson> = planned.iter().map(|task| line(context, task)).collect();
    if context.json {
        print::json(&lines)?;
        return Ok(Exit::Done);
    }
    table(&lines).print(&format!(
        "no account is connected for controller {}: nothing would be done anywhere",
        new.controller
    ))?;
    let ready = lines.iter().filter(|l| l.verdict == "can_act").count();
    if !lines.is_empty() {
        say!("\n{ready} of {} can act. Nothing was filed.", print::count(lines.len(), "task"));
    }
    Ok(Exit::Done)
}

/// The matrix for eyes.
#[must_use]
pub fn table(lines: &[PlanJson]) -> Table {
    let mut table =
        Table::new(&["account", "connector", "action", "verdict", "why", "side effects"]);
    for line in lines {
        table.row([
            line.account.clone(),
            line.connector.clone(),
            line.action.to_owned(),
            line.verdict.replace('_', " "),
            line.why.clone(),
            print::list(&line.side_effects),
        ]);
    }
    table
}

fn line(context: &Context, task: &PlannedTask) -> PlanJson {
    let spec = context.spec(&task.account);
    let card = spec.and_then(|s| s.manifest.action(task.action));
    let verdict = verdict(task.action, &task.state);
    PlanJson {
        account: task.account.to_string(),
        connector: spec.map_or_else(String::new, |s| s.connector.to_string()),
        action: task.action.word(),
        verdict,
        why: task.why.clone(),
        side_effects: card
            .filter(|_| matches!(verdict, "can_act" | "needs_identifier"))
            .map(|c| c.side_effects.iter().map(|s| s.word()).collect())
            .unwrap_or_default(),
    }
}

/// One word for what a planned task can do.
#[must_use]
pub fn verdict(action: TaskAction, state: &TaskState) -> &'static str {
    match (action, state) {
        (TaskAction::LookUp, _) => "observe",
        (_, TaskState::Blocked { cause: Cause::MissingIdentifier { .. } }) => "needs_identifier",
        (_, TaskState::Settled { .. }) => "not_supported",
        (
            TaskAction::Resolve
            | TaskAction::Suppress
            | TaskAction::Erase
            | TaskAction::EraseAndSuppress
            | TaskAction::Lift,
            _,
        ) => "can_act",
    }
}

//! `efface request why`: what keeps a request open, or under watch once it is closed; since when, until
//! when, and who can help.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{
    exit::Exit,
    print::{self, Table, maybe_when, say, when},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface request why 0193…";

/// `efface request why`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
}

/// # Errors
/// When there is no such request.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let lines = context.store.why(id).await?;
    if context.json {
        print::json(&lines)?;
        return Ok(Exit::Done);
    }
    if lines.is_empty() {
        let request = context.store.request(id).await?.request;
        say!("nothing keeps it open: it is {}", request.state.describe());
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["account", "action", "state", "since", "next", "why", "who"]);
    for line in lines {
        table.row([
            line.account.unwrap_or_else(|| "(the request)".into()),
            line.action.unwrap_or_default(),
            line.state,
            when(line.since),
            maybe_when(line.next_attempt),
            line.reason,
            line.who,
        ]);
    }
    table.print("")?;
    Ok(Exit::Done)
}

//! `efface worker`: the hands alone.

use anyhow::Result;
use clap::Args as ClapArgs;

use crate::{
    args::GlobalArgs,
    exit::Exit,
    running::{self, Stop},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface worker

Several workers share the work of one PostgreSQL database; each needs a name of its own (worker.name,
by default the host's). SIGTERM or Ctrl-C lets the calls under way end; a second one ends at once.";

/// `efface worker`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {}

/// # Errors
/// When the database does not answer, or a worker of this name runs already.
pub async fn run(global: &GlobalArgs, _args: &Args) -> Result<Exit> {
    let context = Context::open(global).await?;
    let _traces = running::log(&context.settings)?;
    let stop = Stop::on_signals()?;
    running::work(&context, &stop).await?;
    Ok(Exit::Done)
}

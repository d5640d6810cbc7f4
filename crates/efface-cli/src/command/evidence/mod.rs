//! `efface evidence`: one request's record for whoever has to check it.

pub mod export;
mod record;

use anyhow::Result;
use clap::Subcommand;

use crate::{exit::Exit, wiring::Context};

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a request's evidence pack: its record, proofs, and what checks them
    Export(export::Args),
}

/// Carries a subcommand out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Export(args) => export::run(context, &args).await,
    }
}

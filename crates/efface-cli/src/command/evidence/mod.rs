//! `efface evidence`: the record of one request, of a period or of a sample, for whoever has to check it.

pub mod export;
mod period;
mod record;
pub mod sample;

use anyhow::Result;
use clap::Subcommand;

use crate::{exit::Exit, wiring::Context};

/// What can be done with evidence.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write the evidence pack of a request, or those of a period: record, proofs, and what checks them
    Export(export::Args),
    /// Draw requests of a period by lot, with the list they were drawn from and their packs
    Sample(sample::Args),
}

/// Carries a subcommand out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(context: &Context, command: Command) -> Result<Exit> {
    match command {
        Command::Export(args) => export::run(context, &args).await,
        Command::Sample(args) => sample::run(context, &args).await,
    }
}

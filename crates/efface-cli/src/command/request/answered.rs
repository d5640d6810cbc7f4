//! `efface request answered`: the person has been told; the statutory clock stops.

use anyhow::Result;
use clap::Args as ClapArgs;

use super::tell;
use crate::{exit::Exit, wiring::Context};

const AFTER: &str = "\
Example:
  efface request answered 0193… --notice 'e-mail of 2026-12-01, outcome: erased'";

/// `efface request answered`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// How and what the person was told
    #[arg(long)]
    notice: String,
}

/// # Errors
/// When it is on record already.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let request = context.store.answered(id, &args.notice, &context.actor).await?;
    tell(context, &request, "is on record as answered")
}

//! `efface request hold`: a legal hold, and its end. Nothing new is sent while it stands.

use anyhow::Result;
use clap::Args as ClapArgs;

use super::tell;
use crate::{exit::Exit, wiring::Context};

const AFTER: &str = "\
Examples:
  efface request hold 0193… --reason 'litigation 4 O 12/26'
  efface request hold 0193… --end";

/// `efface request hold`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// Why it is held
    #[arg(long, required_unless_present = "end", conflicts_with = "end")]
    reason: Option<String>,
    /// End the hold
    #[arg(long)]
    end: bool,
}

/// # Errors
/// When the request is over, held already or not held.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    match &args.reason {
        Some(reason) => {
            let request = context.store.hold(id, reason, &context.actor).await?;
            tell(context, &request, "is held: nothing new is sent")
        }
        None => {
            let request = context.store.end_hold(id, &context.actor).await?;
            tell(context, &request, "is not held any more")
        }
    }
}

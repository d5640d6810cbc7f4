//! `efface request identify`: a proof of who the person is.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::Proof;

use super::tell;
use crate::{exit::Exit, wiring::Context};

const AFTER: &str = "\
Example:
  efface request identify 0193… --proof 'answered from the address on file, 2026-11-22'

Every identifier stated so far counts as proved by it.";

/// `efface request identify`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// How the person showed to hold the identifiers
    #[arg(long, value_name = "HOW")]
    proof: String,
}

/// # Errors
/// When the request is over or identified already.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let proof = Proof { how: args.proof.clone(), by: context.actor.clone() };
    let request = context.store.identify(id, &proof).await?;
    tell(context, &request, "has its proof")
}

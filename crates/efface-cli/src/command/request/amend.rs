//! `efface request amend`: further identifiers. Nothing is ever taken away.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::Proof;

use super::tell;
use crate::{exit::Exit, identifiers::IdentifierArgs, wiring::Context};

const AFTER: &str = "\
Examples:
  efface request amend 0193… --user-id U-7
  efface request amend 0193… --email ada@example.net --proof 'confirmed by a link'

A request that was released is planned anew and needs its release again.";

/// `efface request amend`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    #[command(flatten)]
    identifiers: IdentifierArgs,
    /// How the person showed to hold them
    #[arg(long, value_name = "HOW")]
    proof: Option<String>,
}

/// # Errors
/// When the request is over or the guard list refuses an identifier.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let controller = context.store.request(id).await?.request.controller;
    let identifiers = args.identifiers.read_some(context, &controller)?;
    let proof =
        args.proof.as_ref().map(|how| Proof { how: how.clone(), by: context.actor.clone() });
    let request = context.store.amend(id, identifiers, proof.as_ref(), &context.actor).await?;
    tell(context, &request, "was amended")
}

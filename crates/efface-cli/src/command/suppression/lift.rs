//! `efface suppression lift`: an entry is taken off the list, never without a record of the consent.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::LiftBegun;
use serde_json::json;

use super::entry_id;
use crate::{
    exit::Exit,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface suppression lift 0193… --consent 'sign-up form 2026-11-22, record 4711'

Where accounts were told, a request to lift is filed: it gives back what efface changed there, and the
entry stands until it has closed. Where nobody was told, the entry is lifted at once. What the entry
kept of the person is destroyed then. Name the record of the consent; write nothing about the person.";

/// `efface suppression lift`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The entry
    entry: String,
    /// The record of the person's new consent
    #[arg(long, value_name = "REFERENCE")]
    consent: String,
}

/// # Errors
/// When the consent says nothing, the entry is lifted, or the database cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = entry_id(&args.entry)?;
    let begun = context.store.lift(id, &args.consent, &context.actor).await?;
    let request = match &begun {
        LiftBegun::AtOnce => None,
        LiftBegun::By(request) => Some(request.to_string()),
    };
    if context.json {
        print::json(&json!({
            "entry": id.to_string(),
            "lifted": request.is_none(),
            "request": request,
        }))?;
        return Ok(Exit::Done);
    }
    match request {
        None => say!("entry {id} is lifted; no account had been told"),
        Some(request) => say!(
            "entry {id} is lifted when request {request} has closed\nnext: follow it: efface request show {request}"
        ),
    }
    Ok(Exit::Done)
}

//! `efface request deny`: a refusal, with the reason the person is told.

use anyhow::Result;
use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser},
};
use efface_core::request::DenialCode;

use super::tell;
use crate::{exit::Exit, wiring::Context};

const AFTER: &str = "\
Example:
  efface request deny 0193… --code identity_unverified --note 'no answer to three letters'

The statutory clock stops when the person has been told: efface request answered 0193… --notice '…'";

/// `efface request deny`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The request
    id: String,
    /// Why, in one of the words other systems know
    #[arg(long, value_parser = code_parser())]
    code: DenialCode,
    /// Why, in the words the person is told
    #[arg(long)]
    note: String,
}

fn code_parser() -> impl TypedValueParser<Value = DenialCode> {
    PossibleValuesParser::new(DenialCode::ALL.iter().map(|c| c.word()))
        .try_map(|word| word.parse::<DenialCode>())
}

/// # Errors
/// When the request is under way or over.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = context.store.resolve_request(&args.id).await?;
    let request = context.store.deny(id, args.code, &args.note, &context.actor).await?;
    tell(context, &request, "was denied")
}

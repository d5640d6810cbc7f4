//! `efface connector floor`: a named person's standing decision that less evidence is enough.

use anyhow::Result;
use clap::{
    Args as ClapArgs,
    builder::{PossibleValuesParser, TypedValueParser},
};
use efface_core::{EvidenceLevel, TaskAction};
use jiff::civil::Date;

use super::switch::tell;
use crate::{
    command::request::file::date,
    exit::{Exit, Failure},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface connector floor ads-eu --action erase --level accepted \\
      --reason 'the vendor offers no status; its contract promises 30 days' --review-on 2027-05-01

Without it a task that ends with less evidence than the vendor could give waits on the desk. Evidence
packs quote the decision.";

/// `efface connector floor`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    account: String,
    /// For which action
    #[arg(long, value_parser = action_parser())]
    action: TaskAction,
    /// What is enough
    #[arg(long, value_parser = level_parser())]
    level: EvidenceLevel,
    /// Why
    #[arg(long)]
    reason: String,
    /// When it is looked at again
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    review_on: Date,
}

fn action_parser() -> impl TypedValueParser<Value = TaskAction> {
    PossibleValuesParser::new(TaskAction::ALL.iter().map(|a| a.word()))
        .try_map(|word| word.parse::<TaskAction>())
}

fn level_parser() -> impl TypedValueParser<Value = EvidenceLevel> {
    PossibleValuesParser::new(EvidenceLevel::ALL.iter().map(|l| l.word()))
        .try_map(|word| word.parse::<EvidenceLevel>())
}

/// # Errors
/// When the account offers no such action, or the level is above what it can reach.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let id = &context.account(&args.account)?.spec.id;
    let review_on = args.review_on.to_string();
    if review_on <= context.now().utc_date() {
        return Err(Failure::usage(format!("--review-on {review_on} is not in the future")).into());
    }
    let done = context.store.set_floor(
        id,
        args.action,
        args.level,
        &args.reason,
        &review_on,
        &context.actor,
    );
    let row = done.await?;
    tell(
        context,
        &args.account,
        &row,
        &format!("takes {} for {} from now on", args.level, args.action),
    )
}

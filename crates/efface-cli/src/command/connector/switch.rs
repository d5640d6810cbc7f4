//! `efface connector observe`, `pause`, `resume`: an account's switches.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::AccountRow;

use super::AccountJson;
use crate::{
    exit::Exit,
    print::{self, say},
    wiring::Context,
};

/// `efface connector observe`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface connector observe crm-eu\n\nTasks that are out already run to their own end; new requests only look."
)]
pub struct ObserveArgs {
    /// The account
    account: String,
}

/// `efface connector pause`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface connector pause crm-eu --reason 'the vendor migrates until Friday'"
)]
pub struct PauseArgs {
    /// The account
    account: String,
    /// Why
    #[arg(long)]
    reason: String,
}

/// `efface connector resume`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface connector resume crm-eu\n\nEnds a pause, a refused key, wrong settings or a spent quota; a reached ceiling, where\ntoday's number is spent, is raised by its own size for today."
)]
pub struct ResumeArgs {
    /// The account
    account: String,
}

/// # Errors
/// When there is no such account.
pub async fn observe(context: &Context, args: &ObserveArgs) -> Result<Exit> {
    let id = &context.account(&args.account)?.spec.id;
    let row = context.store.observe_account(id, &context.actor).await?;
    tell(context, &args.account, &row, "only looks from now on")
}

/// # Errors
/// When there is no such account, or it is paused already.
pub async fn pause(context: &Context, args: &PauseArgs) -> Result<Exit> {
    let id = &context.account(&args.account)?.spec.id;
    let row = context.store.pause_account(id, &args.reason, &context.actor).await?;
    tell(context, &args.account, &row, "is paused: nothing new is sent")
}

/// # Errors
/// When there is no such account, or nothing holds it back.
pub async fn resume(context: &Context, args: &ResumeArgs) -> Result<Exit> {
    let id = &context.account(&args.account)?.spec.id;
    let row = context.store.resume_account(id, &context.actor).await?;
    tell(context, &args.account, &row, "goes on")
}

/// Tells how an account stands after a change.
pub(super) fn tell(context: &Context, name: &str, row: &AccountRow, done: &str) -> Result<Exit> {
    let built = context.account(name)?;
    let account = AccountJson::of(built, &row.condition, context.now());
    if context.json {
        print::json(&account)?;
    } else {
        say!("account {name} {done} (mode {}, {})", account.mode, account.condition());
    }
    Ok(Exit::Done)
}

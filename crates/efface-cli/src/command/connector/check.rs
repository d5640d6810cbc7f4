//! `efface connector check`: who we are at the vendor, what the key may do, when it ends.

use std::time::Duration;

use anyhow::Result;
use clap::Args as ClapArgs;
use serde_json::json;

use super::{probe, row};
use crate::{
    exit::Exit,
    print::{self, say},
    wiring::Context,
};

const AFTER: &str = "\
Example:
  efface connector check crm-eu

Asks the vendor once, through the account's lane. Where no worker is running, the lane runs here for
as long as it takes; work that is due there goes on meanwhile.";

/// `efface connector check`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The account
    account: String,
    /// Seconds to wait for the answer
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
}

/// # Errors
/// When there is no such account or nobody answers in time.
pub async fn run(context: &Context, args: &Args) -> Result<Exit> {
    let built = context.account(&args.account)?;
    let answer = probe(context, built, Duration::from_secs(args.wait)).await?;
    let pinned = row(context, &built.spec.id).await?.condition.pinned;
    let other = pinned.is_some() && answer.ok && answer.pin != pinned;
    let missing: Vec<String> = answer.missing_rights().into_iter().map(str::to_owned).collect();
    let good = answer.ok && !other && missing.is_empty();
    if context.json {
        print::json(&json!({
            "account": built.spec.id, "ok": good, "pinned": pinned, "other_account": other,
            "missing_rights": missing, "answer": answer,
        }))?;
    } else if let Some(error) = &answer.error {
        print::aside(format!("error: {}: {error}", built.spec.id));
        print::aside(format!("hint: {}", hint(error)));
    } else {
        answer.print(&built.spec.id)?;
        if other {
            print::aside(format!(
                "error: the key answers as another account than the one pinned ({})",
                pinned.unwrap_or_default()
            ));
            let id = &built.spec.id;
            print::aside(format!(
                "hint: if the key was changed on purpose: efface connector enable {id}"
            ));
        }
        if !missing.is_empty() {
            print::aside(format!("error: the key may not: {}", missing.join(", ")));
        }
        if good {
            say!("\nthe key works");
        }
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

/// What to look at first after a failed question.
#[must_use]
pub fn hint(error: &str) -> &'static str {
    if error.contains("refuses the key") {
        "put a valid key into the account's settings; `efface connector show` names the rights it needs"
    } else if error.contains("no connection") {
        "is the vendor reachable from this machine? A proxy is not used"
    } else {
        "compare the account's settings with `efface connector example`"
    }
}

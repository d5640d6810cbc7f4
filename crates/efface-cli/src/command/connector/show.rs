//! `efface connector show`: a vendor's card; of an account, the card as it is under its settings.

use anyhow::Result;
use clap::Args as ClapArgs;
use serde_json::json;

use super::{AccountJson, card, row};
use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    print::{self, say},
    wiring::{Context, directory},
};

const AFTER: &str = "\
Examples:
  efface connector show mailchimp        a vendor's card
  efface connector show crm-eu           an account: its card and how it stands";

/// `efface connector show`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// A connector or an account
    name: String,
}

/// # Errors
/// When it is neither.
pub async fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let opened = Context::open_without_vendors(global).await;
    let built = opened.as_ref().ok().and_then(|context| {
        let found = context.accounts.iter().find(|a| a.spec.id.as_str() == args.name)?;
        Some((context, found))
    });
    let Some((context, built)) = built else {
        let plugin = directory::plugin(&args.name).map_err(|_| unknown(&args.name, &opened))?;
        let manifest = (plugin.manifest)();
        if global.json {
            print::json(&json!({ "card": manifest, "account": null }))?;
        } else {
            card::print(&manifest)?;
        }
        return Ok(Exit::Done);
    };
    let condition = row(context, &built.spec.id).await?.condition;
    let account = AccountJson::of(built, &condition, context.now());
    if global.json {
        print::json(&json!({ "card": &*built.spec.manifest, "account": account }))?;
        return Ok(Exit::Done);
    }
    print::pairs(&[
        ("account", account.id.clone()),
        ("controller", account.controller.clone()),
        ("lane", account.lane.clone()),
        ("mode", account.mode.to_owned()),
        ("condition", account.condition()),
        ("pinned to", account.pinned.clone().unwrap_or_else(|| "-".into())),
        (
            "people left today",
            format!("{} of {}", account.people_left_today, account.people_per_day),
        ),
        ("not accepted yet", print::list(&account.not_accepted)),
    ])?;
    for floor in &account.floors {
        say!(
            "floor of {}: {} ({}, decided by {}, review on {})",
            floor.action,
            floor.level,
            floor.reason,
            floor.by,
            floor.review_on
        );
    }
    say!("");
    card::print(&built.spec.manifest)?;
    Ok(Exit::Done)
}

fn unknown(name: &str, opened: &Result<Context>) -> Failure {
    let accounts = opened.iter().flat_map(|c| c.accounts.iter().map(|a| a.spec.id.as_str()));
    let names = efface_registry::PLUGINS.iter().map(|p| p.id).chain(accounts);
    let near = directory::nearest(name, names);
    let failure = Failure::new(
        Exit::NotFound,
        format!("there is no connector or account `{name}`; `efface connector list` names them"),
    );
    match near {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure,
    }
}

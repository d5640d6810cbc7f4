//! `efface connector list`: the vendors there are, and the accounts connected to them.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_store::Store as _;
use serde_json::json;

use super::AccountJson;
use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, Table, say},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface connector list
  efface connector list --json

Works without settings and database: then the vendors alone are listed.";

/// `efface connector list`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {}

/// # Errors
/// When it cannot be printed.
pub async fn run(global: &GlobalArgs, _args: &Args) -> Result<Exit> {
    let (accounts, note) = match accounts(global).await {
        Ok(accounts) => (accounts, None),
        Err(error) => (vec![], Some(format!("{error:#}"))),
    };
    if global.json {
        let connectors: Vec<_> = efface_registry::PLUGINS
            .iter()
            .map(|plugin| {
                let card = (plugin.manifest)();
                let actions: Vec<&str> = card.actions.iter().map(|a| a.action.word()).collect();
                let effects: Vec<&str> = card.side_effects().iter().map(|s| s.word()).collect();
                json!({
                    "id": plugin.id, "title": card.title, "category": card.category,
                    "actions": actions, "side_effects": effects,
                })
            })
            .collect();
        print::json(&json!({ "connectors": connectors, "accounts": accounts, "note": note }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["connector", "vendor", "category", "actions", "side effects"]);
    for plugin in efface_registry::PLUGINS {
        let card = (plugin.manifest)();
        let actions: Vec<&str> = card.actions.iter().map(|a| a.action.word()).collect();
        table.row([
            plugin.id.to_owned(),
            card.title.to_owned(),
            card.category.to_owned(),
            print::list(&actions),
            print::list(&card.side_effects()),
        ]);
    }
    table.print("this binary holds no connectors")?;
    say!("");
    if let Some(note) = note {
        print::aside(format!("note: the accounts cannot be listed: {note}"));
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        "account",
        "connector",
        "controller",
        "mode",
        "condition",
        "people left today",
    ]);
    for one in accounts {
        let condition = one.condition();
        table.row([
            one.id,
            one.connector,
            one.controller,
            one.mode.to_owned(),
            condition,
            format!("{} of {}", one.people_left_today, one.people_per_day),
        ]);
    }
    table
        .print("no account is connected; `efface connector example NAME` prints what one needs")?;
    Ok(Exit::Done)
}

async fn accounts(global: &GlobalArgs) -> Result<Vec<AccountJson>> {
    let context = Context::open_without_vendors(global).await?;
    let rows = context.store.accounts().await?;
    let now = context.now();
    let one = |built: &crate::wiring::BuiltAccount| {
        let row = rows.iter().find(|r| r.id == built.spec.id)?;
        Some(AccountJson::of(built, &row.condition, now))
    };
    Ok(context.accounts.iter().filter_map(one).collect())
}

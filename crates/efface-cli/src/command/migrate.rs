//! `efface migrate`: creates or updates the schema, and makes the vault's roots where there are none.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_settings::VendorSecrets;
use serde_json::json;

use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, say},
    wiring::{OsChance, connect, load_settings_with, refuse_nowhere, safe},
};

const AFTER: &str = "\
Examples:
  efface migrate
  EFFACE__DATABASE__URL=postgres://efface@db/efface efface migrate

Safe to run again: what is there stays.";

/// `efface migrate`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {}

/// # Errors
/// When the database does not answer, is newer than this binary, or another key made it.
pub async fn run(global: &GlobalArgs, _args: &Args) -> Result<Exit> {
    let settings = load_settings_with(global, VendorSecrets::LeftAlone)?;
    // a database without its key would be of no use: the key is asked for first
    let master = match safe::master_key(&settings) {
        Ok(master) => master,
        Err(error) => {
            refuse_nowhere(global, &settings)?;
            return Err(error);
        }
    };
    let connection = connect(&settings, true).await?;
    let applied = connection.migrate().await?;
    let vault = safe::open_or_create(&connection, &master, &OsChance).await?;
    if global.json {
        print::json(&json!({ "applied": applied, "master_key": vault.master_id() }))?;
    } else if applied == 0 {
        say!("the schema is up to date");
    } else {
        say!("applied {}", print::count(applied, "migration"));
    }
    Ok(Exit::Done)
}

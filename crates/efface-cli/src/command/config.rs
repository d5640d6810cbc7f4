//! `efface config`: what is in force, and whether it fits.

use anyhow::Result;
use clap::{Args as ClapArgs, Subcommand};
use efface_settings::VendorSecrets;
use serde_json::json;

use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, say},
    wiring::{directory, load_settings, load_settings_with, safe, settings_file, settings_place},
};

/// What can be done with the settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print the settings in force, without secrets
    Show(ShowArgs),
    /// Check the settings, and build every account's connector
    Check(CheckArgs),
}

/// `efface config show`
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:\n  efface config show\n  efface config show --json")]
pub struct ShowArgs {}

/// `efface config check`
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Example:\n  efface --config /etc/efface.toml config check\n\nReads no database and calls no vendor; `efface doctor` and `efface connector check` do."
)]
pub struct CheckArgs {}

/// # Errors
/// When the settings cannot be loaded.
pub fn run(global: &GlobalArgs, command: &Command) -> Result<Exit> {
    match command {
        Command::Show(_) => show(global),
        Command::Check(_) => check(global),
    }
}

fn show(global: &GlobalArgs) -> Result<Exit> {
    let settings = load_settings_with(global, VendorSecrets::LeftAlone)?;
    if settings_file(global).is_none() {
        print::aside(format!("note: these are {}", settings_place(global)));
    }
    let shown = settings.redacted();
    if global.json {
        print::json(&shown)?;
    } else {
        say!("{}", toml::to_string_pretty(&shown)?);
    }
    Ok(Exit::Done)
}

fn check(global: &GlobalArgs) -> Result<Exit> {
    let settings = load_settings(global)?;
    let (accounts, mut problems) = directory::build_accounts(&settings);
    if let Err(more) = directory::directory(&settings, &accounts) {
        problems.extend(more.0);
    }
    let mut told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    told.extend(safe::master_key(&settings).err().map(|e| format!("{e:#}")));
    let mut notes = vec![];
    if settings.accounts.is_empty() {
        notes.push("no account is connected; `efface connector list` names the vendors".to_owned());
    }
    for id in settings.controllers.keys() {
        notes.extend(settings.controller_zone(id).err().map(|e| e.to_string()));
    }
    // said as a problem already where an account needs it
    notes.retain(|note| !told.contains(note));
    if global.json {
        let file = settings_file(global);
        print::json(
            &json!({ "file": file, "ok": told.is_empty(), "problems": told, "notes": notes }),
        )?;
    } else {
        for problem in &told {
            print::aside(format!("error: {problem}"));
        }
        for note in &notes {
            say!("note: {note}");
        }
        if told.is_empty() {
            let place = settings_place(global);
            say!(
                "{place}: the settings fit; {} connected",
                print::count(accounts.len(), "account")
            );
        }
    }
    Ok(if told.is_empty() { Exit::Done } else { Exit::Failed })
}

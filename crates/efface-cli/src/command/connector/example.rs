//! `efface connector example`: the section an account of a vendor needs, to be appended to the
//! settings.

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::AccountId;

use crate::{
    exit::{Exit, Failure},
    print::say,
    wiring::directory,
};

const AFTER: &str = "\
Examples:
  efface connector example mailchimp >> efface.toml
  efface connector example mailchimp --account newsletter-eu >> efface.toml";

/// `efface connector example`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The connector
    connector: String,
    /// How you call the account; it stands in every record [default: the connector's id]
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
}

/// # Errors
/// When there is no such connector.
pub fn run(args: &Args) -> Result<Exit> {
    let plugin = directory::plugin(&args.connector)
        .map_err(|why| Failure::new(Exit::NotFound, format!("the connector {why}")))?;
    let account = args.account.as_ref().map_or(plugin.id, AccountId::as_str);
    let effects = (plugin.manifest)().side_effects();
    say!("\n# {}", (plugin.manifest)().title);
    say!("[accounts.{account}]");
    say!("connector = \"{}\"", plugin.id);
    if !effects.is_empty() {
        let names: Vec<String> = effects.iter().map(|s| format!("\"{s}\"")).collect();
        say!(
            "# What it also does; remove the \"#\" to accept it, before `efface connector enable`."
        );
        say!("#accept_side_effects = [{}]", names.join(", "));
    }
    say!("\n[accounts.{account}.settings]");
    say!("{}", plugin.example.trim_end());
    Ok(Exit::Done)
}

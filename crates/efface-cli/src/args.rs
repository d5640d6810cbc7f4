//! The command line: one enum, one variant per subcommand.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::command;

const ABOUT: &str = "Carries out data-subject requests: erases or suppresses a person at every \
vendor that holds the person, keeps at it until it is done, and keeps the evidence.";

const AFTER: &str = "\
First steps:
  efface init                                write settings, key and database here
  efface connector list                      which vendors can be connected
  efface request plan --email ada@example.org --action erase
  efface serve                               the API and the worker

Exit codes:
  0  done
  1  an error; nothing or not everything was done
  2  the command line is wrong
  3  refused by a brake or a rule, or not confirmed
  4  there is no such request, task, account …
  5  waits for a person, or was not done within the time given

Settings come from --config, else EFFACE_CONFIG, else efface.toml in this folder; every one of them
can be overridden by a variable EFFACE__SECTION__KEY. `efface config show` prints what is in force.
Paths in the file are relative to its folder, paths in the environment to this one.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "efface", version, about = ABOUT, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Options every subcommand takes.
#[derive(Clone, Debug, Default, Args)]
pub struct GlobalArgs {
    /// The settings file [default: efface.toml if it exists]
    #[arg(long, global = true, env = "EFFACE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print JSON with stable field names instead of text
    #[arg(long, global = true)]
    pub json: bool,
}

/// What efface does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Carry out the main job on built-in stand-ins
    Demo(crate::demo::Demo),
    /// Write settings, a new key and a new database
    Init(command::init::Args),
    /// Create or update the database's schema
    Migrate(command::migrate::Args),
    /// Show or check the settings
    #[command(subcommand)]
    Config(command::config::Command),
    /// Plan, file and follow requests
    #[command(subcommand)]
    Request(Box<command::request::Command>),
    /// What waits for a person
    #[command(subcommand)]
    Desk(command::desk::Command),
    /// One request at one account
    #[command(subcommand)]
    Task(command::task::Command),
    /// One request's record, for whoever has to check it
    #[command(subcommand)]
    Evidence(command::evidence::Command),
    /// Check an evidence pack; needs no settings, no database and no network
    Verify(command::verify::Args),
    /// The journal's log: its key, its checkpoints, and whether it is whole
    #[command(subcommand)]
    Audit(command::audit::Command),
    /// The keys that requests are sealed under: copies, rotation, destruction
    #[command(subcommand)]
    Key(command::key::Command),
    /// Vendors and their accounts
    #[command(subcommand)]
    Connector(command::connector::Command),
    /// Who is to be left alone from now on
    #[command(subcommand)]
    Suppression(Box<command::suppression::Command>),
    /// Stop sending, at once
    Stop(command::stop::Args),
    /// Go on with a database that was set back to an older copy
    Restore(command::restore::Args),
    /// Run the API and a worker
    Serve(command::serve::Args),
    /// Run a worker alone
    Worker(command::worker::Args),
    /// Recurring jobs
    #[command(subcommand)]
    Schedule(command::schedule::Command),
    /// Examine the installation and say what to do
    Doctor(command::doctor::Args),
    /// Keys for the API
    #[command(subcommand)]
    ApiKey(command::api_key::Command),
    /// Print a completion script for a shell
    Completions(command::completions::Args),
}

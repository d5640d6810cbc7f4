//! `efface suppression`: who is to be left alone from now on, and whether every account knows.

pub mod add;
pub mod check;
pub mod export;
pub mod import;
pub mod lift;
pub mod list;
pub mod pending;
pub mod reconcile;

use anyhow::Result;
use clap::{
    Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use efface_core::{ControllerId, Scope, SuppressionId, Timestamp, deadline};
use efface_store::{Error, SuppressionView};
use jiff::civil::Date;
use serde::Serialize;

use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    wiring::{Context, shortened},
};

/// What can be done with the suppression list.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Put a person on the list
    Add(add::Args),
    /// Take an entry off the list, with a record of the person's consent
    Lift(lift::Args),
    /// Say whether people stand on the list
    Check(check::Args),
    /// List the entries, with the accounts that are not as they should be
    List(list::Args),
    /// Put the people of a file on the list
    Import(import::Args),
    /// Write the list as CSV
    Export(export::Args),
    /// Show which accounts were not told, and file what is missing
    Reconcile(reconcile::Args),
}

/// # Errors
/// With what stood in the way.
pub async fn run(global: &GlobalArgs, command: Command) -> Result<Exit> {
    match command {
        Command::Add(args) => add::run(&Context::open(global).await?, args).await,
        Command::Lift(args) => lift::run(&Context::open(global).await?, &args).await,
        Command::Import(args) => import::run(&Context::open(global).await?, &args).await,
        Command::Reconcile(args) => reconcile::run(&Context::open(global).await?, &args).await,
        Command::Check(args) => check::run(&looking(global).await?, &args).await,
        Command::List(args) => list::run(&looking(global).await?, &args).await,
        Command::Export(args) => export::run(&looking(global).await?, &args).await,
    }
}

/// For what files nothing.
async fn looking(global: &GlobalArgs) -> Result<Context> {
    Context::open_without_vendors(global).await
}

/// Reads a scope.
pub fn scope_parser() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.iter().map(|s| s.word()))
        .try_map(|word| word.parse::<Scope>())
}

/// An entry's id as typed.
///
/// # Errors
/// Not found, when it is no id at all.
fn entry_id(text: &str) -> Result<SuppressionId, Error> {
    let missing = |_| Error::NotFound { what: "entry", id: shortened(text), list: "suppression" };
    text.parse().map_err(missing)
}

/// The end of a day in the controller's zone.
fn end_of(context: &Context, controller: &ControllerId, day: Date) -> Result<Timestamp> {
    let zone = &context.store.controller(controller)?.zone;
    Ok(deadline::end_of(day, zone).map_err(|e| Failure::usage(format!("--expires-on: {e}")))?)
}

/// An entry without the person.
#[derive(Debug, Serialize)]
pub struct EntryJson {
    pub id: String,
    pub controller: String,
    pub scope: &'static str,
    pub kind: &'static str,
    pub reason: &'static str,
    pub state: &'static str,
    pub since: Timestamp,
    pub by: String,
    pub source: Option<String>,
    pub note: Option<String>,
    pub legal_basis: Option<String>,
    pub expires_at: Option<Timestamp>,
    pub drift: usize,
    pub accounts: Vec<AccountJson>,
}

/// What one account was told.
#[derive(Debug, Serialize)]
pub struct AccountJson {
    pub account: String,
    pub observed: &'static str,
    pub since: Option<Timestamp>,
    pub drifts: bool,
    /// Whether the entry names a kind of identifier that the account is keyed by.
    pub reachable: bool,
}

impl EntryJson {
    #[must_use]
    pub fn of(view: &SuppressionView) -> Self {
        let entry = &view.entry;
        let accounts = view.accounts.iter().map(|a| AccountJson {
            account: a.account.to_string(),
            observed: a.observed.word(),
            since: a.since,
            drifts: a.drifts,
            reachable: a.reachable,
        });
        Self {
            id: entry.id.to_string(),
            controller: entry.controller.to_string(),
            scope: entry.scope.word(),
            kind: entry.kind.word(),
            reason: entry.reason.word(),
            state: entry.state.word(),
            since: entry.since,
            by: entry.by.clone(),
            source: entry.source.map(|id| id.to_string()),
            note: entry.note.clone(),
            legal_basis: entry.legal_basis.clone(),
            expires_at: entry.expires_at,
            drift: view.drift(),
            accounts: accounts.collect(),
        }
    }
}

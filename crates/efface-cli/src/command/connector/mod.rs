//! `efface connector`: vendors, their cards, and the accounts at them.

pub mod backfill;
pub mod card;
pub mod check;
pub mod enable;
pub mod example;
pub mod floor;
pub mod list;
pub mod rehearse;
pub mod scan;
pub mod show;
pub mod switch;

use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use efface_core::{
    AccountId, Timestamp,
    account::{Condition, Mode},
    evidence::Evidence,
};
use efface_store::{AccountRow, ErrandKind, Store as _};
use serde::{Deserialize, Serialize};

use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, say},
    wiring::{BuiltAccount, Context, errand::wait_for_errand},
};

/// What can be done with vendors and accounts.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the vendors that can be connected, and the accounts that are
    List(list::Args),
    /// Show a vendor's card: what each call really does, how fast, what it leaves
    Show(show::Args),
    /// Print the settings an account of a vendor needs
    Example(example::Args),
    /// Ask the vendor who we are there and what the key may do
    Check(check::Args),
    /// Look people up at an account; nothing is filed or changed
    Rehearse(Box<rehearse::Args>),
    /// Make an account live
    Enable(enable::Args),
    /// Tell an account that was connected later of everybody on the suppression list
    Backfill(backfill::Args),
    /// Hold the vendor's own list of people against the suppression list
    Scan(scan::Args),
    /// Put an account back to look-ups only
    Observe(switch::ObserveArgs),
    /// Stop sending to an account
    Pause(switch::PauseArgs),
    /// End what holds an account back
    Resume(switch::ResumeArgs),
    /// Decide that less evidence is enough at an account
    Floor(floor::Args),
}

/// # Errors
/// With what stood in the way.
pub async fn run(global: &GlobalArgs, command: Command) -> Result<Exit> {
    match command {
        Command::List(args) => list::run(global, &args).await,
        Command::Show(args) => show::run(global, &args).await,
        Command::Example(args) => example::run(&args),
        Command::Check(args) => check::run(&Context::open(global).await?, &args).await,
        Command::Rehearse(args) => rehearse::run(&Context::open(global).await?, &args).await,
        Command::Enable(args) => enable::run(&Context::open(global).await?, &args).await,
        Command::Backfill(args) => backfill::run(&Context::open(global).await?, &args).await,
        Command::Scan(args) => scan::run(&Context::open(global).await?, &args).await,
        Command::Observe(args) => switch::observe(&looking(global).await?, &args).await,
        Command::Pause(args) => switch::pause(&looking(global).await?, &args).await,
        Command::Resume(args) => switch::resume(&looking(global).await?, &args).await,
        Command::Floor(args) => floor::run(&looking(global).await?, &args).await,
    }
}

/// For what calls no vendor.
async fn looking(global: &GlobalArgs) -> Result<Context> {
    Context::open_without_vendors(global).await
}

/// An account and how it stands.
#[derive(Debug, Serialize)]
pub struct AccountJson {
    pub id: String,
    pub connector: String,
    pub controller: String,
    pub lane: String,
    pub mode: &'static str,
    /// What holds its calls back, if anything does.
    pub held_back: Option<String>,
    pub held_back_until: Option<Timestamp>,
    /// The vendor's own id of the account, pinned when it was made live.
    pub pinned: Option<String>,
    pub people_per_day: u32,
    pub people_left_today: u32,
    pub ceiling_reached: bool,
    pub floors: Vec<FloorJson>,
    /// Side effects that must be accepted by name before it can go live.
    pub not_accepted: Vec<&'static str>,
}

/// A standing decision.
#[derive(Debug, Serialize)]
pub struct FloorJson {
    pub action: &'static str,
    pub level: &'static str,
    pub by: String,
    pub reason: String,
    pub review_on: String,
}

impl AccountJson {
    #[must_use]
    pub fn of(built: &BuiltAccount, condition: &Condition, now: Timestamp) -> Self {
        let (held_back, held_back_until) = match held_back(condition, now) {
            Some((why, until)) => (Some(why), until),
            None => (None, None),
        };
        let floor = |(action, decision): &(
            efface_core::TaskAction,
            efface_core::account::StandingDecision,
        )| FloorJson {
            action: action.word(),
            level: decision.level.word(),
            by: decision.by.clone(),
            reason: decision.reason.clone(),
            review_on: decision.review_on.clone(),
        };
        Self {
            id: built.spec.id.to_string(),
            connector: built.spec.connector.to_string(),
            controller: built.spec.controller.to_string(),
            lane: built.spec.lane.to_string(),
            mode: condition.mode.word(),
            held_back,
            held_back_until,
            pinned: condition.pinned.clone(),
            people_per_day: condition.ceiling.people_per_day,
            people_left_today: condition.ceiling_left(now),
            ceiling_reached: condition.ceiling_reached,
            floors: condition.floors.iter().map(floor).collect(),
            not_accepted: not_accepted(built),
        }
    }

    /// The mode and what holds it back, for a table.
    #[must_use]
    pub fn condition(&self) -> String {
        match (&self.held_back, self.held_back_until) {
            (Some(why), Some(until)) => format!("{why} (until {})", print::when(until)),
            (Some(why), None) => why.clone(),
            (None, _) => "ok".into(),
        }
    }
}

/// What holds an account's calls back, the ceiling included.
#[must_use]
pub fn held_back(condition: &Condition, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
    condition.stands_in_the_way(now).or_else(|| {
        let reached = condition.ceiling_reached && condition.mode == Mode::Live;
        reached.then(|| ("the daily ceiling of people is reached".to_owned(), None))
    })
}

/// Side effects of the card that the settings do not accept.
#[must_use]
pub fn not_accepted(built: &BuiltAccount) -> Vec<&'static str> {
    let all = built.spec.manifest.side_effects();
    all.into_iter().filter(|s| !built.accepted.contains(s)).map(|s| s.word()).collect()
}

/// The answer to a probe, as the lane writes it.
#[derive(Debug, Deserialize, Serialize)]
pub struct ProbeAnswer {
    pub ok: bool,
    pub account_id: Option<String>,
    pub account_name: Option<String>,
    /// What is pinned when the account is made live: its id there, else a digest of the key's name.
    #[serde(default)]
    pub pin: Option<String>,
    /// What the key may do: `(in the vendor's words, yes / no / cannot tell)`.
    pub may: Vec<(String, String)>,
    pub key_expires: Option<Timestamp>,
    pub evidence: Option<Evidence>,
    pub error: Option<String>,
}

impl ProbeAnswer {
    #[must_use]
    pub fn missing_rights(&self) -> Vec<&str> {
        self.may.iter().filter(|(_, may)| may == "no").map(|(what, _)| what.as_str()).collect()
    }

    /// # Errors
    /// When it cannot be printed.
    pub fn print(&self, account: &AccountId) -> Result<()> {
        let known = |text: &Option<String>| {
            text.clone().unwrap_or_else(|| "(the vendor does not tell)".into())
        };
        let mut lines = vec![
            ("account", account.to_string()),
            ("the vendor calls it", known(&self.account_name)),
            ("its id there", known(&self.account_id)),
        ];
        if let (None, Some(pin)) = (&self.account_id, &self.pin) {
            lines.push(("known again by", format!("{pin} (a digest of what names the key)")));
        }
        let expires = self
            .key_expires
            .map_or_else(|| "never, or the vendor does not tell".into(), print::when);
        lines.push(("the key ends", expires));
        print::pairs(&lines)?;
        for (what, may) in &self.may {
            say!("  may {what}: {may}");
        }
        Ok(())
    }
}

/// Asks the vendor who we are there.
///
/// # Errors
/// When nobody answers within `patience`.
pub async fn probe(
    context: &Context,
    built: &BuiltAccount,
    patience: Duration,
) -> Result<ProbeAnswer> {
    let id = context.store.send_errand(&built.spec.id, &ErrandKind::Probe, &[]).await?;
    let answer = wait_for_errand(context, id, &built.spec.lane, patience).await?;
    serde_json::from_str(&answer)
        .context("the worker's answer cannot be read; is it of another version?")
}

/// The account's row.
///
/// # Errors
/// When the database cannot be read.
pub async fn row(context: &Context, id: &AccountId) -> Result<AccountRow> {
    Ok(context.store.account(id).await?)
}

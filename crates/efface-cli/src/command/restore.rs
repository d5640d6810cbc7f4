//! `efface restore`: the way on for a database that was set back to an older copy. A new log begins,
//! what is saved beside the checkpoints is applied, and nothing leaves before a named person says so.

use std::path::Path;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::restore::Saved;
use efface_store::{EntriesAgain, LostHistory, RestoreRow, RestoreStage};
use efface_vault::MonthKeys as _;
use serde_json::json;

use crate::{
    args::GlobalArgs,
    ask,
    exit::{Exit, Failure},
    print::{self, leaves, say, when},
    running,
    wiring::{Context, KeyFolder, database_file, errand::spinner, fleet, saved},
};

const AFTER: &str = "\
Examples:
  efface restore              what is missing; asks before it begins
  efface restore --yes        begins at once, or goes on where it was interrupted
  efface restore --show       what was done, and what nothing covers
  efface restore --release    accounts send again

For a database whose log is behind the newest checkpoint in ledger.anchor_folder: it was restored from
a backup. The log goes on under a new name, and its first leaf holds the newest checkpoint of the one
before. Requests that had ended are ended, forgotten ones forgotten again, entries
of the suppression list known again by their tags. What may have been sent since
is sent once more only where a repeat does nothing; everything else waits on the desk. Every account is
paused until --release. Whatever is interrupted is gone on with by the same command.";

/// Requests gone through in one transaction.
const AT_ONCE: u32 = 200;

/// `efface restore`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// Show the last restoration
    #[arg(long, conflicts_with_all = ["release", "yes"])]
    show: bool,
    /// Let the accounts send again
    #[arg(long, conflicts_with = "yes")]
    release: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// # Errors
/// When the database is not behind, a worker lives on it, or the folder cannot be read.
pub async fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let context = Context::open_without_vendors(global).await?;
    if args.release {
        let row = context.store.release_restore(&context.actor).await?;
        tell(&context, &row, &[])?;
        return Ok(Exit::Done);
    }
    if args.show {
        let never = || Failure::new(Exit::NotFound, "this database was never set back");
        let row = context.store.last_restore().await?.ok_or_else(never)?;
        tell(&context, &row, &[])?;
        return Ok(Exit::Done);
    }
    restore(&context, args).await
}

async fn restore(context: &Context, args: &Args) -> Result<Exit> {
    let Some(folder) = context.settings.ledger.anchor_folder.as_deref() else {
        return Err(Failure::refused(
            "ledger.anchor_folder is not set, so nothing tells whether this database was set back",
        )
        .hint("set it to the folder in which the copies of the checkpoints lie")
        .into());
    };
    let warn = |odd: &str| print::aside(format!("warning: {odd}"));
    let open = context.store.open_restore().await?;
    match open.as_ref().map(|row| row.stage) {
        Some(RestoreStage::Applied) => {
            let message = "this database was restored already, and waits for its release";
            let hint = "`efface restore --show`, then `efface restore --release`";
            return Err(Failure::refused(message).hint(hint).into());
        }
        Some(RestoreStage::Begun | RestoreStage::Released) | None => {}
    }
    let _lock = alone(context).await?;
    let (row, saved) = match open {
        Some(row) => {
            let saved = saved::saved_since(&context.store, folder, &row, warn).await?;
            print::aside("going on with a restoration that was interrupted");
            (row, saved)
        }
        None => begin(context, args, folder, warn).await?,
    };
    months(context).await?;
    context.store.restore_keys(&saved, &context.actor).await?;
    let again = context.store.restore_entries(&saved, &context.actor).await?;
    entries_again(again);
    let row = go_through(context, row, &saved).await?;
    let lost = context.store.unknown_requests(&saved.filed).await?;
    let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
    tell(context, &row, &lost)?;
    Ok(Exit::Done)
}

async fn begin(
    context: &Context,
    args: &Args,
    folder: &Path,
    warn: impl Fn(&str),
) -> Result<(RestoreRow, Saved)> {
    let lost = saved::lost_history(&context.store, folder, warn).await?;
    let Some(lost) = lost else {
        let message = "this database is not behind its newest anchored checkpoint: there is nothing to restore";
        return Err(Failure::refused(message).into());
    };
    preview(context, &lost).await?;
    let question = "begin a new log, apply what is saved, and pause every account?";
    ask::confirm(question, args.yes)?;
    let row = context.store.begin_restore(&lost, &context.actor).await?;
    Ok((row, lost.saved))
}

async fn preview(context: &Context, lost: &LostHistory) -> Result<()> {
    let size = context.store.log_status().await?.size;
    let ended = lost.saved.requests.values().filter(|fate| fate.ended.is_some()).count();
    print::aside(format!(
        "the database has {}, its newest anchored checkpoint covers {}; saved since: {} filed, {} ended",
        leaves(size),
        lost.checkpoint.size,
        print::count(lost.saved.filed.len(), "request"),
        ended,
    ));
    Ok(())
}

/// No worker may be at work meanwhile; on SQLite none can begin.
async fn alone(context: &Context) -> Result<Option<std::fs::File>> {
    let name = fleet::worker_name(&context.settings);
    if database_file(&context.settings).is_some() {
        return Ok(Some(running::lock(&context.settings, &name)?));
    }
    let held = context.store.leases().await?;
    match held.first() {
        None => Ok(None),
        Some((_, owner, until)) => Err(Failure::refused(format!(
            "the worker {owner} is at work on this database until {} at least",
            when(*until)
        ))
        .hint("stop every worker first; one that was killed is gone when its lease ends")
        .into()),
    }
}

/// Months' keys that were made since the copy: the files are there, the register is not.
async fn months(context: &Context) -> Result<()> {
    let known = context.store.month_keys().await?;
    for month in KeyFolder::months_in(context.keys.folder())? {
        if known.iter().all(|row| row.month != month) {
            let key = context.keys.key(&month)?;
            context.store.claim_month(&month, &key.id(), &context.actor).await?;
        }
    }
    for row in known.iter().filter(|row| row.destroyed.is_none() && row.wraps > 0) {
        if context.keys.key(&row.month).is_err() {
            print::aside(format!(
                "warning: the key of {} is not in {}: {} sealed under it in this copy cannot be read; bring the file back if it was not destroyed",
                row.month,
                context.keys.folder().display(),
                print::count(usize::try_from(row.wraps).unwrap_or(usize::MAX), "request"),
            ));
        }
    }
    Ok(())
}

async fn go_through(context: &Context, row: RestoreRow, saved: &Saved) -> Result<RestoreRow> {
    let mut row = row;
    let progress = spinner("going through the requests");
    while row.stage == RestoreStage::Begun {
        row = context.store.restore_some(saved, AT_ONCE, &context.actor).await?;
    }
    progress.finish_and_clear();
    Ok(row)
}

fn tell(context: &Context, row: &RestoreRow, lost: &[String]) -> Result<()> {
    let RestoreRow { restore, stage, progress } = row;
    if context.json {
        return print::json(&json!({
            "stage": stage.word(), "restoration": restore, "progress": progress,
            "lost_requests": lost,
        }));
    }
    let released = match (&progress.released_by, progress.released_at) {
        (Some(by), Some(at)) => format!("{}, by {by}", when(at)),
        (Some(_) | None, _) => "no: every account is paused".into(),
    };
    let covers = format!("{} of {}", leaves(restore.leaves), restore.covered);
    print::pairs(&[
        ("begun", format!("{}, by {}", when(restore.begun_at), restore.begun_by)),
        ("older copy", format!("{covers}, last written {}", when(restore.copy_of))),
        ("log before", restore.before.clone()),
        ("log now", restore.log.clone()),
        ("ended on record", print::count(number(progress.ended), "request")),
        ("forgotten again", print::count(number(progress.forgotten), "request")),
        ("held again", print::count(number(progress.held), "request")),
        ("may be sent again", print::count(number(progress.harmless), "task")),
        ("on the desk", print::count(number(progress.desk), "task")),
        ("cannot be read", print::count(number(progress.unreadable), "request")),
        ("released", released),
    ])?;
    gap(row, lost)?;
    if *stage == RestoreStage::Applied {
        say!("");
        say!("look at what waits (`efface desk list`), then: efface restore --release");
    }
    Ok(())
}

/// What this run wrote of the list.
fn entries_again(again: EntriesAgain) {
    for (number, what) in [
        (again.written, "written again by its tags alone"),
        (again.completed, "completed by its tags"),
        (again.lifted, "lifted again"),
    ] {
        if number > 0 {
            let entries = if number == 1 { "entry" } else { "entries" };
            print::aside(format!("suppression list: {number} {entries} {what}"));
        }
    }
}

/// What nothing covers, and what to do about it.
fn gap(row: &RestoreRow, lost: &[String]) -> Result<()> {
    let restore = &row.restore;
    say!("");
    match restore.saved_until {
        Some(until) => say!(
            "nothing is saved from {} (the last anchored checkpoint) to the loss, at the latest {}",
            when(until),
            when(restore.begun_at)
        ),
        None => say!(
            "nothing is saved from {} (the older copy) to the loss, at the latest {}",
            when(restore.copy_of),
            when(restore.begun_at)
        ),
    }
    for (from, to) in &restore.uncovered {
        say!("nor of the leaves from {from} to {to}: no saved file lies beside their checkpoints");
    }
    say!(
        "in there may be: requests filed, releases, holds and cancellations, decisions of people,"
    );
    say!("answers told, pauses of accounts, revoked API keys, and whatever vendors were sent");
    say!("what to do: let every system that files do so again from {}:", when(restore.copy_of));
    say!(
        "what is here already is absorbed, the rest is filed; and look through the holds and pauses"
    );
    if restore.lost_requests > 0 {
        let count = print::count(number(restore.lost_requests), "request");
        say!("filed since the copy and not in this database: {count}");
        for id in lost.iter().take(20) {
            say!("  {id}");
        }
        if lost.len() > 20 {
            say!("  … all of them with --json");
        }
    }
    if !restore.suppressions.is_empty() {
        say!(
            "entries of the suppression list since the copy; those that were saved with their tags are back as"
        );
        say!(
            "hash-only ones (`efface suppression check` knows them), but no vendor can be told of them: what was"
        );
        say!("sealed is lost, so have them added again, and what is not on the list at all:");
        for (entry, event) in &restore.suppressions {
            say!("  {entry}  {event}");
        }
    }
    if !restore.accounts.is_empty() {
        say!("changed by people since the copy, and not changed again:");
        for change in &restore.accounts {
            say!("  {}  account {}: {}", when(change.at), change.what, change.change);
        }
    }
    Ok(())
}

fn number(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

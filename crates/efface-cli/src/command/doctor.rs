//! `efface doctor`: looks at everything an installation rests on, one line each, and says what to do.

use std::{path::Path, time::Duration};

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_core::account::Mode;
use efface_settings::Settings;
use efface_store::{Connection, RequestFilter, Store as _};
use serde::Serialize;

use super::connector::{held_back, not_accepted};
use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, say},
    wiring::{
        Context, connect, database_file, directory, load_settings, outside, safe, settings_file,
    },
};

const AFTER: &str = "\
Examples:
  efface doctor
  efface doctor --json

Ends with exit code 1 when something fails; warnings alone end with 0.";

/// Less free space than this stops the database soon.
const LEAST_FREE: u64 = 100 << 20;
/// Less than this deserves a look.
const LITTLE_FREE: u64 = 1 << 30;
/// Clocks further apart than this make deadlines and leases doubtful.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// `efface doctor`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct Finding {
    verdict: Verdict,
    what: String,
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn add(
        &mut self,
        verdict: Verdict,
        what: &str,
        found: impl Into<String>,
        advice: Option<&str>,
    ) {
        let advice = advice.map(str::to_owned);
        self.0.push(Finding { verdict, what: what.to_owned(), found: found.into(), advice });
    }

    fn ok(&mut self, what: &str, found: impl Into<String>) {
        self.add(Verdict::Ok, what, found, None);
    }

    fn warn(&mut self, what: &str, found: impl Into<String>, advice: &str) {
        self.add(Verdict::Warn, what, found, Some(advice));
    }

    fn fail(&mut self, what: &str, found: impl Into<String>, advice: &str) {
        self.add(Verdict::Fail, what, found, Some(advice));
    }
}

/// # Errors
/// When nobody reads it any more.
pub async fn run(global: &GlobalArgs, _args: &Args) -> Result<Exit> {
    let mut report = Report::default();
    examine(global, &mut report).await;
    let failed = report.0.iter().any(|f| f.verdict == Verdict::Fail);
    if global.json {
        print::json(&serde_json::json!({ "ok": !failed, "findings": report.0 }))?;
    } else {
        for finding in &report.0 {
            let word = match finding.verdict {
                Verdict::Ok => "ok  ",
                Verdict::Warn => "warn",
                Verdict::Fail => "fail",
            };
            let advice = finding.advice.as_ref().map(|a| format!(" → {a}")).unwrap_or_default();
            say!("{word}  {}: {}{advice}", finding.what, finding.found);
        }
    }
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Each part needs the one before it; the first that is missing ends the examination.
async fn examine(global: &GlobalArgs, report: &mut Report) {
    let file = settings_file(global);
    let shown =
        file.as_ref().map_or_else(|| "built-in defaults".into(), |f| f.display().to_string());
    let settings = match load_settings(global) {
        Ok(settings) => settings,
        Err(error) => {
            return report.fail(
                "settings",
                format!("{error:#}"),
                "correct them; `efface config check` looks again",
            );
        }
    };
    match file {
        Some(_) => report.ok("settings", shown),
        None => report.warn(
            "settings",
            "no file, the built-in defaults are in force",
            "`efface init` writes one",
        ),
    }
    zones(&settings, report);
    key(&settings, report);
    disk(&settings, report);
    let Some(connection) = database(&settings, report).await else { return };
    roots(&settings, &connection, report).await;
    let problems = directory::build_accounts(&settings).1;
    for problem in &problems {
        report.fail("accounts", problem.to_string(), "correct the settings");
    }
    if report.0.iter().any(|f| f.verdict == Verdict::Fail) {
        return;
    }
    match Context::assemble(settings, connection, global.json).await {
        Ok(context) => living(&context, report).await,
        Err(error) => report.fail("store", format!("{error:#}"), "see the lines above"),
    }
}

fn zones(settings: &Settings, report: &mut Report) {
    for id in settings.controllers.keys() {
        let what = format!("controller {id}");
        match settings.controller_zone(id) {
            Ok(zone) => report
                .ok(&what, format!("counts its days in {}", zone.iana_name().unwrap_or("UTC"))),
            Err(error) => {
                let needed = settings.accounts.values().any(|a| a.controller == *id);
                let verdict = if needed { Verdict::Fail } else { Verdict::Warn };
                report.add(
                    verdict,
                    &what,
                    error.to_string(),
                    Some("no request can be filed for it before"),
                );
            }
        }
    }
}

fn key(settings: &Settings, report: &mut Report) {
    match safe::master_key(settings) {
        Ok(_) => {}
        Err(error) => {
            return report.fail(
                "master key",
                format!("{error:#}"),
                "put the key file back from its copy; nothing can be read without it",
            );
        }
    }
    let Some(file) =
        settings.vault.master_key_file.as_deref().filter(|_| settings.vault.master_key.is_none())
    else {
        return report.ok("master key", "given by value or reference");
    };
    let shown = file.display();
    match outside::mode(file) {
        Some(mode) if mode & 0o077 != 0 => {
            report.warn(
                "master key",
                format!("{shown} may be read by its group (mode {mode:03o})"),
                &format!("chmod 600 {shown}"),
            );
        }
        Some(mode) => report
            .ok("master key", format!("{shown} (mode {mode:03o}); is there a copy elsewhere?")),
        None => report.ok("master key", shown.to_string()),
    }
}

fn disk(settings: &Settings, report: &mut Report) {
    let Some(file) = database_file(settings) else { return };
    let folder =
        file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let Some(free) = outside::free_bytes(folder) else { return };
    let found = format!("{} MiB free where the database lies", free >> 20);
    if free < LEAST_FREE {
        report.fail("disk", found, "make room; the database stops when it is full");
    } else if free < LITTLE_FREE {
        report.warn("disk", found, "make room soon");
    } else {
        report.ok("disk", found);
    }
}

async fn database(settings: &Settings, report: &mut Report) -> Option<Connection> {
    let connection = match connect(settings, false).await {
        Ok(connection) => connection,
        Err(error) => {
            report.fail(
                "database",
                format!("{error:#}"),
                "check database.url and whether the server runs",
            );
            return None;
        }
    };
    match connection.check_schema().await {
        Ok(()) => {
            report.ok(
                "database",
                if connection.is_sqlite() {
                    "SQLite, schema up to date"
                } else {
                    "PostgreSQL, schema up to date"
                },
            );
            Some(connection)
        }
        Err(error) => {
            report.fail("database", error.to_string(), "back it up, then `efface migrate`");
            None
        }
    }
}

async fn roots(settings: &Settings, connection: &Connection, report: &mut Report) {
    let opened = async { safe::open(connection, &safe::master_key(settings)?).await };
    match opened.await {
        Ok(vault) => report.ok("vault", format!("opens with this key ({})", vault.master_id())),
        Err(error) => report.fail(
            "vault",
            format!("{error:#}"),
            "each database has its own key; use the one it was made with",
        ),
    }
}

/// What only an opened store can tell.
async fn living(context: &Context, report: &mut Report) {
    match context.store.prove_writable().await {
        Ok(()) => report.ok("writing", "the database takes writes"),
        Err(error) => report.fail(
            "writing",
            error.to_string(),
            "check the file's owner and the space on the disk",
        ),
    }
    clock(context, report).await;
    accounts(context, report).await;
    worker(context, report).await;
    waiting(context, report).await;
}

async fn clock(context: &Context, report: &mut Report) {
    let there = match context.store.database_time().await {
        Ok(there) => there,
        Err(error) => return report.fail("time", error.to_string(), "the database cannot be read"),
    };
    let here = context.now();
    let apart = here.since(there).max(there.since(here));
    let newest = RequestFilter { limit: 1, ..RequestFilter::default() };
    let newest = context.store.requests(&newest).await.unwrap_or_default();
    let future = newest.first().filter(|r| r.filed_at > here.plus(CLOCKS_APART));
    if let Some(request) = future {
        report.fail(
            "time",
            format!(
                "it is {}, but a request was filed at {}",
                print::when(here),
                print::when(request.filed_at)
            ),
            "this machine's clock went back; set it right before a worker runs",
        );
    } else if apart > CLOCKS_APART {
        report.warn(
            "time",
            format!("this machine and the database are {} s apart", apart.as_secs()),
            "let both follow a time server",
        );
    } else {
        report.ok(
            "time",
            format!("{}, {} ms apart from the database", print::when(here), apart.as_millis()),
        );
    }
}

async fn accounts(context: &Context, report: &mut Report) {
    let rows = match context.store.accounts().await {
        Ok(rows) => rows,
        Err(error) => {
            return report.fail("accounts", error.to_string(), "the database cannot be read");
        }
    };
    if context.accounts.is_empty() {
        report.warn("accounts", "none is connected", "`efface connector list` names the vendors");
    }
    for built in &context.accounts {
        let id = &built.spec.id;
        let what = format!("account {id}");
        let Some(row) = rows.iter().find(|r| r.id == *id) else { continue };
        let mode = row.condition.mode;
        if let Some((why, until)) = held_back(&row.condition, context.now()) {
            let until = until.map(|u| format!(" until {}", print::when(u))).unwrap_or_default();
            report.warn(
                &what,
                format!("{mode}, held back{until}: {why}"),
                &format!("efface connector check {id}, then efface connector resume {id}"),
            );
            continue;
        }
        let missing = not_accepted(built);
        match mode {
            Mode::Observe => report.ok(&what, "observe: it only looks"),
            Mode::Live if missing.is_empty() => report.ok(&what, "live"),
            Mode::Live => report.warn(&what, format!("live, and its card names what was never accepted: {}", missing.join(", ")), &format!("efface connector show {id}; accept it by name, or efface connector observe {id}")),
        }
    }
    for row in rows.iter().filter(|r| context.spec(&r.id).is_none()) {
        report.warn(
            &format!("account {}", row.id),
            "is in the database and no longer in the settings",
            "its open tasks wait; put it back, or waive them",
        );
    }
}

async fn worker(context: &Context, report: &mut Report) {
    match context.store.lanes_held().await {
        Ok(held) if held.is_empty() => report.warn(
            "worker",
            "none is running, so nothing is sent or polled",
            "`efface serve` or `efface worker`",
        ),
        Ok(held) => {
            let mut owners: Vec<&str> = held.iter().map(|(_, owner)| owner.as_str()).collect();
            owners.sort_unstable();
            owners.dedup();
            report.ok(
                "worker",
                format!("{} at work on {}", owners.join(", "), print::count(held.len(), "lane")),
            );
        }
        Err(error) => report.fail("worker", error.to_string(), "the database cannot be read"),
    }
}

async fn waiting(context: &Context, report: &mut Report) {
    let overdue =
        RequestFilter { overdue_at: Some(context.now()), limit: 1000, ..RequestFilter::default() };
    match context.store.requests(&overdue).await {
        Ok(found) => {
            let late = found.iter().filter(|r| r.told.is_none()).count();
            if late > 0 {
                report.warn(
                    "deadlines",
                    format!("{} past their day and not answered", print::count(late, "request")),
                    "efface request list --overdue",
                );
            } else {
                report.ok("deadlines", "no request is past its day");
            }
        }
        Err(error) => report.fail("deadlines", error.to_string(), "the database cannot be read"),
    }
    match context.store.counts().await {
        Ok(counts) if counts.desk > 0 => report.warn(
            "desk",
            format!("{} item(s) wait for a person", counts.desk),
            "efface desk list",
        ),
        Ok(_) => report.ok("desk", "empty"),
        Err(error) => report.fail("desk", error.to_string(), "the database cannot be read"),
    }
}

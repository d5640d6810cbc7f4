//! `efface doctor`: looks at everything an installation rests on, one line each, and says what to do.

mod keys;
mod living;

use std::path::Path;

use anyhow::Result;
use clap::Args as ClapArgs;
use efface_settings::{Settings, VendorSecrets};
use efface_store::Connection;
use serde::Serialize;

use crate::{
    args::GlobalArgs,
    exit::Exit,
    print::{self, say},
    wiring::{
        Context, anchor, connect, database_file, directory, load_settings, load_settings_with,
        outside, safe, settings_file, settings_place,
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
/// When it cannot be printed.
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
    let settings = match load_settings(global) {
        Ok(settings) => settings,
        Err(error) => {
            report.fail(
                "settings",
                format!("{error:#}"),
                "correct them; `efface config check` looks again",
            );
            // where only the vendors' secrets are missing, the rest can be examined all the same
            match load_settings_with(global, VendorSecrets::LeftAlone) {
                Ok(settings) => settings,
                Err(_) => return,
            }
        }
    };
    let is_told = report.0.iter().any(|f| f.what == "settings");
    match file {
        Some(_) if is_told => {}
        Some(_) => report.ok("settings", settings_place(global)),
        None => report.warn(
            "settings",
            settings_place(global),
            "go to its folder, name it with --config, or `efface init` writes one",
        ),
    }
    zones(&settings, report);
    key(&settings, report);
    disk(&settings, report);
    anchor_folder(&settings, report);
    let Some(connection) = database(&settings, report).await else { return };
    roots(&settings, &connection, report).await;
    let problems = directory::build_accounts(&settings).1;
    for problem in &problems {
        report.fail("accounts", problem.to_string(), "correct the settings");
    }
    let stands_apart = ["settings", "time", "disk", "anchor"];
    let hinders = |f: &Finding| f.verdict == Verdict::Fail && !stands_apart.contains(&&*f.what);
    if report.0.iter().any(hinders) {
        return;
    }
    match Context::assemble(settings, connection, global.json).await {
        Ok(context) => {
            keys::keys(&context, report).await;
            living::living(&context, report).await;
        }
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

/// Where copies of the log's checkpoints lie.
fn anchor_folder(settings: &Settings, report: &mut Report) {
    const ELSEWHERE: &str =
        "set ledger.anchor_folder to a folder on another disk or machine, best one that only adds";
    let Some(folder) = settings.ledger.anchor_folder.as_deref() else {
        return report.warn(
            "anchor",
            "none is set: a journal that was rewritten and signed anew could not be told, nor a database that was set back",
            ELSEWHERE,
        );
    };
    let shown = folder.display();
    if anchor::lies_with_database(settings, folder) {
        report.warn(
            "anchor",
            format!(
                "{shown} lies with the database: whoever loses or alters the one has the other too"
            ),
            ELSEWHERE,
        );
    } else if folder.exists() && std::fs::read_dir(folder).is_err() {
        report.fail(
            "anchor",
            format!("{shown} cannot be read"),
            "it must be a folder that this user may read and write; no worker starts before",
        );
    } else {
        report.ok("anchor", format!("checkpoints are kept in {shown}"));
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

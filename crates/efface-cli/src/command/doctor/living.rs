//! What only an opened store can tell: writing, clocks, accounts, worker, what waits.

use std::time::Duration;

use efface_core::account::Mode;
use efface_store::{RequestFilter, Store as _};

use super::Report;
use crate::{
    command::connector::{held_back, not_accepted},
    print, running,
    wiring::{Context, anchor, elsewhere, fleet},
};

/// Clocks further apart than this make deadlines and leases doubtful.
const CLOCKS_APART: Duration = Duration::from_secs(5);

/// Looks at all of it.
pub async fn living(context: &Context, report: &mut Report) {
    match context.store.prove_writable().await {
        Ok(()) => report.ok("writing", "the database takes writes"),
        Err(error) => report.fail(
            "writing",
            error.to_string(),
            "check the file's owner and the space on the disk",
        ),
    }
    clock(context, report).await;
    restored(context, report).await;
    follows_anchor(context, report).await;
    anchored_outside(context, report).await;
    accounts(context, report).await;
    worker(context, report).await;
    waiting(context, report).await;
}

/// What keeps a worker from starting is told here too.
async fn follows_anchor(context: &Context, report: &mut Report) {
    let Some(folder) = &context.settings.ledger.anchor_folder else { return };
    if let Err(error) = anchor::check_anchor(&context.store, folder, |_| {}).await {
        report.fail(
            "anchored log",
            error.to_string(),
            "no worker starts on it: `efface worker` says what to do",
        );
    }
}

/// What works is one finding, and each that is set and does not is another.
async fn anchored_outside(context: &Context, report: &mut Report) {
    const WHAT: &str = "anchor outside";
    let standings = match elsewhere::standings(&context.store, &context.settings).await {
        Ok(standings) => standings,
        Err(error) => {
            return report.fail(WHAT, error.to_string(), "the database cannot be read");
        }
    };
    let folder = context.settings.ledger.anchor_folder.as_deref();
    let same_disk = |folder| anchor::on_one_disk(&context.settings, folder);
    if standings.is_empty() && folder.is_some_and(same_disk) {
        report.warn(
            WHAT,
            "there is none: the anchor folder is on the database's own disk",
            "set ledger.anchor_webhook, ledger.anchor_timestamp_url or ledger.anchor_mail_to, or move the folder",
        );
    }
    let shown = |s: &elsewhere::Standing| format!("{} {}: {}", s.which.name(), s.place, s.told());
    let (works, fails): (Vec<_>, Vec<_>) = standings.iter().partition(|s| s.works);
    if !works.is_empty() {
        report.ok(WHAT, works.into_iter().map(shown).collect::<Vec<_>>().join("; "));
    }
    for standing in fails {
        report.warn(
            WHAT,
            shown(standing),
            &format!(
                "`efface schedule run anchor_outside` tries {} out; a worker does so every minute",
                standing.which.setting()
            ),
        );
    }
}

async fn restored(context: &Context, report: &mut Report) {
    match context.store.open_restore().await {
        Ok(None) => {}
        Ok(Some(row)) => report.warn(
            "restore",
            format!(
                "the database was set back to an older copy ({}) and is not released: nothing is sent",
                row.stage.word()
            ),
            "`efface restore --show` tells what is missing, `efface restore --release` goes on",
        ),
        Err(error) => report.fail("restore", error.to_string(), "the database cannot be read"),
    }
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
    match context.store.leases().await {
        Ok(held) if held.is_empty() => report.warn(
            "worker",
            "none is running, so nothing is sent or polled",
            "`efface serve` or `efface worker`",
        ),
        Ok(held) => {
            let mut owners: Vec<&str> = held.iter().map(|(_, owner, _)| owner.as_str()).collect();
            owners.sort_unstable();
            owners.dedup();
            let own = fleet::worker_name(&context.settings);
            let of_own = held.iter().filter(|(_, owner, _)| *owner == own);
            let until = of_own.map(|(_, _, until)| *until).max();
            if let Some(until) = until
                && running::is_worker_here(&context.settings, &own) == Some(false)
            {
                return report.warn(
                    "worker",
                    format!(
                        "{own} is not running (nobody holds its lock), but its lease of {} goes on until {}: it was killed",
                        print::count(held.len(), "lane"),
                        print::when(until)
                    ),
                    "start it again: `efface serve` or `efface worker` takes its lanes back at once and looks into what was out",
                );
            }
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

//! What a person is told while an import runs and when it is over.

use std::{
    collections::HashSet,
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;

use super::{
    carry::Carrier,
    tally::{ActionCount, VendorCount},
};
use crate::{
    exit::Exit,
    print::{self, Table, line, say},
    wiring::Context,
};

/// A row of the preview; its identifiers are masked.
#[derive(Debug, Serialize)]
pub struct Sample {
    pub line: u64,
    pub request: Option<String>,
    pub action: &'static str,
    pub scope: Option<&'static str>,
    pub identifiers: String,
}

/// Refused rows on their way to the terminal, and the progress bar they must not tear.
pub struct Refusals {
    json: bool,
    limit: u64,
    pub told: u64,
    pub left_out: u64,
    /// For JSON, which is printed at the end; reasons are few, so each is kept once.
    kept: Vec<(u64, Arc<str>)>,
    reasons: HashSet<Arc<str>>,
    bar: ProgressBar,
    position: Arc<AtomicU64>,
}

impl Refusals {
    #[must_use]
    pub fn new(
        json: bool,
        limit: Option<u64>,
        bytes: Option<u64>,
        position: Arc<AtomicU64>,
    ) -> Self {
        Self {
            json,
            limit: limit.unwrap_or(u64::MAX),
            told: 0,
            left_out: 0,
            kept: vec![],
            reasons: HashSet::new(),
            bar: bar(bytes),
            position,
        }
    }

    /// # Errors
    /// When it cannot be printed.
    pub fn add(&mut self, at: u64, reason: String) -> Result<()> {
        if self.told >= self.limit {
            self.left_out += 1;
            return Ok(());
        }
        self.told += 1;
        if self.json {
            let known = self.reasons.get(reason.as_str()).cloned();
            let reason = known.unwrap_or_else(|| {
                let reason: Arc<str> = reason.into();
                self.reasons.insert(reason.clone());
                reason
            });
            self.kept.push((at, reason));
            return Ok(());
        }
        Ok(self.bar.suspend(|| line(format!("line {at}: {reason}")))?)
    }

    pub fn tick(&self, rows: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(self.position.load(Ordering::Relaxed));
        let seconds = self.bar.elapsed().as_secs().max(1);
        self.bar.set_message(format!("{rows} rows, {} rows/s", rows / seconds));
    }

    pub fn done(&self) {
        self.bar.finish_and_clear();
    }
}

/// By bytes where the size is known; silent where nobody looks.
fn bar(bytes: Option<u64>) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template =
        if bytes.is_some() { "{bar:32} {percent:>3} %  {msg}" } else { "{spinner} {msg}" };
    let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// Tells the end of an import.
///
/// # Errors
/// When the database cannot be read, or nobody reads what is printed.
pub async fn tell(
    context: &Context,
    name: &str,
    dry_run: bool,
    carrier: &Carrier<'_>,
) -> Result<Exit> {
    let counts = carrier.counts;
    let (told_waiting, await_proof) = carrier.tally.totals();
    let await_release = match carrier.import {
        Some(import) => u64::try_from(context.store.awaiting_release(import).await?.len())?,
        None => told_waiting,
    };
    let actions = carrier.tally.actions();
    let vendors = carrier.tally.vendors(context);
    let waiting = carrier.import.filter(|_| await_release > 0);
    let release = waiting.map(|i| format!("efface request release --all-of {i}"));
    let receipt = carrier.receipt_path().map(|p| p.display().to_string());
    if context.json {
        print::json(&json!({
            "import": carrier.import.map(|i| i.to_string()),
            "source": name,
            "dry_run": dry_run,
            "interrupted": carrier.interrupted,
            "rows": counts.rows(),
            "filed": counts.filed(),
            "filed_new": counts.new,
            "duplicates": counts.duplicates,
            "filed_before": counts.filed_before,
            "filed_before_over": counts.filed_before_over,
            "filed_before_by": carrier.others.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "refused": counts.refused,
            "refused_rows": carrier.refusals.kept.iter()
                .map(|(at, reason)| json!({ "line": at, "reason": &**reason })).collect::<Vec<_>>(),
            "refused_rows_left_out": carrier.refusals.left_out,
            "receipt": receipt,
            "await_release": await_release,
            "await_proof": await_proof,
            "actions": actions,
            "accounts": vendors,
            "sample": carrier.samples,
            "release": release,
        }))?;
        return Ok(exit(carrier));
    }
    if carrier.refusals.left_out > 0 {
        let place = receipt.as_deref().unwrap_or("a dry run without --limit-errors");
        say!("… and {} more refused rows; all stand in {place}", carrier.refusals.left_out);
    }
    if carrier.refusals.told > 0 {
        say!("");
    }
    summary(name, dry_run, carrier, receipt.as_deref())?;
    action_table(&actions)?;
    vendor_table(&vendors)?;
    sample_table(carrier, await_release, dry_run)?;
    if told_waiting < await_release {
        say!(
            "\n{} more of this import wait for release since an earlier run and are not in the tables",
            await_release - told_waiting
        );
    }
    next(dry_run, carrier, release.as_deref(), await_proof)?;
    Ok(exit(carrier))
}

fn exit(carrier: &Carrier<'_>) -> Exit {
    if carrier.counts.refused > 0 || carrier.interrupted { Exit::Failed } else { Exit::Done }
}

fn summary(name: &str, dry_run: bool, carrier: &Carrier<'_>, receipt: Option<&str>) -> Result<()> {
    let counts = carrier.counts;
    let mut lines = vec![("file", name.to_owned())];
    lines.extend(carrier.import.map(|i| ("import", i.to_string())));
    lines.push(("rows", counts.rows().to_string()));
    if dry_run {
        lines.push(("good", format!("{} (a dry run: nothing was filed)", counts.new)));
    } else {
        lines.push((
            "filed",
            format!(
                "{} ({} new, {} duplicate, {} filed before)",
                counts.filed(),
                counts.new,
                counts.duplicates,
                counts.filed_before
            ),
        ));
    }
    lines.push(("refused", counts.refused.to_string()));
    lines.extend(receipt.map(|r| ("receipt", r.to_owned())));
    Ok(print::pairs(&lines)?)
}

fn action_table(actions: &[ActionCount]) -> Result<()> {
    let mut table = Table::new(&["action", "scope", "wait for release", "wait for a proof"]);
    for one in actions {
        table.row([
            one.action.to_owned(),
            one.scope.unwrap_or("-").to_owned(),
            one.await_release.to_string(),
            one.await_proof.to_string(),
        ]);
    }
    if !table.is_empty() {
        say!("");
    }
    Ok(table.print("")?)
}

fn vendor_table(vendors: &[VendorCount]) -> Result<()> {
    let mut table = Table::new(&[
        "account",
        "action",
        "will act",
        "looks only",
        "no identifier",
        "not offered",
        "no proof yet",
        "side effects",
    ]);
    for one in vendors {
        table.row([
            one.account.clone(),
            one.action.to_owned(),
            one.will_act.to_string(),
            one.looks_only.to_string(),
            one.lacks_identifier.to_string(),
            one.not_supported.to_string(),
            one.await_proof.to_string(),
            print::list(&one.side_effects),
        ]);
    }
    if table.is_empty() {
        return Ok(());
    }
    say!("\npeople per account");
    Ok(table.print("")?)
}

fn sample_table(carrier: &Carrier<'_>, await_release: u64, dry_run: bool) -> Result<()> {
    if carrier.samples.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["line", "action", "person (masked)", "request"]);
    for row in &carrier.samples {
        let request = row.request.clone().unwrap_or_else(|| "-".into());
        table.row([row.line.to_string(), row.action.to_owned(), row.identifiers.clone(), request]);
    }
    say!("");
    table.print("")?;
    let shown = u64::try_from(carrier.samples.len())?;
    let of = if dry_run { carrier.counts.new } else { await_release.max(shown) };
    if of > shown {
        say!("… and {} more", of - shown);
    }
    Ok(())
}

fn next(
    dry_run: bool,
    carrier: &Carrier<'_>,
    release: Option<&str>,
    await_proof: u64,
) -> Result<()> {
    if carrier.interrupted {
        say!(
            "\ninterrupted: {} are done and in the receipt. To go on, repeat the same command: rows that are filed are not filed twice.",
            print::count(usize::try_from(carrier.counts.rows())?, "row")
        );
    }
    if carrier.counts.filed_before_over > 0 {
        say!(
            "\n{} of this very file filed before, and over since (cancelled, denied, closed …): nothing more is done for them; the receipt names each. To ask anew, file another file or `efface request file`.",
            print::count(usize::try_from(carrier.counts.filed_before_over)?, "row")
        );
    }
    if !carrier.others.is_empty() {
        say!(
            "\nrows of this file were filed before under other imports; each is released by its own:"
        );
        for other in &carrier.others {
            say!("  efface request release --all-of {other}");
        }
    }
    if await_proof > 0 {
        say!(
            "\n{} without a proof of identity: nothing happens to it before `efface request identify`",
            print::count(usize::try_from(await_proof)?, "request")
        );
    }
    if dry_run {
        say!("\nnext: the same command without --dry-run files the good rows");
    } else if let Some(release) = release {
        say!("\nnothing is sent before a person releases it:\n  {release}");
    }
    if carrier.counts.refused > 0 && !dry_run {
        say!(
            "\nrefused rows: mend them and import the file again; what is filed is not filed twice"
        );
    }
    Ok(())
}

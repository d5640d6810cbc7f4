//! The requests of a period: their list, and a pack for each that is asked for.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use efface_core::{ControllerId, RequestId, Timestamp, request::Request};
use efface_store::RequestFilter;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::json;

use super::export::{make, proven};
use crate::{
    exit::{Exit, Failure},
    print::{self, say},
    show::facts,
    wiring::{Context, errand::bar, files::write_whole},
};

/// Requests read at once.
const PAGE: u32 = 1000;
/// The list of the requests, in the folder.
const LIST: &str = "population.csv";
/// Where the packs lie, in the folder.
const PACKS: &str = "packs";

/// Requests by the day they were received, in the controller's zone.
pub struct Period {
    pub from: Date,
    /// Included.
    pub to: Date,
    pub controller: Option<ControllerId>,
}

impl Period {
    /// All of its requests, oldest first.
    ///
    /// # Errors
    /// When it ends before it begins, or the database cannot be read.
    pub async fn requests(&self, context: &Context) -> Result<Vec<Request>> {
        let Self { from, to, .. } = self;
        if to < from {
            let message = format!("--to {to} is before --from {from}");
            return Err(Failure::usage(message).hint("both days are included").into());
        }
        // received is never after filed, in any zone
        let begins = from.saturating_sub(2.days()).to_zoned(TimeZone::UTC)?.timestamp();
        let mut filter = RequestFilter {
            controller: self.controller.as_ref().map(ToString::to_string),
            limit: PAGE,
            ..RequestFilter::default()
        };
        let mut found = vec![];
        loop {
            let page = context.store.requests(&filter).await?;
            let Some(last) = page.last() else { break };
            filter.after = Some(last.id);
            let over = last.filed_at.millis() < begins.as_millisecond();
            found.extend(page.into_iter().filter(|r| (from..=to).contains(&&r.received_on)));
            if over {
                break;
            }
        }
        found.sort_by_key(|r| r.id);
        Ok(found)
    }

    fn folder(&self) -> PathBuf {
        PathBuf::from(format!("efface-evidence-{}-{}", self.from, self.to))
    }
}

/// Packs of every request of a period.
///
/// # Errors
/// When the folder cannot be written, or a pack cannot be made.
pub async fn export(
    context: &Context,
    period: &Period,
    output: Option<&Path>,
    force: bool,
) -> Result<Exit> {
    let all = period.requests(context).await?;
    let folder = Folder::open(output.map_or_else(|| period.folder(), Path::to_owned), force)?;
    folder.list(&all, context.now(), |_| None)?;
    let ids: Vec<RequestId> = all.iter().map(|r| r.id).collect();
    let failed = folder.packs(context, &ids).await?;
    if context.json {
        print::json(&json!({
            "from": period.from.to_string(), "to": period.to.to_string(), "folder": folder.path,
            "requests": all.len(), "packs": ids.len() - failed.len(), "failed": failed,
        }))?;
    } else {
        say!(
            "{} received from {} to {}",
            print::count(all.len(), "request"),
            period.from,
            period.to
        );
        folder.tell(ids.len() - failed.len())?;
    }
    Ok(ended(&failed))
}

/// How it ended, with what could not be done.
pub fn ended(failed: &[RequestId]) -> Exit {
    if failed.is_empty() {
        return Exit::Done;
    }
    print::aside(format!(
        "{} could not be made: {}",
        print::count(failed.len(), "pack"),
        print::list(failed)
    ));
    Exit::Failed
}

/// A folder with a list and packs.
pub struct Folder {
    pub path: PathBuf,
    force: bool,
}

impl Folder {
    /// # Errors
    /// When there is something in it, or it cannot be made.
    pub fn open(path: PathBuf, force: bool) -> Result<Self> {
        let shown = path.display();
        let full = path.read_dir().is_ok_and(|mut entries| entries.next().is_some());
        if !force && full {
            let message = format!("{shown} is not empty, and nothing in it is overwritten");
            return Err(Failure::refused(message)
                .hint("choose another folder with -o, or go on there with --force")
                .into());
        }
        std::fs::create_dir_all(path.join(PACKS))
            .with_context(|| format!("cannot make {shown}"))?;
        Ok(Self { path, force })
    }

    /// Writes the list of the requests; `lot` tells a request's lot where lots were drawn.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn list(
        &self,
        all: &[Request],
        now: Timestamp,
        lot: impl Fn(RequestId) -> Option<String>,
    ) -> Result<()> {
        let mut rows = csv::Writer::from_writer(vec![]);
        rows.write_record([
            "request",
            "controller",
            "action",
            "regime",
            "received_on",
            "due_on",
            "filed_at",
            "state",
            "facts",
            "lot",
        ])?;
        for r in all {
            rows.write_record([
                r.id.to_string(),
                r.controller.to_string(),
                r.action.to_string(),
                r.regime.clone().unwrap_or_default(),
                r.received_on.to_string(),
                r.due_on.to_string(),
                r.filed_at.to_string(),
                r.state.word().to_owned(),
                facts(r, now),
                lot(r.id).unwrap_or_default(),
            ])?;
        }
        let bytes = rows.into_inner().context("the list was not written")?;
        self.write(LIST, &bytes)
    }

    /// Writes a file into the folder.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        write_whole(&path, bytes, self.force)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes the pack of each; returns those whose pack could not be made, each told of.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub async fn packs(&self, context: &Context, ids: &[RequestId]) -> Result<Vec<RequestId>> {
        let progress = bar(ids.len());
        let mut failed = vec![];
        for id in ids {
            match pack(context, *id).await {
                Ok(bytes) => self.write(&format!("{PACKS}/efface-evidence-{id}.zip"), &bytes)?,
                Err(error) => {
                    progress.suspend(|| print::aside(format!("request {id}: {error:#}")));
                    failed.push(*id);
                }
            }
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(failed)
    }

    /// What was written, and how it is checked.
    ///
    /// # Errors
    /// When nothing can be printed.
    pub fn tell(&self, packs: usize) -> Result<()> {
        let shown = self.path.display();
        say!("list    {shown}/{LIST}");
        say!("packs   {} in {shown}/{PACKS}", print::count(packs, "pack"));
        if packs > 0 {
            say!("verify  efface verify {shown}/{PACKS}/*.zip --key @efface.vkey");
        }
        Ok(())
    }
}

async fn pack(context: &Context, id: RequestId) -> Result<Vec<u8>> {
    proven(&make(context, id, None).await?)
}

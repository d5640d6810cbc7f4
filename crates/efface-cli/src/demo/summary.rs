//! The end of the demo: outcomes and evidence per vendor, what waits and why, the scenes.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Result, bail};
use efface_core::ImportId;
use serde::{Deserialize, Serialize};

use super::{
    scenes::{Scene, Scenes},
    stage::Stage,
};
use crate::{
    args::GlobalArgs,
    command::import::Taken,
    print::{Table, say},
    wiring::Context,
};

/// How many tasks of an account ended or stand how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeLine {
    pub account: String,
    pub action: String,
    pub outcome: String,
    pub evidence: String,
    pub tasks: u64,
}

/// What `--json` prints.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub import: String,
    pub rows: u64,
    pub filed: u64,
    pub refused: u64,
    pub closed: u64,
    pub open: u64,
    pub requests: BTreeMap<String, u64>,
    pub outcomes: Vec<OutcomeLine>,
    /// Open tasks: `account/state` and how many.
    pub open_tasks: BTreeMap<String, u64>,
    /// What waits on the desk, by reason.
    pub desk: BTreeMap<String, u64>,
    pub vendor_calls: BTreeMap<String, u64>,
    pub scenes: Vec<Scene>,
    pub database: String,
}

/// The part of a summary that the default seed must reproduce.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Expected {
    rows: u64,
    filed: u64,
    refused: u64,
    closed: u64,
    open: u64,
    requests: BTreeMap<String, u64>,
    open_tasks: BTreeMap<String, u64>,
    desk: BTreeMap<String, u64>,
    outcomes: Vec<OutcomeLine>,
}

impl Summary {
    pub async fn gather(
        context: &Context,
        stage: &Stage,
        taken: &Taken,
        import: ImportId,
        scenes: &mut Scenes,
    ) -> Result<Self> {
        scenes.tell(context, stage, taken.refused, &taken.receipt.display().to_string()).await?;
        let store = &context.store;
        let (closed, open) = store.closed_and_open().await?;
        let counts = store.counts().await?;
        let mut desk: BTreeMap<String, u64> = BTreeMap::new();
        for row in store.desk(true, 10_000).await? {
            *desk.entry(row.item.reason.word().into()).or_default() += 1;
        }
        let outcomes = store.outcomes().await?.into_iter().map(
            |(account, action, outcome, evidence, tasks)| OutcomeLine {
                account,
                action,
                outcome,
                evidence,
                tasks,
            },
        );
        Ok(Self {
            import: import.to_string(),
            rows: taken.rows,
            filed: taken.filed,
            refused: taken.refused,
            closed,
            open,
            requests: counts.requests.into_iter().collect(),
            outcomes: outcomes.collect(),
            open_tasks: counts
                .tasks
                .into_iter()
                .filter(|(_, state, _)| state != "settled")
                .map(|(account, state, n)| (format!("{account}/{state}"), n))
                .collect(),
            desk,
            vendor_calls: stage
                .vendors
                .iter()
                .map(|v| (v.id.to_owned(), v.server.calls()))
                .collect(),
            scenes: scenes.scenes.clone(),
            database: stage.folder.join("demo.db").display().to_string(),
        })
    }

    pub fn print(&self, global: &GlobalArgs, scenes: &Scenes, folder: &Path) -> Result<()> {
        if global.json {
            return crate::print::json(self);
        }
        say!(
            "\n{} rows = {} filed + {} refused; of those filed {} are closed, {} open\n",
            self.rows,
            self.filed,
            self.refused,
            self.closed,
            self.open
        );
        let mut table = Table::new(&["account", "action", "outcome", "evidence", "tasks"]);
        for line in &self.outcomes {
            table.row([
                line.account.clone(),
                line.action.clone(),
                line.outcome.clone(),
                line.evidence.clone(),
                line.tasks.to_string(),
            ]);
        }
        table.print("nothing ended")?;
        say!("\nOpen tasks, each waiting for a person:");
        for (what, n) in &self.open_tasks {
            say!("  {n:>4}  {what}");
        }
        say!("\nOn the desk:");
        for (reason, n) in &self.desk {
            say!("  {n:>4}  {reason}");
        }
        say!("\nEight scenes:");
        for (n, scene) in scenes.scenes.iter().enumerate() {
            let mark = if scene.seen { "" } else { " (did not take place in this run)" };
            say!(
                "  {}. {}{mark}\n     {}\n     $ {}",
                n + 1,
                scene.name,
                scene.what,
                scene.look_closer
            );
        }
        say!(
            "\nThe database is {}; look around with: efface --config {}/efface.toml request list",
            self.database,
            folder.display()
        );
        Ok(())
    }

    fn expected_part(&self) -> Expected {
        let mut outcomes = self.outcomes.clone();
        outcomes.sort_by(|a, b| {
            (&a.account, &a.action, &a.outcome, &a.evidence).cmp(&(
                &b.account,
                &b.action,
                &b.outcome,
                &b.evidence,
            ))
        });
        Expected {
            rows: self.rows,
            filed: self.filed,
            refused: self.refused,
            closed: self.closed,
            open: self.open,
            requests: self.requests.clone(),
            open_tasks: self.open_tasks.clone(),
            desk: self.desk.clone(),
            outcomes,
        }
    }

    /// The default seed must end as `config/demo/expected.toml` says.
    pub fn compare_with_expected(&self) -> Result<()> {
        let now = self.expected_part();
        let wanted: Expected =
            toml::from_str(include_str!("../../../../config/demo/expected.toml"))?;
        if now != wanted {
            bail!(
                "the outcomes are not those of config/demo/expected.toml; this run gave:\n{}",
                toml::to_string(&now)?
            );
        }
        Ok(())
    }
}

//! The recurring jobs. What is due is a query: a tick that is lost or doubled does no harm.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use efface_settings::Settings;
use efface_store::{Error, SqlStore};
use efface_worker::{Clocks, Hands, Job};

use crate::wiring::{Context, KeyFolder, elsewhere};

const OVERDUE_CHECK: &str = "overdue_check";
const DESK_DIGEST: &str = "desk_digest";
const DATABASE_TIDY: &str = "database_tidy";
const KEY_CARE: &str = "key_care";
const ANCHOR_OUTSIDE: &str = "anchor_outside";

/// Every job.
pub const NAMES: [&str; 5] = [OVERDUE_CHECK, DESK_DIGEST, DATABASE_TIDY, KEY_CARE, ANCHOR_OUTSIDE];

/// Each job with its cron expression.
#[must_use]
pub fn expressions(settings: &Settings) -> [(&'static str, String); 5] {
    let schedule = &settings.schedule;
    [
        (OVERDUE_CHECK, schedule.overdue_check.clone()),
        (DESK_DIGEST, schedule.desk_digest.clone()),
        (DATABASE_TIDY, schedule.database_tidy.clone()),
        (KEY_CARE, schedule.key_care.clone()),
        (ANCHOR_OUTSIDE, schedule.anchor_outside.clone()),
    ]
}

/// What a clock's step keeps from being done: a day that has passed is on record for good.
const STEPPED: &str = "not done: the wall clock stepped since this worker started; it is done again once the clocks agree; is it right now, then restart the worker";

/// The clocks as they were at the start, and who reads them again.
#[derive(Clone)]
struct Start {
    clocks: Arc<Mutex<Option<Clocks>>>,
    hands: Hands,
}

impl Start {
    /// Whether the wall clock has gone as the others since.
    async fn is_steady(&self, store: &SqlStore) -> bool {
        let Some(now) = Clocks::read(store, &self.hands).await else { return false };
        let mut start = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        // they could not be read at the start: from here on, then
        !start.get_or_insert(now).stepped(&now)
    }
}

/// The jobs as the metronome takes them.
pub async fn for_metronome(context: &Context, hands: Hands) -> Vec<Job> {
    let clocks = Arc::new(Mutex::new(Clocks::read(&*context.store, &hands).await));
    let start = Start { clocks, hands };
    let job = |(name, expression): (&'static str, String)| {
        let parts = (context.store.clone(), context.keys.clone(), context.settings.clone());
        let start = start.clone();
        let run = move || {
            let (store, keys, settings) = parts.clone();
            let start = start.clone();
            let work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
                if name == OVERDUE_CHECK && !start.is_steady(&store).await {
                    tracing::warn!(job = name, "{STEPPED}");
                    // the next tick tries again
                    let _ = store.note_run(name, STEPPED).await;
                    return;
                }
                match run(&store, &keys, &settings, name).await {
                    // every few minutes: `efface schedule list` shows the last result
                    Ok(result) => tracing::debug!(job = name, result, "job done"),
                    Err(error) => {
                        tracing::error!(
                            job = name,
                            error = format!("{error:#}"),
                            "job failed; the next tick tries again"
                        )
                    }
                }
            });
            work
        };
        Job { name, expression, run: Arc::new(run) }
    };
    expressions(&context.settings).into_iter().map(job).collect()
}

/// Runs a job now, and remembers what came of it.
///
/// # Errors
/// When the database cannot be read or written, or an anchor does not answer.
pub async fn run(
    store: &Arc<SqlStore>,
    keys: &KeyFolder,
    settings: &Settings,
    name: &str,
) -> Result<String> {
    let result = match name {
        OVERDUE_CHECK => {
            let marked = store.mark_breaches().await?;
            format!("{marked} request(s) newly past their day")
        }
        DESK_DIGEST => digest(store).await?,
        DATABASE_TIDY => store.tidy().await?.to_owned(),
        KEY_CARE => {
            keys.ensure(store, "metronome").await?;
            store.forget_destroyed_months().await?;
            let [this, next] = store.months_in_use()?;
            format!("the keys of {this} and {next} are there")
        }
        ANCHOR_OUTSIDE => elsewhere::tell(store, settings).await?,
        stranger => {
            return Err(Error::Refused(format!(
                "there is no job {stranger}; there are {}",
                NAMES.join(", ")
            ))
            .into());
        }
    };
    store.note_run(name, &result).await?;
    Ok(result)
}

async fn digest(store: &SqlStore) -> Result<String, Error> {
    let counts = store.counts().await?;
    let of = |word: &str| counts.requests.iter().find(|(w, _)| w == word).map_or(0, |(_, n)| *n);
    Ok(format!(
        "{} item(s) on the desk; requests: {} await a proof, {} await release, {} under way",
        counts.desk,
        of("received"),
        of("identified"),
        of("released") + of("running")
    ))
}

//! Errands: something asked of a lane, waited for here. Where no worker holds the lane, one runs in
//! this process for as long as the errand takes, and sends nothing else.

use std::{io::IsTerminal as _, time::Duration};

use anyhow::Result;
use efface_core::LaneId;
use efface_store::ErrandState;
use efface_worker::{Error as WorkerError, Options, Worker};
use indicatif::{ProgressBar, ProgressDrawTarget};
use uuid::Uuid;

use super::{Context, fleet, outside};
use crate::exit::Failure;

/// How often the database is asked.
const LOOK_EVERY: Duration = Duration::from_millis(150);

/// Waits until an errand is done and returns its answer (JSON).
///
/// # Errors
/// When the database cannot be read, or `patience` runs out.
pub async fn wait_for_errand(
    context: &Context,
    id: Uuid,
    lane: &LaneId,
    patience: Duration,
) -> Result<String> {
    let progress = spinner("asking the vendor");
    let found = wait(context, id, lane, patience).await;
    progress.finish_and_clear();
    found
}

async fn wait(context: &Context, id: Uuid, lane: &LaneId, patience: Duration) -> Result<String> {
    let until = context.now().plus(patience);
    loop {
        if let ErrandState::Done(answer) = context.store.errand(id).await? {
            return Ok(answer);
        }
        let left = until.since(context.now());
        if left.is_zero() {
            let seconds = patience.as_secs();
            return Err(Failure::waits(format!("no answer within {seconds} s"))
                .hint("the question stays in its lane; `efface doctor` shows whether a worker is alive")
                .into());
        }
        if is_held(context, lane).await? {
            tokio::time::sleep(LOOK_EVERY).await;
        } else {
            run_lane(context, id, lane, left).await?;
        }
    }
}

async fn is_held(context: &Context, lane: &LaneId) -> Result<bool> {
    let held = context.store.lanes_held().await?;
    Ok(held.iter().any(|(name, _)| name == lane.as_str()))
}

/// Runs the lane here until the errand is done, and gives the lane back.
async fn run_lane(context: &Context, id: Uuid, lane: &LaneId, at_most: Duration) -> Result<()> {
    let fleet = fleet::fleet(context)?;
    let name = format!("{}-cli-{}", outside::host(), std::process::id());
    // whatever else is due in the lane waits for a worker
    let options = Options { only_errands: true, ..fleet::options(&context.settings, name) };
    let store = context.store.clone();
    let seen = store.clone();
    let stop = async move {
        let done = async {
            // an error here is told by the loop that waits for the answer
            while let Ok(ErrandState::Waiting) = seen.errand(id).await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // a timeout is told there as well
        let _ = tokio::time::timeout(at_most, done).await;
    };
    let worker = Worker::new(store, fleet, context.hands(), options);
    match worker.run_lanes(std::slice::from_ref(lane), stop).await {
        // another worker was faster: it carries the errand out
        Ok(()) | Err(WorkerError::LaneBusy { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A sign of life on a terminal; silent elsewhere.
#[must_use]
pub fn spinner(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(what);
    bar.set_draw_target(ProgressDrawTarget::stderr());
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A bar that counts to `total` on a terminal; silent elsewhere.
#[must_use]
pub fn bar(total: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() || total < 50 {
        return ProgressBar::hidden();
    }
    ProgressBar::with_draw_target(
        Some(u64::try_from(total).unwrap_or(u64::MAX)),
        ProgressDrawTarget::stderr(),
    )
}

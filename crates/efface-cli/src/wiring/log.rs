//! The journal's log from this process: the key, leaves placed where no worker does it, checkpoints.

use std::time::Duration;

use anyhow::{Context as _, Result};
use efface_core::{LaneId, Timestamp};
use efface_ledger::{Checkpoint, VerifierKey};
use efface_store::{CheckpointRow, Error, LEDGER_LANE, Lease, LeaseTerms, LogStatus, Store as _};
use indicatif::ProgressBar;

use super::{Context, anchor, database_file, fleet, outside};
use crate::{exit::Failure, print, running};

/// How long a worker is waited for: it places a leaf within a second.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How often the database is asked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Leaves placed in one transaction.
const AT_ONCE: u32 = 1000;

/// A checkpoint with what it says.
pub struct Signed {
    pub row: CheckpointRow,
    pub checkpoint: Checkpoint,
}

impl Signed {
    /// Opens a checkpoint of the database.
    ///
    /// # Errors
    /// When the log's key did not sign it.
    pub fn open(row: CheckpointRow, key: &VerifierKey) -> Result<Self> {
        let checkpoint = Checkpoint::open(&row.note, key)
            .context("the checkpoint in the database is not one of this log")?;
        Ok(Self { row, checkpoint })
    }
}

/// Brings leaves into the log and signs it, until what is asked of the log is there.
pub struct Placing<'a> {
    context: &'a Context,
    pub key: VerifierKey,
    until: Timestamp,
    progress: ProgressBar,
}

impl<'a> Placing<'a> {
    /// # Errors
    /// When the log's key cannot be read, or the database is older than what was anchored: signing it
    /// would give two histories one name.
    pub async fn begin(context: &'a Context, progress: ProgressBar) -> Result<Self> {
        if let Some(folder) = &context.settings.ledger.anchor_folder {
            let warn = |odd: &str| print::aside(format!("warning: {odd}"));
            match anchor::check_anchor(&context.store, folder, warn).await {
                Err(error) if error.downcast_ref::<Failure>().is_some_and(Failure::is_refusal) => {
                    return Err(error);
                }
                // the folder may lie where this user has no business
                Err(error) => warn(&format!("{error:#}")),
                Ok(()) => {}
            }
        }
        let key = context.store.verifier_key().await?;
        Ok(Self { context, key, until: context.now().plus(PATIENCE), progress })
    }

    /// Places what waits, and signs the log as it then stands; `None` while it is empty.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn sign(&self) -> Result<Option<Signed>> {
        self.place().await?;
        let row = self.context.store.sign_checkpoint().await?;
        row.map(|row| Signed::open(row, &self.key)).transpose()
    }

    /// Waits a little for the worker that places.
    ///
    /// # Errors
    /// When it was waited for long enough.
    pub async fn pause(&self, waits_for: &str) -> Result<()> {
        if !self.until.since(self.context.now()).is_zero() {
            tokio::time::sleep(LOOK_EVERY).await;
            return Ok(());
        }
        let seconds = PATIENCE.as_secs();
        let failure = Failure::waits(format!("{waits_for} within {seconds} s"));
        let hint = match self.owner().await? {
            Some((owner, until)) => format!(
                "the worker {owner} has the lane `{LEDGER_LANE}` until {} and is behind, or was killed; `efface doctor` tells which; try again then",
                print::when(until)
            ),
            None => "requests keep changing; try again".into(),
        };
        Err(failure.hint(hint).into())
    }

    /// How far the log is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<LogStatus> {
        Ok(self.context.store.log_status().await?)
    }

    /// Places what waits, where no worker is there to do it.
    async fn place(&self) -> Result<()> {
        let Some(name) = self.name_to_take().await? else { return Ok(()) };
        let lane = LaneId::new(LEDGER_LANE).context("the ledger lane has no name")?;
        let ttl = Duration::from_secs(self.context.settings.worker.lease_seconds);
        let terms = LeaseTerms { ttl };
        let store = &self.context.store;
        let taken = store.take_lanes(&name, std::slice::from_ref(&lane), terms).await?;
        // another was faster: it places
        let Some((lease, _)) = taken.into_iter().next() else { return Ok(()) };
        let placed = self.place_all(&lease, terms).await;
        let given_back = store.give_back(std::slice::from_ref(&lease)).await;
        match placed {
            // whoever has it now places the rest
            Err(Error::LaneLost { .. } | Error::Stale { .. }) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(given_back?),
        }
    }

    async fn place_all(&self, lease: &Lease, terms: LeaseTerms) -> Result<(), Error> {
        let store = &self.context.store;
        let mut renewed = self.context.now();
        let wait = store.log_status().await?.unplaced;
        self.progress.set_length(wait.max(1));
        loop {
            let placed = store.place_leaves(lease, AT_ONCE).await?;
            if placed == 0 {
                return Ok(());
            }
            self.progress.inc(placed);
            let now = self.context.now();
            if now.since(renewed) > terms.ttl / 3 {
                store.renew(std::slice::from_ref(lease), terms).await?;
                renewed = now;
            }
        }
    }

    /// Under which name the lane can be taken here; none while a worker holds it.
    async fn name_to_take(&self) -> Result<Option<String>> {
        let Some((owner, _)) = self.owner().await? else {
            return Ok(Some(format!("{}-cli-{}", outside::host(), std::process::id())));
        };
        // one that was killed left its lease behind. Beside a SQLite database lies the lock of its
        // one worker; elsewhere only the lease's end tells
        let settings = &self.context.settings;
        let is_dead = database_file(settings).is_some()
            && owner == fleet::worker_name(settings)
            && running::is_worker_here(settings, &owner) == Some(false);
        Ok(is_dead.then_some(owner))
    }

    async fn owner(&self) -> Result<Option<(String, Timestamp)>> {
        let held = self.context.store.leases().await?;
        let found = held.into_iter().find(|(lane, _, _)| lane == LEDGER_LANE);
        Ok(found.map(|(_, owner, until)| (owner, until)))
    }
}

impl Drop for Placing<'_> {
    fn drop(&mut self) {
        self.progress.finish_and_clear();
    }
}

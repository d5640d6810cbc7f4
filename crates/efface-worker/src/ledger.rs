//! The `ledger` lane: gives the journal's entries their positions, has checkpoints signed, and sees to
//! it that a copy of each lies outside.

use std::{
    fmt, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use efface_core::{LaneId, Timestamp};
use efface_store::{CheckpointRow, Error as StoreError, LEDGER_LANE, Lease, Store, crash_point};

use crate::hands::Hands;

/// Entries given a position at once.
const BATCH: u32 = 5_000;
/// How long company gathers: an entry has its position within a second.
const GATHERS: Duration = Duration::from_millis(300);

/// A place that this database cannot change, where copies of checkpoints are kept.
pub trait Anchor: Send + Sync + fmt::Debug {
    /// Keeps one signed note under a name that sorts by size, and beside it what its checkpoint saves;
    /// both may be handed over again.
    ///
    /// # Errors
    /// When it is not kept: it is tried again with the next.
    fn keep(&self, name: &str, note: &str, saved: &str) -> io::Result<()>;
}

/// How the log is looked after.
#[derive(Clone, Debug)]
pub struct LedgerOptions {
    /// A checkpoint is signed after so many new leaves…
    pub checkpoint_leaves: u64,
    /// … or after so long, if there is any.
    pub checkpoint_every: Duration,
    pub anchor: Option<Arc<dyn Anchor>>,
}

impl Default for LedgerOptions {
    fn default() -> Self {
        Self { checkpoint_leaves: 10_000, checkpoint_every: Duration::from_secs(600), anchor: None }
    }
}

/// The owner of the `ledger` lane.
pub(crate) struct LedgerLane {
    pub store: Arc<dyn Store>,
    pub hands: Hands,
    pub options: LedgerOptions,
    pub lease: Lease,
    pub stop: Arc<AtomicBool>,
    pub lost: AtomicBool,
    pub longest_sleep: Duration,
}

/// What was placed since the last checkpoint, and since when.
struct Pending {
    leaves: u64,
    since: Timestamp,
    /// The largest checkpoint this owner has seen.
    signed: Option<CheckpointRow>,
}

impl LedgerLane {
    fn ends(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.lost.load(Ordering::Relaxed)
    }

    pub(crate) async fn run(self: Arc<Self>) {
        let Ok(name) = LaneId::new(LEDGER_LANE) else { return };
        let bell = self.store.wakes().bell(&name);
        // what an earlier life placed may be unsigned
        let mut pending = Pending { leaves: 1, since: self.hands.clock.now(), signed: None };
        loop {
            match self.pass(&mut pending).await {
                Ok(()) => {}
                Err(StoreError::LaneLost { .. }) => self.lost.store(true, Ordering::Relaxed),
                Err(StoreError::Stale { .. }) => {}
                Err(error) => {
                    tracing::warn!(lane = LEDGER_LANE, %error, "the log waits for the database");
                    self.hands.runtime.sleep(Duration::from_secs(1)).await;
                }
            }
            if self.ends() {
                break;
            }
            let wait = match pending.leaves {
                0 => self.longest_sleep,
                _ => self.options.checkpoint_every.min(self.longest_sleep),
            };
            tokio::select! {
                biased;
                () = bell.notified() => self.hands.runtime.sleep(GATHERS).await,
                () = self.hands.runtime.sleep(wait) => {}
            }
        }
    }

    /// Places what there is and signs when it is time, and before the worker goes.
    async fn pass(&self, pending: &mut Pending) -> Result<(), StoreError> {
        if self.was_set_back(pending).await? {
            return Ok(());
        }
        loop {
            let placed = self.store.place_leaves(&self.lease, BATCH).await?;
            if pending.leaves == 0 {
                pending.since = self.hands.clock.now();
            }
            pending.leaves += placed;
            if placed < u64::from(BATCH) || self.ends() {
                break;
            }
        }
        let waited = self.hands.clock.now().since(pending.since);
        let is_time = pending.leaves >= self.options.checkpoint_leaves
            || waited >= self.options.checkpoint_every
            || self.stop.load(Ordering::Relaxed);
        if pending.leaves > 0 && is_time {
            crash_point("checkpoint-before-signing");
            pending.signed = self.store.sign_checkpoint().await?;
            crash_point("checkpoint-signed");
            pending.leaves = 0;
        }
        self.anchor().await
    }

    /// A database that no longer knows what was signed over it was restored, or another took its
    /// place, while this worker ran: nothing more is placed or signed, or there would be two histories.
    async fn was_set_back(&self, pending: &mut Pending) -> Result<bool, StoreError> {
        let last = self.store.last_checkpoint().await?;
        let known = |c: &CheckpointRow| (c.size, c.note.clone());
        let set_back = match (&pending.signed, &last) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(before), Some(last)) => {
                last.size < before.size
                    || (last.size == before.size && known(last) != known(before))
            }
        };
        if set_back {
            tracing::error!(
                lane = LEDGER_LANE,
                "the database was set back while this worker ran: its log is not continued; stop all workers, then start one"
            );
        } else {
            pending.signed = last;
        }
        Ok(set_back)
    }

    async fn anchor(&self) -> Result<(), StoreError> {
        let Some(anchor) = &self.options.anchor else { return Ok(()) };
        for checkpoint in self.store.not_anchored().await? {
            let saved = self.store.saved(&checkpoint).await?;
            let saved = saved.to_text(|bytes| self.store.digest(bytes));
            match anchor.keep(&format!("{:020}", checkpoint.size), &checkpoint.note, &saved) {
                Ok(()) => {
                    crash_point("checkpoint-kept-outside");
                    self.store.anchored(&checkpoint).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, size = checkpoint.size, "a checkpoint was not anchored; it is tried again");
                    break;
                }
            }
        }
        Ok(())
    }
}

//! One call, guarded: each of its requests leaves in its turn, it has a time limit, and a panic stays
//! with its order.

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use efface_connector::{ConnectorError, Item, Order as WireOrder, Turn};
use efface_core::{Identifier, TaskAction, order::Order};
use efface_store::DueTask;
use futures::{FutureExt, future::BoxFuture};
use tracing::{Instrument as _, field::Empty};

use crate::{lane::Lane, record::read_memo};

/// How a call ended.
#[derive(Clone)]
pub(crate) enum Ended<T> {
    Answered(T),
    Failed(ConnectorError),
    /// The connector panicked: counts like a lost owner.
    Panicked,
}

impl<T> Ended<T> {
    const fn word(&self) -> &'static str {
        match self {
            Self::Answered(_) => "answered",
            Self::Failed(ConnectorError::Retryable { .. }) => "not done, worth another try",
            Self::Failed(ConnectorError::Permanent { .. }) => "refused",
            Self::Failed(ConnectorError::NeedsPerson(_)) => "needs a person",
            Self::Failed(ConnectorError::QuotaSpent { .. }) => "quota spent",
            Self::Failed(ConnectorError::Unknown { .. }) => "outcome unknown",
            Self::Panicked => "panicked",
        }
    }
}

/// The turns of one call's requests at the account's pace. A connector may make one request or ten:
/// the vendor counts them all.
pub(crate) struct Turns<'a> {
    lane: &'a Lane,
    /// The first request's turn was taken when the call was launched.
    first_is_paid: AtomicBool,
    waited_millis: AtomicU64,
}

impl Turn for Turns<'_> {
    fn wait(&self) -> Option<BoxFuture<'_, Result<(), ConnectorError>>> {
        if self.first_is_paid.swap(false, Ordering::Relaxed) {
            return None;
        }
        let first = self.lane.take_turn();
        let may_leave = first.is_zero() && self.lane.is_surely_ours();
        (!may_leave).then(|| self.wait_for(first).boxed())
    }
}

impl Turns<'_> {
    async fn wait_for(&self, mut wait: Duration) -> Result<(), ConnectorError> {
        let _waiting = self.lane.waiting();
        while !wait.is_zero() {
            let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            self.waited_millis.fetch_add(millis, Ordering::Relaxed);
            self.lane.hands.runtime.sleep(wait).await;
            wait = self.lane.take_turn();
        }
        // the requests before it have left
        match self.lane.is_surely_ours() {
            true => Ok(()),
            false => Err(ConnectorError::unknown("broken off: the lease was about to end")),
        }
    }

    /// Runs a connector's future under the time limit, not counting what it waits for its turns, and
    /// catches its panic. Traced as `vendor call`: lane, what was asked, how it ended.
    pub(crate) async fn guarded<T>(
        &self,
        asked: &'static str,
        limit: Duration,
        work: impl Future<Output = Result<T, ConnectorError>> + Send,
    ) -> Ended<T> {
        let span =
            tracing::debug_span!("vendor call", lane = %self.lane.name, asked, ended = Empty);
        let ended = self.limited(limit, work).instrument(span.clone()).await;
        span.record("ended", ended.word());
        ended
    }

    async fn limited<T>(
        &self,
        mut limit: Duration,
        work: impl Future<Output = Result<T, ConnectorError>> + Send,
    ) -> Ended<T> {
        let mut work = Box::pin(AssertUnwindSafe(work).catch_unwind());
        loop {
            tokio::select! {
                biased;
                done = &mut work => return match done {
                    Ok(Ok(answer)) => Ended::Answered(answer),
                    Ok(Err(error)) => Ended::Failed(error),
                    Err(_) => Ended::Panicked,
                },
                () = self.lane.hands.runtime.sleep(limit) => {}
            }
            limit = Duration::from_millis(self.waited_millis.swap(0, Ordering::Relaxed));
            if limit.is_zero() {
                return Ended::Failed(ConnectorError::unknown(
                    "the connector took longer than its time limit",
                ));
            }
        }
    }
}

impl Lane {
    /// For a call that was launched: as a rule its first request has its turn.
    pub(crate) fn turns(&self) -> Turns<'_> {
        self.turns_of(self.is_paid())
    }

    /// For a call beside those that are launched.
    pub(crate) fn unpaid_turns(&self) -> Turns<'_> {
        self.turns_of(false)
    }

    fn turns_of(&self, first_is_paid: bool) -> Turns<'_> {
        let first_is_paid = AtomicBool::new(first_is_paid);
        Turns { lane: self, first_is_paid, waited_millis: AtomicU64::new(0) }
    }
}

/// The identifiers a call may use. What destroys is driven by proved, personal ones alone; a mere
/// look may use them all, but a look that verifies an erasure uses those that drove it.
fn identifiers_for(due: &DueTask) -> Vec<Identifier> {
    let drives_only = due.task.action.erases();
    due.identifiers.iter().filter(|i| !drives_only || i.drives()).cloned().collect()
}

/// A due task as the vendor's crate sees it.
pub(crate) fn item(due: &DueTask, keyed_by: &[efface_core::IdentifierKind]) -> Item {
    let mut identifiers = identifiers_for(due);
    if !keyed_by.is_empty() {
        identifiers.retain(|i| keyed_by.contains(&i.kind));
    }
    Item {
        id: due.task.id,
        generation: due.task.generation,
        identifiers,
        memo: read_memo(due.memo.as_ref()),
        prior: if due.task.action == TaskAction::Lift {
            read_memo(due.prior.as_ref())
        } else {
            None
        },
    }
}

/// An order as the vendor's crate sees it, with the given items.
pub(crate) fn wire_order(
    order: &Order,
    items: &[DueTask],
    keyed_by: &[efface_core::IdentifierKind],
) -> WireOrder {
    WireOrder {
        action: order.action,
        scope: items.first().and_then(|i| i.task.scope),
        step: order.step.clone(),
        items: items.iter().map(|i| item(i, keyed_by)).collect(),
        idempotency_key: order.key.clone(),
        first_sent_at: order.first_sent_at,
    }
}

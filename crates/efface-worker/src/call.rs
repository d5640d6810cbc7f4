//! One call, guarded: a time limit, and a panic that stays with its order.

use std::{panic::AssertUnwindSafe, time::Duration};

use efface_connector::{ConnectorError, Item, Order as WireOrder};
use efface_core::{Identifier, TaskAction, order::Order};
use efface_store::DueTask;
use futures::FutureExt;

use crate::{hands::Hands, record::read_memo};

/// How a call ended.
#[derive(Clone)]
pub(crate) enum Ended<T> {
    Answered(T),
    Failed(ConnectorError),
    /// The connector panicked: counts like a lost owner.
    Panicked,
}

/// Runs a connector's future under the time limit and catches its panic.
pub(crate) async fn guarded<T>(
    hands: &Hands,
    limit: Duration,
    work: impl Future<Output = Result<T, ConnectorError>> + Send,
) -> Ended<T> {
    tokio::select! {
        biased;
        done = AssertUnwindSafe(work).catch_unwind() => match done {
            Ok(Ok(answer)) => Ended::Answered(answer),
            Ok(Err(error)) => Ended::Failed(error),
            Err(_) => Ended::Panicked,
        },
        () = hands.runtime.sleep(limit) => Ended::Failed(ConnectorError::unknown("the connector took longer than its time limit")),
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

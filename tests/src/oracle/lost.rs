//! What the database has lost and vendors have seen.

use std::collections::HashMap;

use efface_core::{OrderId, task::Task};

use super::{Evidence, Seen};

/// Whether a task's outcome follows from what was done in a time that is lost: by an order of then, or
/// because the vendor said so when it was asked again.
pub(super) fn is_told(
    evidence: &Evidence<'_>,
    seen: &Seen<'_>,
    exchanged: &HashMap<OrderId, Vec<&str>>,
    task: &Task,
) -> bool {
    if evidence.lost_orders.is_empty() {
        return false;
    }
    let all = evidence.orders.iter().chain(&evidence.lost_orders);
    let mut mine = all.filter(|order| order.items.contains(&task.id));
    mine.any(|order| {
        let kept = exchanged.get(&order.id).into_iter().flatten().copied();
        let mut words = kept.chain([order.body_digest.as_str()]);
        words.any(|digest| seen.count(task.account.as_str(), digest) > 0)
    })
}

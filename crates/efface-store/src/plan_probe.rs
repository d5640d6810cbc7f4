//! The texts of the statements that must stay quick whatever the tables hold, for the test that asks
//! both databases how they carry them out. No part of the interface.

use crate::{
    hot::{Hot, expanded},
    sql::{PLANS, commit, list, read, receipts, watch},
    usecase::OVERDUE,
};

/// What each connection to PostgreSQL is told of planning.
pub const POSTGRES_PLANS: &[(&str, &str)] = PLANS;

/// A statement on SQLite and on PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pub name: &'static str,
    pub sqlite: &'static str,
    pub postgres: &'static str,
    /// Columns of the set it takes; none when it takes no set.
    pub width: usize,
}

impl Probe {
    /// SQLite's text for a set of so many rows.
    #[must_use]
    pub fn sqlite_for(&self, rows: usize) -> &'static str {
        expanded(self.sqlite, self.width, rows)
    }
}

const fn probe(
    name: &'static str,
    width: usize,
    (sqlite, postgres): (&'static str, &'static str),
) -> Probe {
    Probe { name, sqlite, postgres, width }
}

const fn same(name: &'static str, sql: &'static str) -> Probe {
    Probe { name, sqlite: sql, postgres: sql, width: 0 }
}

pub const PROBES: &[Probe] = &[
    same("due_tasks", read::DUE_TASKS),
    same("anything_to_wake", read::ANYTHING_TO_WAKE),
    same("due_receipts", read::DUE_RECEIPTS),
    same("due_follow_ups", read::DUE_FOLLOW_UPS),
    same("next_wake", read::NEXT_WAKE),
    same("due_watches", watch::DUE_WATCHES),
    probe("listed", 1, list::LISTED),
    probe("priors_on_list", 2, list::PRIORS_ON_LIST),
    probe("tags_of", 1, list::TAGS),
    probe("tags_of_entries", 1, list::TAGS_OF_ENTRIES),
    probe("kept", 1, list::KEPT),
    probe("priors", 1, list::PRIORS),
    probe("watches_of", 1, watch::WATCHES_OF),
    probe("update_watches", 5, Hot::UPDATE_WATCHES.texts()),
    same("open_orders", read::OPEN_ORDERS),
    same("unknown_orders", read::UNKNOWN_ORDERS),
    probe("overdue", 0, OVERDUE),
    probe("keys", 1, commit::KEYS),
    probe("tasks_by_id", 1, read::TASKS_BY_ID),
    probe("receipts_by_id", 1, receipts::RECEIPTS_BY_ID),
    probe("tasks_of_requests", 1, read::TASKS_OF_REQUESTS),
    probe("dependents", 1, read::DEPENDENTS),
    probe("wake_due", 3, Hot::WAKE_TASKS.texts()),
    probe("update_tasks", 19, Hot::UPDATE_TASKS.texts()),
    probe("match_tags", 1, Hot::MATCH_TAGS.texts()),
    probe("share_tags", 1, Hot::SHARE_TAGS.texts()),
    probe("known_filings", 1, Hot::KNOWN_FILINGS.texts()),
    probe("update_requests", 7, Hot::UPDATE_REQUESTS.texts()),
    probe("update_orders", 4, Hot::UPDATE_ORDERS.texts()),
    probe("update_receipts", 3, Hot::UPDATE_RECEIPTS.texts()),
    probe("delete_follow_ups", 2, Hot::DELETE_FOLLOW_UPS.texts()),
    probe("close_desk", 6, Hot::CLOSE_DESK.texts()),
];

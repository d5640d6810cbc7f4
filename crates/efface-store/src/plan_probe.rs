//! The texts of the statements that must stay quick whatever the tables hold, for the test that asks
//! both databases how they carry them out. No part of the interface.

use crate::{
    hot::Hot,
    sql::{read, receipts},
    usecase::OVERDUE,
};

/// A statement on SQLite and on PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pub name: &'static str,
    pub sqlite: &'static str,
    pub postgres: &'static str,
}

const fn probe(name: &'static str, (sqlite, postgres): (&'static str, &'static str)) -> Probe {
    Probe { name, sqlite, postgres }
}

const fn same(name: &'static str, sql: &'static str) -> Probe {
    Probe { name, sqlite: sql, postgres: sql }
}

pub const PROBES: &[Probe] = &[
    same("due_tasks", read::DUE_TASKS),
    same("anything_to_wake", read::ANYTHING_TO_WAKE),
    same("due_receipts", read::DUE_RECEIPTS),
    same("due_follow_ups", read::DUE_FOLLOW_UPS),
    same("next_wake", read::NEXT_WAKE),
    same("open_orders", read::OPEN_ORDERS),
    same("unknown_orders", read::UNKNOWN_ORDERS),
    probe("overdue", OVERDUE),
    probe("tasks_by_id", read::TASKS_BY_ID),
    probe("receipts_by_id", receipts::RECEIPTS_BY_ID),
    probe("tasks_of_requests", read::TASKS_OF_REQUESTS),
    probe("dependents", read::DEPENDENTS),
    probe("wake_due", Hot::WAKE_TASKS.texts()),
    probe("update_tasks", Hot::UPDATE_TASKS.texts()),
    probe("match_tags", Hot::MATCH_TAGS.texts()),
    probe("share_tags", Hot::SHARE_TAGS.texts()),
    probe("known_filings", Hot::KNOWN_FILINGS.texts()),
    probe("update_requests", Hot::UPDATE_REQUESTS.texts()),
    probe("update_orders", Hot::UPDATE_ORDERS.texts()),
    probe("update_receipts", Hot::UPDATE_RECEIPTS.texts()),
    probe("close_desk", Hot::CLOSE_DESK.texts()),
];

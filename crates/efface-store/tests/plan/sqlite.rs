//! SQLite: its plan names the index, reads no table from end to end and sorts nothing.

use efface_store::plan_probe::PROBES;

use super::World;

/// What a statement's plan must hold.
const BY: &[(&str, &str)] = &[
    ("due_tasks", "USING INDEX task_ready (account=? AND queue=?)"),
    ("wake_due", "INDEX task_wake (lane=? AND wake_at>? AND wake_at<?)"),
    ("anything_to_wake", "INDEX task_wake (lane=? AND wake_at>? AND wake_at<?)"),
    ("due_receipts", "INDEX receipt_poll (lane=? AND next_poll>? AND next_poll<?)"),
    ("receipts_by_id", "INDEX sqlite_autoindex_receipt_1 (id=?)"),
    ("due_follow_ups", "INDEX follow_up_due (due_at<?)"),
    ("next_wake", "INDEX task_wake (lane=? AND wake_at>?)"),
    ("next_wake", "INDEX receipt_poll (lane=? AND next_poll>?)"),
    ("next_wake", "INDEX orders_open (lane=? AND state=?)"),
    ("next_wake", "INDEX watch_lane (lane=? AND due_at>?)"),
    ("due_watches", "INDEX watch_due (account=? AND due_at>? AND due_at<?)"),
    ("listed", "PRIMARY KEY (tag=?)"),
    ("priors_on_list", "PRIMARY KEY (tag=?)"),
    ("watches_of", "INDEX watch_request (request_id=?)"),
    ("open_orders", "INDEX orders_open (lane=?)"),
    ("unknown_orders", "INDEX orders_open (lane=? AND state=? AND look_at<?)"),
    ("overdue", "INDEX request_due ("),
    ("dependents", "INDEX task_depends (depends_on=?)"),
    ("tasks_of_requests", "INDEX task_request (request_id=?)"),
    ("update_tasks", "SEARCH task USING PRIMARY KEY (id=?)"),
    ("match_tags", "PRIMARY KEY (tag=?)"),
    ("known_filings", "INDEX request_filing_key (filing_key=?)"),
    ("close_desk", "INDEX desk_open (subject_kind=? AND subject_id=?"),
];

/// Tables, and the short names the statements give them. A set handed in may be read from end to end.
const TABLES: &[&str] = &[
    "task",
    "t",
    "e",
    "request",
    "r",
    "tag",
    "orders",
    "o",
    "receipt",
    "c",
    "follow_up",
    "desk",
    "watch",
    "w",
    "suppression",
    "s",
    "suppression_tag",
    "suppression_account",
    "a",
];

fn reads_all(line: &str) -> bool {
    let table = line.strip_prefix("SCAN ").and_then(|rest| rest.split_whitespace().next());
    table.is_some_and(|t| TABLES.contains(&t))
}

pub async fn check(world: &World) {
    let mut wrong = vec![];
    for probe in PROBES {
        let plan = world.raw.plan(probe.sqlite_for(16)).await;
        let whole = plan.iter().any(|line| reads_all(line));
        // the few that are open are sorted by age; everything else comes in order
        let sorts = plan.iter().any(|line| line.contains("TEMP B-TREE"))
            && !probe.name.ends_with("_orders");
        let by: Vec<&str> =
            BY.iter().filter(|(name, _)| *name == probe.name).map(|(_, index)| *index).collect();
        let misses = by.iter().any(|index| !plan.iter().any(|line| line.contains(index)));
        if whole || sorts || misses {
            wrong.push(format!("{} (wanted {by:?}):\n  {}", probe.name, plan.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! PostgreSQL: the rows a plan really looked at, with the plan made for these parameters and with the
//! one made for any.

use efface_store::plan_probe::{POSTGRES_PLANS, PROBES, Probe};
use serde_json::Value;

use super::{World, literals};

type Settings = &'static [(&'static str, &'static str)];

/// The most rows a statement may look at: some times what it returns, far below what there is.
const FEW: f64 = 4_000.0;

fn number(node: &Value, name: &str) -> f64 {
    node.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Rows that reading nodes looked at, and the tables that were read from end to end.
fn looked_at(node: &Value, whole: &mut Vec<String>) -> f64 {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let mut rows = 0.0;
    if node.get("Relation Name").is_some() && kind.ends_with("Scan") {
        let removed =
            number(node, "Rows Removed by Filter") + number(node, "Rows Removed by Index Recheck");
        rows += (number(node, "Actual Rows") + removed) * number(node, "Actual Loops");
        if kind == "Seq Scan" && number(node, "Actual Loops") > 0.0 {
            whole.push(node["Relation Name"].to_string());
        }
    }
    let below = node.get("Plans").and_then(Value::as_array).into_iter().flatten();
    rows + below.map(|n| looked_at(n, whole)).sum::<f64>()
}

/// The indexes that something was looked up in; one read from end to end is none.
fn indexes(node: &Value, names: &mut Vec<String>) {
    if node.get("Index Cond").is_some() {
        names.extend(node.get("Index Name").and_then(Value::as_str).map(str::to_owned));
    }
    for below in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        indexes(below, names);
    }
}

async fn explain(world: &World, probe: &Probe, settings: Settings) -> Value {
    let (types, values) = literals::postgres(probe);
    let set = settings.iter().map(|(name, value)| format!("SET LOCAL {name} = {value}"));
    let mut script = vec!["BEGIN".to_owned()];
    script.extend(set);
    script.extend([
        format!("PREPARE probe ({types}) AS {}", probe.postgres),
        format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE probe ({values})"),
        "ROLLBACK".to_owned(),
        "DEALLOCATE probe".to_owned(),
    ]);
    let answers = world.raw.script(&script).await;
    let plan: Value = serde_json::from_str(&answers).expect("a plan");
    plan[0]["Plan"].clone()
}

/// The index a statement must go by.
const BY: &[(&str, &str)] = &[
    ("due_tasks", "task_ready"),
    ("wake_due", "task_wake"),
    ("anything_to_wake", "task_wake"),
    ("due_receipts", "receipt_poll"),
    ("receipts_by_id", "receipt_pkey"),
    ("due_follow_ups", "follow_up_due"),
    ("next_wake", "task_wake"),
    ("dependents", "task_depends"),
    ("tasks_of_requests", "task_request"),
    ("unknown_orders", "orders_open"),
    ("open_orders", "orders_open"),
    ("update_orders", "orders_pkey"),
    ("update_requests", "request_pkey"),
    ("known_filings", "request_filing_key"),
    ("share_tags", "tag_pkey"),
    ("keys", "request_pkey"),
    ("tasks_by_id", "task_pkey"),
    ("tasks_by_id", "request_pkey"),
    ("update_receipts", "receipt_pkey"),
    ("delete_follow_ups", "follow_up_pkey"),
    ("close_desk", "desk_open"),
    ("update_tasks", "task_pkey"),
    ("match_tags", "tag_pkey"),
    ("overdue", "request_due"),
    ("listed", "suppression_tag_pkey"),
    ("listed", "suppression_pkey"),
    ("priors_on_list", "suppression_tag_pkey"),
    ("priors_on_list", "suppression_pkey"),
    ("priors_on_list", "suppression_account_pkey"),
    ("tags_of", "tag_request"),
    ("tags_of_entries", "suppression_tag_entry"),
    ("kept", "suppression_pkey"),
    ("priors", "task_request"),
];

/// As the store's own connections are told, and as they would be without.
const MODES: &[Settings] = &[
    POSTGRES_PLANS,
    &[("plan_cache_mode", "force_custom_plan")],
    &[("plan_cache_mode", "force_generic_plan")],
];

/// Statements that read a table from end to end while it is empty. Their plans are made anew when it has
/// been analysed with rows in it, which the store sees to.
const WHOLE_WHEN_EMPTY: &[&str] = &[
    "keys",
    "kept",
    "listed",
    "priors_on_list",
    "tasks_by_id",
    "update_tasks",
    "update_requests",
    "update_orders",
    "update_receipts",
    "update_watches",
    "delete_follow_ups",
    "close_desk",
];

/// A plan made for an empty database is the one a full one needs, but for those named.
pub async fn check_empty(world: &World) {
    world.raw.script(&["ANALYZE".to_owned()]).await;
    check_with(world, &MODES[..1], WHOLE_WHEN_EMPTY).await;
}

pub async fn check(world: &World) {
    check_with(world, MODES, &[]).await;
}

async fn check_with(world: &World, modes: &[Settings], but: &[&str]) {
    let mut wrong = vec![];
    for probe in PROBES.iter().filter(|p| !but.contains(&p.name)) {
        for &settings in modes {
            let plan = explain(world, probe, settings).await;
            let (mut whole, mut used) = (vec![], vec![]);
            let rows = looked_at(&plan, &mut whole);
            indexes(&plan, &mut used);
            let mut by = BY.iter().filter(|(name, _)| *name == probe.name);
            let goes_by = by.all(|(_, index)| used.iter().any(|u| u == index));
            if rows > FEW || !whole.is_empty() || !goes_by {
                wrong.push(format!(
                    "{} ({settings:?}): {rows} rows, whole tables {whole:?}, indexes {used:?}",
                    probe.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

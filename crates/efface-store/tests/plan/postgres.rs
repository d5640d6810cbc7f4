//! PostgreSQL: the rows a plan really looked at, with the plan made for these parameters and with the
//! one made for any.

use efface_store::plan_probe::{PROBES, Probe};
use serde_json::Value;

use super::{World, literals};

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

fn indexes(node: &Value, names: &mut Vec<String>) {
    names.extend(node.get("Index Name").and_then(Value::as_str).map(str::to_owned));
    for below in node.get("Plans").and_then(Value::as_array).into_iter().flatten() {
        indexes(below, names);
    }
}

async fn explain(world: &World, probe: &Probe, mode: &str) -> Value {
    let (types, values) = literals::postgres(probe);
    let script = [
        "BEGIN".to_owned(),
        format!("SET LOCAL plan_cache_mode = {mode}"),
        format!("PREPARE probe ({types}) AS {}", probe.postgres),
        format!("EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE probe ({values})"),
        "ROLLBACK".to_owned(),
        "DEALLOCATE probe".to_owned(),
    ];
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
    ("update_tasks", "task_pkey"),
    ("match_tags", "tag_pkey"),
    ("overdue", "request_due"),
];

pub async fn check(world: &World) {
    let mut wrong = vec![];
    for probe in PROBES {
        for mode in ["force_custom_plan", "force_generic_plan"] {
            let plan = explain(world, probe, mode).await;
            let (mut whole, mut used) = (vec![], vec![]);
            let rows = looked_at(&plan, &mut whole);
            indexes(&plan, &mut used);
            let by = BY.iter().find(|(name, _)| *name == probe.name).map(|(_, index)| *index);
            let goes_by = by.is_none_or(|index| used.iter().any(|u| u == index));
            if rows > FEW || !whole.is_empty() || !goes_by {
                wrong.push(format!(
                    "{} ({mode}): {rows} rows, whole tables {whole:?}, indexes {used:?}",
                    probe.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

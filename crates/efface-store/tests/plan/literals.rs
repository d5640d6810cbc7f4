//! Parameters of the statements, as literals.

use efface_store::plan_probe::Probe;

use super::seed::{id, now};

/// How many rows a set names.
pub const SET: u32 = 20;

fn ids(from: u32) -> Vec<String> {
    (from..from + SET).map(id).collect()
}

fn array(of: &str, values: impl Iterator<Item = String>) -> String {
    format!("ARRAY[{}]::{of}[]", values.collect::<Vec<_>>().join(","))
}

fn id_array(from: u32) -> String {
    array("bytea", ids(from).into_iter().map(|i| format!("'\\x{i}'::bytea")))
}

fn texts(value: &str) -> String {
    array("text", (0..SET).map(|_| format!("'{value}'")))
}

fn numbers(value: u32) -> String {
    array("int8", (0..SET).map(|_| value.to_string()))
}

fn nothing(of: &str) -> String {
    array(of, (0..SET).map(|_| "NULL".into()))
}

/// Types and values for PostgreSQL's PREPARE and EXECUTE.
pub fn postgres(probe: &Probe) -> (&'static str, String) {
    let at = now().millis();
    let empty = "'\\x'::bytea";
    let all = |values: Vec<String>| values.join(", ");
    match probe.name {
        "due_tasks" => ("text, int8, int8", "'mail', 1, 50".into()),
        "anything_to_wake" | "unknown_orders" => ("text, int8", format!("'mail', {at}")),
        "due_receipts" => ("text, int8, int8", format!("'mail', {at}, 50")),
        "due_follow_ups" => ("int8, int8", format!("{at}, 50")),
        "due_watches" => ("text, int8, int8", format!("'mail', {at}, 50")),
        "next_wake" => ("text, int8", format!("'mail', {at}")),
        "open_orders" => ("text", "'mail'".into()),
        "overdue" => ("int8, int8, bytea", format!("{at}, {}, {empty}", i64::MIN + 1)),
        "keys" | "tasks_by_id" | "receipts_by_id" | "match_tags" | "share_tags"
        | "known_filings" | "watches_of" | "listed" | "tags_of" | "tags_of_entries" | "kept"
        | "priors" => ("bytea[]", id_array(500)),
        "priors_on_list" => ("bytea[], text[]", all(vec![id_array(500), texts("mail")])),
        "tasks_of_requests" | "dependents" => {
            ("bytea[]", array("bytea", [format!("'\\x{}'::bytea", id(998))].into_iter()))
        }
        "delete_follow_ups" => ("bytea[], int8[]", all(vec![id_array(0), numbers(1)])),
        "wake_due" => (
            "text[], int8[], int8[]",
            format!("ARRAY['mail'], ARRAY[{at}]::int8[], ARRAY[50]::int8[]"),
        ),
        "update_tasks" => (
            "bytea[], int8[], int8[], int8[], text[], int8[], text[], int8[], int8[], text[], text[], bytea[], int8[], int8[], int8[], int8[], bytea[], bytea[], bytea[]",
            all(vec![
                id_array(0),
                numbers(1),
                numbers(1),
                numbers(2),
                texts("delete"),
                numbers(0),
                texts("none"),
                numbers(0),
                numbers(0),
                texts("settled"),
                texts("{}"),
                nothing("bytea"),
                nothing("int8"),
                nothing("int8"),
                numbers(0),
                numbers(0),
                nothing("bytea"),
                nothing("bytea"),
                nothing("bytea"),
            ]),
        ),
        "update_requests" => (
            "bytea[], int8[], int8[], text[], int8[], int8[], text[]",
            all(vec![
                id_array(0),
                numbers(1),
                numbers(2),
                texts("closed"),
                numbers(1),
                numbers(0),
                texts("{}"),
            ]),
        ),
        "update_orders" => (
            "bytea[], text[], int8[], text[]",
            all(vec![id_array(0), texts("answered"), nothing("int8"), texts("{}")]),
        ),
        "update_receipts" => {
            ("bytea[], int8[], text[]", all(vec![id_array(0), nothing("int8"), texts("{}")]))
        }
        "update_watches" => (
            "bytea[], int8[], int8[], int8[], text[]",
            all(vec![id_array(0), numbers(1), numbers(2), nothing("int8"), texts("{}")]),
        ),
        "close_desk" => (
            "text[], text[], text[], int8[], text[], text[]",
            all(vec![
                texts("task"),
                array("text", (0..SET).map(|n| format!("'task {n}'"))),
                nothing("text"),
                numbers(1),
                texts("x"),
                texts("x"),
            ]),
        ),
        other => panic!("no parameters for {other}"),
    }
}

//! The rows: in bulk, straight into the tables, with ids that are numbers.

use efface_core::Timestamp;

use super::{DUE, MANY, SOME, World};

/// What the statements are told the time is.
pub fn now() -> Timestamp {
    Timestamp::from_millis(1_000_000)
}

/// The id of row `n`, as both databases write it in hex.
pub fn id(n: u32) -> String {
    format!("{n:032x}")
}

/// One statement per table. `{n}` is the row's number, `{id:x}` the id of row `x`.
///
/// A tenth of the background waits for a time, the rest for an answer; every thousandth request is
/// waited for by another.
fn rows() -> [(String, u32); 11] {
    let task = format!(
        "INSERT INTO task (id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior) \
         SELECT {{id:n}}, {{id:n % {SOME}}}, 'mail', 'mail', 'erase', NULL, 1, 1, 'delete', 0, 'none', 0, 0, 'ready', '{{\"state\":\"ready\",\"due\":0}}', \
         CASE WHEN n % 1000 = 999 THEN {{id:n - 1}} END, \
         CASE WHEN n < {DUE} OR n % 10 = 0 THEN 1 END, \
         CASE WHEN n >= {DUE} AND n % 10 = 0 THEN 2000000 + n END, \
         CASE WHEN n < {DUE} THEN 9000000 + n ELSE n END, 0, NULL, NULL FROM series"
    );
    let request = "INSERT INTO request (id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, nobody_found_decided, body, sealed, wrapped_key, wrapped_by) \
         SELECT {id:n}, 1, 'default', 'erase', '', CASE WHEN n % 2 = 0 THEN 'running' ELSE 'closed' END, CASE WHEN n < 200 THEN 1 ELSE 2000000 + n END, 0, NULL, {id:n}, 0, '{}', {id:n}, {id:n}, '' FROM series";
    let tag = "INSERT INTO tag (tag, request_id, kind, drives, shared) SELECT {id:n}, {id:n}, 'email', 1, 0 FROM series";
    let follow_up = format!(
        "INSERT INTO follow_up (request_id, due_at, seq) SELECT {{id:n}}, CASE WHEN n < {DUE} THEN 1 ELSE 2000000 + n END, 1 FROM series"
    );
    let order = "INSERT INTO orders (id, lane, number, account, state, look_at, body) \
         SELECT {id:n}, 'mail', n, 'mail', CASE WHEN n < 50 THEN 'sending' WHEN n < 100 THEN 'unknown' ELSE 'answered' END, CASE WHEN n BETWEEN 50 AND 99 THEN 2000000 + n END, '{}' FROM series";
    let receipt = format!(
        "INSERT INTO receipt (id, order_id, lane, next_poll, body) SELECT {{id:n}}, {{id:n}}, 'mail', CASE WHEN n < {DUE} THEN 1 WHEN n % 2 = 0 THEN 2000000 + n END, '{{}}' FROM series"
    );
    let desk = "INSERT INTO desk (id, subject_kind, subject_id, reason, opened_at, closed_at, closed_by, closed_how, body, sealed) \
         SELECT {id:n}, 'task', 'task ' || n, 'slow', 1, CASE WHEN n >= 100 THEN 1 END, 'x', 'x', '{}', NULL FROM series";
    let watch = format!(
        "INSERT INTO watch (task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by) SELECT {{id:n}}, {{id:n}}, 'mail', 'mail', 1, CASE WHEN n < {DUE} THEN 1 WHEN n % 10 = 0 THEN 2000000 + n END, '{{}}', {{id:n}}, {{id:n}}, '' FROM series"
    );
    let suppression = "INSERT INTO suppression (id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by) SELECT {id:n}, 1, 'default', 'all_processing', 'hash_only', 'in_force', 1, '{}', NULL, {id:n}, 'month' FROM series";
    let listed = "INSERT INTO suppression_tag (tag, suppression_id, kind, hashed) SELECT {id:n}, {id:n}, 'email', 0 FROM series";
    let stand = "INSERT INTO suppression_account (suppression_id, account, observed, since, task_id, prior) SELECT {id:n}, 'mail', 'confirmed', 1, NULL, {id:n} FROM series";
    [
        (suppression.into(), SOME),
        (listed.into(), SOME),
        (stand.into(), SOME),
        (watch, SOME),
        (request.into(), SOME),
        (tag.into(), SOME),
        (follow_up, SOME),
        (order.into(), SOME),
        (receipt, SOME),
        (desk.into(), SOME),
        (task, MANY + DUE),
    ]
}

/// Writes `{id:x}` as each database makes sixteen bytes of a number.
fn with_ids(text: &str, is_postgres: bool) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{id:") {
        let (number, after) = after.split_once('}').expect("closed");
        out.push_str(before);
        out.push_str(&if is_postgres {
            format!("decode(lpad(to_hex({number}), 32, '0'), 'hex')")
        } else {
            format!("unhex(printf('%032x', {number}))")
        });
        rest = after;
    }
    out + rest
}

pub async fn fill(world: &World) {
    let is_postgres = world.bench.is_postgres();
    if !is_postgres {
        // a crash of this test loses nothing
        world.raw.exec("PRAGMA synchronous = OFF").await;
    }
    for (text, count) in rows() {
        let series = if is_postgres {
            format!("WITH series AS (SELECT generate_series(0, {}) AS n) ", count - 1)
        } else {
            format!(
                "WITH RECURSIVE series(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM series WHERE n < {}) ",
                count - 1
            )
        };
        world.raw.exec(&format!("{series}{}", with_ids(&text, is_postgres))).await;
    }
    if is_postgres {
        world.raw.exec("ANALYZE").await;
    }
}

//! SQLite's texts: `{rows}` stands for as many rows of parameters as are bound, rounded up to a power
//! of two with rows of NULLs, which every statement leaves out. One parameter per cell costs less than
//! half of handing a set over as JSON, which SQLite would write, parse and take apart again.

pub(super) const INSERT_TASKS: &str = "\
WITH x(id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior) AS (VALUES {rows})
INSERT INTO task (id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior)
SELECT id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior FROM x WHERE id IS NOT NULL";

pub(super) const UPDATE_TASKS: &str = "\
WITH x(id, read_version, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, since, memo_change, memo, prior, ordered) AS (VALUES {rows})
UPDATE task SET generation = x.generation, version = x.version, step = x.step, failures = x.failures, evidence = x.evidence, sent = x.sent, cancel_marked = x.cancel_marked, state = x.state, body = x.body, depends_on = x.depends_on, queue = x.queue, wake_at = x.wake_at, since = x.since, memo = CASE x.memo_change WHEN 1 THEN x.memo ELSE task.memo END, prior = coalesce(x.prior, task.prior), orders = CASE WHEN x.ordered IS NULL THEN task.orders ELSE CAST(coalesce(task.orders, x'') || x.ordered AS BLOB) END
FROM x
WHERE task.id = x.id AND task.version = x.read_version
RETURNING task.id";

pub(super) const INSERT_ORDERS: &str = "\
WITH x(id, lane, number, account, state, look_at, body) AS (VALUES {rows})
INSERT INTO orders (id, lane, number, account, state, look_at, body)
SELECT id, lane, number, account, state, look_at, body FROM x WHERE id IS NOT NULL";

pub(super) const UPDATE_ORDERS: &str = "\
WITH x(id, state, look_at, body) AS (VALUES {rows})
UPDATE orders SET state = x.state, look_at = x.look_at, body = x.body
FROM x
WHERE orders.id = x.id
RETURNING orders.id";

pub(super) const INSERT_RECEIPTS: &str = "\
WITH x(id, order_id, lane, next_poll, body) AS (VALUES {rows})
INSERT INTO receipt (id, order_id, lane, next_poll, body)
SELECT id, order_id, lane, next_poll, body FROM x WHERE id IS NOT NULL";

pub(super) const UPDATE_RECEIPTS: &str = "\
WITH x(id, next_poll, body) AS (VALUES {rows})
UPDATE receipt SET next_poll = x.next_poll, body = x.body
FROM x
WHERE receipt.id = x.id
RETURNING receipt.id";

pub(super) const INSERT_EXCHANGES: &str = "\
WITH x(id, order_id, account, at, status, body) AS (VALUES {rows})
INSERT INTO exchange (id, order_id, account, at, status, body)
SELECT id, order_id, account, at, status, body FROM x WHERE id IS NOT NULL";

pub(super) const INSERT_JOURNAL: &str = "\
WITH x(id, at, request_id, body, items) AS (VALUES {rows})
INSERT INTO journal (id, at, request_id, body, items)
SELECT id, at, request_id, body, items FROM x WHERE id IS NOT NULL";

pub(super) const UPSERT_FOLLOW_UPS: &str = "\
WITH x(request_id, due_at, seq) AS (VALUES {rows})
INSERT INTO follow_up (request_id, due_at, seq)
SELECT request_id, min(due_at), max(seq) FROM x WHERE request_id IS NOT NULL GROUP BY request_id
ON CONFLICT (request_id) DO UPDATE SET due_at = CASE WHEN excluded.due_at < follow_up.due_at THEN excluded.due_at ELSE follow_up.due_at END, seq = follow_up.seq + 1";

pub(super) const DELETE_FOLLOW_UPS: &str = "\
DELETE FROM follow_up WHERE (request_id, seq) IN (VALUES {rows})";

pub(super) const INSERT_REQUESTS: &str = "\
WITH x(id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by) AS (VALUES {rows})
INSERT INTO request (id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by)
SELECT id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by FROM x WHERE id IS NOT NULL";

pub(super) const UPDATE_REQUESTS: &str = "\
WITH x(id, read_version, version, state, due_at, nobody_found_decided, body) AS (VALUES {rows})
UPDATE request SET version = x.version, state = x.state, due_at = x.due_at, nobody_found_decided = x.nobody_found_decided, body = x.body
FROM x
WHERE request.id = x.id AND request.version = x.read_version
RETURNING request.id";

pub(super) const RESEAL_REQUESTS: &str = "\
WITH x(id, sealed) AS (VALUES {rows})
UPDATE request SET sealed = x.sealed
FROM x
WHERE request.id = x.id
RETURNING request.id";

pub(super) const INSERT_TAGS: &str = "\
WITH x(tag, request_id, kind, drives, shared) AS (VALUES {rows})
INSERT INTO tag (tag, request_id, kind, drives, shared)
SELECT tag, request_id, kind, drives, shared FROM x WHERE tag IS NOT NULL
ON CONFLICT (tag, request_id) DO UPDATE SET drives = max(excluded.drives, tag.drives), shared = max(excluded.shared, tag.shared)";

pub(super) const SHARE_TAGS: &str = "\
UPDATE tag SET shared = 1 WHERE tag IN (VALUES {rows}) AND shared = 0";

pub(super) const MATCH_TAGS: &str = "\
WITH x(tag) AS (VALUES {rows})
SELECT t.tag, t.request_id, t.kind, t.drives, t.shared, r.controller, r.action, r.scope, r.state, CASE WHEN r.body LIKE '%\"only\":[%' THEN 1 ELSE 0 END
FROM x CROSS JOIN tag AS t ON t.tag = x.tag JOIN request AS r ON r.id = t.request_id";

pub(super) const KNOWN_FILINGS: &str = "\
SELECT filing_key, id, state, import_id FROM request WHERE filing_key IN (VALUES {rows})";

pub(super) const CHECK_LEASES: &str = "\
WITH x(name, owner, epoch) AS (VALUES {rows})
SELECT lane.name
FROM x JOIN lane ON lane.name = x.name AND lane.owner = x.owner AND lane.epoch = x.epoch";

pub(super) const TAKE_NUMBERS: &str = "\
WITH x(name, n) AS (VALUES {rows})
UPDATE lane SET last_number = max(last_number, x.n)
FROM x
WHERE lane.name = x.name
RETURNING lane.name, lane.last_number";

pub(super) const UPDATE_ACCOUNTS: &str = "\
WITH x(id, read_version, version, body) AS (VALUES {rows})
UPDATE account SET version = x.version, body = x.body
FROM x
WHERE account.id = x.id AND account.version = x.read_version
RETURNING account.id";

pub(super) const WAKE_TASKS: &str = "\
WITH x(lane, now, most) AS (VALUES {rows})
UPDATE task SET wake_at = NULL WHERE id IN (SELECT t.id FROM x CROSS JOIN task AS t INDEXED BY task_wake WHERE t.wake_at IS NOT NULL AND t.lane = x.lane AND t.wake_at <= x.now LIMIT (SELECT most FROM x))
RETURNING id";

pub(super) const OPEN_DESK: &str = "\
WITH x(id, subject_kind, subject_id, reason, opened_at, body, sealed) AS (VALUES {rows})
INSERT INTO desk (id, subject_kind, subject_id, reason, opened_at, body, sealed)
SELECT id, subject_kind, subject_id, reason, opened_at, body, sealed FROM x WHERE id IS NOT NULL
ON CONFLICT (subject_kind, subject_id, reason) WHERE closed_at IS NULL DO NOTHING";

pub(super) const CLOSE_DESK: &str = "\
WITH x(subject_kind, subject_id, reason, at, by_whom, how) AS (VALUES {rows})
UPDATE desk SET closed_at = x.at, closed_by = x.by_whom, closed_how = x.how
FROM x
WHERE desk.subject_kind = x.subject_kind AND desk.subject_id = x.subject_id AND desk.closed_at IS NULL AND (x.reason IS NULL OR desk.reason = x.reason)";

pub(super) const KEEP_ANSWERS: &str = "\
WITH x(key_hash, body_hash, at, status, answer) AS (VALUES {rows})
INSERT INTO idempotency (key_hash, body_hash, at, status, answer)
SELECT key_hash, body_hash, at, status, answer FROM x WHERE key_hash IS NOT NULL
ON CONFLICT (key_hash) DO NOTHING";

pub(super) const INSERT_SUPPRESSIONS: &str = "\
WITH x(id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by) AS (VALUES {rows})
INSERT INTO suppression (id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by)
SELECT id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by FROM x WHERE id IS NOT NULL";

pub(super) const UPDATE_SUPPRESSIONS: &str = "\
WITH x(id, read_version, version, state, body, sealed) AS (VALUES {rows})
UPDATE suppression SET version = x.version, state = x.state, body = x.body, sealed = coalesce(x.sealed, suppression.sealed)
FROM x
WHERE suppression.id = x.id AND suppression.version = x.read_version
RETURNING suppression.id";

pub(super) const INSERT_SUPPRESSION_TAGS: &str = "\
WITH x(tag, suppression_id, kind, hashed) AS (VALUES {rows})
INSERT INTO suppression_tag (tag, suppression_id, kind, hashed)
SELECT tag, suppression_id, kind, hashed FROM x WHERE tag IS NOT NULL
ON CONFLICT (tag, suppression_id) DO NOTHING";

pub(super) const UPSERT_SUPPRESSION_ACCOUNTS: &str = "\
WITH x(suppression_id, account, observed, since, task_id, prior) AS (VALUES {rows})
INSERT INTO suppression_account (suppression_id, account, observed, since, task_id, prior)
SELECT suppression_id, account, observed, since, task_id, prior FROM x WHERE suppression_id IS NOT NULL
ON CONFLICT (suppression_id, account) DO UPDATE SET observed = excluded.observed, since = excluded.since, task_id = excluded.task_id, prior = CASE WHEN excluded.observed = 'not_told' THEN NULL WHEN suppression_account.observed = 'not_told' THEN excluded.prior ELSE coalesce(suppression_account.prior, excluded.prior) END
WHERE excluded.since >= suppression_account.since";
pub(super) const INSERT_WATCHES: &str = "\
WITH x(task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by) AS (VALUES {rows})
INSERT INTO watch (task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by)
SELECT task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by FROM x WHERE task_id IS NOT NULL";

/// A watch that looks no more keeps neither its key nor what that opens.
pub(super) const UPDATE_WATCHES: &str = "\
WITH x(task_id, read_version, version, due_at, body) AS (VALUES {rows})
UPDATE watch SET version = x.version, due_at = x.due_at, body = x.body, sealed = CASE WHEN x.due_at IS NULL THEN x'' ELSE watch.sealed END, wrapped_key = CASE WHEN x.due_at IS NULL THEN x'' ELSE watch.wrapped_key END, wrapped_by = CASE WHEN x.due_at IS NULL THEN '' ELSE watch.wrapped_by END
FROM x
WHERE watch.task_id = x.task_id AND watch.version = x.read_version
RETURNING watch.task_id";

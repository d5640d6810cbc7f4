//! PostgreSQL's texts: one array per column.

pub(super) const INSERT_TASKS: &str = "\
INSERT INTO task (id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior)
SELECT id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::text[], $10::int8[], $11::text[], $12::int8[], $13::int8[], $14::text[], $15::text[], $16::bytea[], $17::int8[], $18::int8[], $19::int8[], $20::int8[], $21::bytea[], $22::bytea[]) AS x(id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior)";

pub(super) const UPDATE_TASKS: &str = "\
UPDATE task SET generation = x.generation, version = x.version, step = x.step, failures = x.failures, evidence = x.evidence, sent = x.sent, cancel_marked = x.cancel_marked, state = x.state, body = x.body, depends_on = x.depends_on, queue = x.queue, wake_at = x.wake_at, since = x.since, memo = CASE x.memo_change WHEN 1 THEN x.memo ELSE task.memo END, prior = coalesce(x.prior, task.prior), orders = CASE WHEN x.ordered IS NULL THEN task.orders ELSE coalesce(task.orders, ''::bytea) || x.ordered END
FROM (SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::text[], $8::int8[], $9::int8[], $10::text[], $11::text[], $12::bytea[], $13::int8[], $14::int8[], $15::int8[], $16::int8[], $17::bytea[], $18::bytea[], $19::bytea[]) AS u(id, read_version, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, since, memo_change, memo, prior, ordered) ORDER BY id) AS x
WHERE task.id = x.id AND task.version = x.read_version
RETURNING task.id";

pub(super) const INSERT_ORDERS: &str = "\
INSERT INTO orders (id, lane, number, account, state, look_at, body)
SELECT id, lane, number, account, state, look_at, body FROM unnest($1::bytea[], $2::text[], $3::int8[], $4::text[], $5::text[], $6::int8[], $7::text[]) AS x(id, lane, number, account, state, look_at, body)";

pub(super) const UPDATE_ORDERS: &str = "\
UPDATE orders SET state = x.state, look_at = x.look_at, body = x.body
FROM unnest($1::bytea[], $2::text[], $3::int8[], $4::text[]) AS x(id, state, look_at, body)
WHERE orders.id = x.id
RETURNING orders.id";

pub(super) const INSERT_RECEIPTS: &str = "\
INSERT INTO receipt (id, order_id, lane, next_poll, body)
SELECT id, order_id, lane, next_poll, body FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[], $5::text[]) AS x(id, order_id, lane, next_poll, body)";

pub(super) const UPDATE_RECEIPTS: &str = "\
UPDATE receipt SET next_poll = x.next_poll, body = x.body
FROM unnest($1::bytea[], $2::int8[], $3::text[]) AS x(id, next_poll, body)
WHERE receipt.id = x.id
RETURNING receipt.id";

pub(super) const INSERT_EXCHANGES: &str = "\
INSERT INTO exchange (id, order_id, account, at, status, body)
SELECT id, order_id, account, at, status, body FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[], $5::int8[], $6::text[]) AS x(id, order_id, account, at, status, body)";

/// Each entry waits for its position in the log from the moment it is there.
pub(super) const INSERT_JOURNAL: &str = "\
WITH x AS (SELECT * FROM unnest($1::bytea[], $2::int8[], $3::bytea[], $4::text[], $5::text[]) AS x(id, at, request_id, body, items)), waits AS (INSERT INTO unplaced (entry_id) SELECT id FROM x)
INSERT INTO journal (id, at, request_id, body, items) SELECT id, at, request_id, body, items FROM x";

pub(super) const UPSERT_FOLLOW_UPS: &str = "\
INSERT INTO follow_up (request_id, due_at, seq)
SELECT request_id, min(due_at), max(seq) FROM unnest($1::bytea[], $2::int8[], $3::int8[]) AS x(request_id, due_at, seq) GROUP BY request_id ORDER BY request_id
ON CONFLICT (request_id) DO UPDATE SET due_at = CASE WHEN excluded.due_at < follow_up.due_at THEN excluded.due_at ELSE follow_up.due_at END, seq = follow_up.seq + 1";

pub(super) const DELETE_FOLLOW_UPS: &str = "\
DELETE FROM follow_up USING (SELECT * FROM unnest($1::bytea[], $2::int8[]) AS u(request_id, seq) ORDER BY request_id) AS x
WHERE follow_up.request_id = x.request_id AND follow_up.seq = x.seq";

pub(super) const INSERT_REQUESTS: &str = "\
INSERT INTO request (id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by)
SELECT id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by FROM unnest($1::bytea[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::int8[], $9::bytea[], $10::bytea[], $11::text[], $12::bytea[], $13::bytea[], $14::text[]) AS x(id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by)";

pub(super) const UPDATE_REQUESTS: &str = "\
UPDATE request SET version = x.version, state = x.state, due_at = x.due_at, nobody_found_decided = x.nobody_found_decided, body = x.body
FROM (SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::text[], $5::int8[], $6::int8[], $7::text[]) AS u(id, read_version, version, state, due_at, nobody_found_decided, body) ORDER BY id) AS x
WHERE request.id = x.id AND request.version = x.read_version
RETURNING request.id";

pub(super) const RESEAL_REQUESTS: &str = "\
UPDATE request SET sealed = x.sealed
FROM unnest($1::bytea[], $2::bytea[]) AS x(id, sealed)
WHERE request.id = x.id
RETURNING request.id";

pub(super) const INSERT_TAGS: &str = "\
INSERT INTO tag (tag, request_id, kind, drives, shared)
SELECT tag, request_id, min(kind), max(drives), max(shared) FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[], $5::int8[]) AS x(tag, request_id, kind, drives, shared) GROUP BY tag, request_id
ON CONFLICT (tag, request_id) DO UPDATE SET drives = greatest(excluded.drives, tag.drives), shared = greatest(excluded.shared, tag.shared)";

pub(super) const SHARE_TAGS: &str = "\
UPDATE tag SET shared = 1 WHERE tag = ANY($1::bytea[]) AND shared = 0";

/// OFFSET keeps PostgreSQL from beginning with the table, which it would do while that is empty.
pub(super) const MATCH_TAGS: &str = "\
SELECT t.tag, t.request_id, t.kind, t.drives, t.shared, r.controller, r.action, r.scope, r.state, CASE WHEN r.body LIKE '%\"only\":[%' THEN 1::int8 ELSE 0::int8 END
FROM unnest($1::bytea[]) AS x(tag) CROSS JOIN LATERAL (SELECT * FROM tag WHERE tag.tag = x.tag OFFSET 0) AS t JOIN request AS r ON r.id = t.request_id";

pub(super) const KNOWN_FILINGS: &str = "\
SELECT filing_key, id, state, import_id FROM request WHERE filing_key = ANY($1::bytea[])";

pub(super) const CHECK_LEASES: &str = "\
SELECT lane.name FROM lane JOIN unnest($1::text[], $2::text[], $3::int8[]) AS x(name, owner, epoch) ON lane.name = x.name AND lane.owner = x.owner AND lane.epoch = x.epoch
ORDER BY lane.name COLLATE \"C\"
FOR SHARE OF lane";

pub(super) const TAKE_NUMBERS: &str = "\
UPDATE lane SET last_number = greatest(last_number, x.n)
FROM unnest($1::text[], $2::int8[]) AS x(name, n)
WHERE lane.name = x.name
RETURNING lane.name, lane.last_number";

pub(super) const UPDATE_ACCOUNTS: &str = "\
UPDATE account SET version = x.version, body = x.body
FROM (SELECT * FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[]) AS u(id, read_version, version, body) ORDER BY id) AS x
WHERE account.id = x.id AND account.version = x.read_version
RETURNING account.id";

pub(super) const WAKE_TASKS: &str = "\
WITH due AS (SELECT t.id FROM unnest($1::text[], $2::int8[], $3::int8[]) AS x(lane, now, most) CROSS JOIN LATERAL (SELECT id FROM task WHERE task.lane = x.lane AND wake_at IS NOT NULL AND wake_at <= x.now ORDER BY wake_at LIMIT x.most FOR UPDATE SKIP LOCKED) AS t)
UPDATE task SET wake_at = NULL FROM due WHERE task.id = due.id RETURNING task.id";

pub(super) const OPEN_DESK: &str = "\
INSERT INTO desk (id, subject_kind, subject_id, reason, opened_at, body, sealed)
SELECT id, subject_kind, subject_id, reason, opened_at, body, sealed FROM unnest($1::bytea[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::text[], $7::bytea[]) AS x(id, subject_kind, subject_id, reason, opened_at, body, sealed)
ON CONFLICT (subject_kind, subject_id, reason) WHERE closed_at IS NULL DO NOTHING";

pub(super) const CLOSE_DESK: &str = "\
UPDATE desk SET closed_at = x.at, closed_by = x.by_whom, closed_how = x.how
FROM unnest($1::text[], $2::text[], $3::text[], $4::int8[], $5::text[], $6::text[]) AS x(subject_kind, subject_id, reason, at, by_whom, how)
WHERE desk.subject_kind = x.subject_kind AND desk.subject_id = x.subject_id AND desk.closed_at IS NULL AND (x.reason IS NULL OR desk.reason = x.reason)";

pub(super) const KEEP_ANSWERS: &str = "\
INSERT INTO idempotency (key_hash, body_hash, at, status, answer)
SELECT key_hash, body_hash, at, status, answer FROM unnest($1::bytea[], $2::bytea[], $3::int8[], $4::int8[], $5::bytea[]) AS x(key_hash, body_hash, at, status, answer)
ON CONFLICT (key_hash) DO NOTHING";

pub(super) const INSERT_SUPPRESSIONS: &str = "\
INSERT INTO suppression (id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by)
SELECT id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by FROM unnest($1::bytea[], $2::int8[], $3::text[], $4::text[], $5::text[], $6::text[], $7::int8[], $8::text[], $9::bytea[], $10::bytea[], $11::text[]) AS x(id, version, controller, scope, kind, state, since, body, sealed, wrapped_key, wrapped_by)";

pub(super) const UPDATE_SUPPRESSIONS: &str = "\
UPDATE suppression SET version = x.version, state = x.state, body = x.body, sealed = coalesce(x.sealed, suppression.sealed)
FROM (SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::bytea[]) AS u(id, read_version, version, state, body, sealed) ORDER BY id) AS x
WHERE suppression.id = x.id AND suppression.version = x.read_version
RETURNING suppression.id";

pub(super) const INSERT_SUPPRESSION_TAGS: &str = "\
INSERT INTO suppression_tag (tag, suppression_id, kind, hashed)
SELECT tag, suppression_id, kind, hashed FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::int8[]) AS x(tag, suppression_id, kind, hashed)
ON CONFLICT (tag, suppression_id) DO NOTHING";

pub(super) const UPSERT_SUPPRESSION_ACCOUNTS: &str = "\
INSERT INTO suppression_account (suppression_id, account, observed, since, task_id, prior)
SELECT suppression_id, account, observed, since, task_id, prior FROM unnest($1::bytea[], $2::text[], $3::text[], $4::int8[], $5::bytea[], $6::bytea[]) AS x(suppression_id, account, observed, since, task_id, prior)
ON CONFLICT (suppression_id, account) DO UPDATE SET observed = excluded.observed, since = excluded.since, task_id = excluded.task_id, prior = CASE WHEN excluded.observed = 'not_told' THEN NULL WHEN suppression_account.observed = 'not_told' THEN excluded.prior ELSE coalesce(suppression_account.prior, excluded.prior) END
WHERE excluded.since >= suppression_account.since";
pub(super) const INSERT_WATCHES: &str = "\
INSERT INTO watch (task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by)
SELECT task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::text[], $5::int8[], $6::int8[], $7::text[], $8::bytea[], $9::bytea[], $10::text[]) AS x(task_id, request_id, account, lane, version, due_at, body, sealed, wrapped_key, wrapped_by)";

/// A watch that looks no more keeps neither its key nor what that opens.
pub(super) const UPDATE_WATCHES: &str = "\
UPDATE watch SET version = x.version, due_at = x.due_at, body = x.body, sealed = CASE WHEN x.due_at IS NULL THEN ''::bytea ELSE watch.sealed END, wrapped_key = CASE WHEN x.due_at IS NULL THEN ''::bytea ELSE watch.wrapped_key END, wrapped_by = CASE WHEN x.due_at IS NULL THEN '' ELSE watch.wrapped_by END
FROM (SELECT * FROM unnest($1::bytea[], $2::int8[], $3::int8[], $4::int8[], $5::text[]) AS u(task_id, read_version, version, due_at, body) ORDER BY task_id) AS x
WHERE watch.task_id = x.task_id AND watch.version = x.read_version
RETURNING watch.task_id";

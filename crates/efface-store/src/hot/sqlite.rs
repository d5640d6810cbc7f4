//! SQLite's texts: one JSON array of rows as `?1`. It is taken apart once, into a table of rows `j`
//! in SQLite's own JSON form; every `value->>n` would else print and read the whole row again.

pub(super) const INSERT_TASKS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO task (id, request_id, account, lane, action, scope, generation, version, step, failures, evidence, sent, cancel_marked, state, body, depends_on, queue, wake_at, deadline, since, memo, prior)
SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, value->>9, value->>10, value->>11, value->>12, value->>13, value->>14, unhex(value->>15), value->>16, value->>17, value->>18, value->>19, unhex(value->>20), unhex(value->>21) FROM j";

pub(super) const UPDATE_TASKS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE task SET generation = x.generation, version = x.version, step = x.step, failures = x.failures, evidence = x.evidence, sent = x.sent, cancel_marked = x.cancel_marked, state = x.state, body = x.body, depends_on = x.depends_on, queue = x.queue, wake_at = x.wake_at, since = x.since, memo = CASE x.memo_change WHEN 1 THEN x.memo ELSE task.memo END, prior = coalesce(x.prior, task.prior)
FROM (SELECT unhex(value->>0) AS id, value->>1 AS read_version, value->>2 AS generation, value->>3 AS version, value->>4 AS step, value->>5 AS failures, value->>6 AS evidence, value->>7 AS sent, value->>8 AS cancel_marked, value->>9 AS state, value->>10 AS body, unhex(value->>11) AS depends_on, value->>12 AS queue, value->>13 AS wake_at, value->>14 AS since, value->>15 AS memo_change, unhex(value->>16) AS memo, unhex(value->>17) AS prior FROM j) AS x
WHERE task.id = x.id AND task.version = x.read_version
RETURNING task.id";

pub(super) const INSERT_ORDERS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO orders (id, lane, number, account, state, look_at, body)
SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6 FROM j";

pub(super) const UPDATE_ORDERS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE orders SET state = x.state, look_at = x.look_at, body = x.body
FROM (SELECT unhex(value->>0) AS id, value->>1 AS state, value->>2 AS look_at, value->>3 AS body FROM j) AS x
WHERE orders.id = x.id
RETURNING orders.id";

pub(super) const INSERT_RECEIPTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO receipt (id, order_id, lane, next_poll, body)
SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4 FROM j";

pub(super) const UPDATE_RECEIPTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE receipt SET next_poll = x.next_poll, body = x.body
FROM (SELECT unhex(value->>0) AS id, value->>1 AS next_poll, value->>2 AS body FROM j) AS x
WHERE receipt.id = x.id
RETURNING receipt.id";

pub(super) const INSERT_EXCHANGES: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO exchange (id, order_id, account, at, status, body)
SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4, value->>5 FROM j";

pub(super) const INSERT_JOURNAL: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO journal (id, at, request_id, body, items)
SELECT unhex(value->>0), value->>1, unhex(value->>2), value->>3, value->>4 FROM j";

pub(super) const UPSERT_FOLLOW_UPS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO follow_up (request_id, due_at, seq)
SELECT unhex(value->>0), min(value->>1), max(value->>2) FROM j WHERE true GROUP BY 1
ON CONFLICT (request_id) DO UPDATE SET due_at = CASE WHEN excluded.due_at < follow_up.due_at THEN excluded.due_at ELSE follow_up.due_at END, seq = follow_up.seq + 1";

pub(super) const DELETE_FOLLOW_UPS: &str = "\
DELETE FROM follow_up WHERE (request_id, seq) IN (SELECT unhex(value->>0), value->>1 FROM json_each(?1))";

pub(super) const INSERT_REQUESTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO request (id, version, controller, action, scope, state, due_at, filed_at, import_id, filing_key, body, sealed, wrapped_key, wrapped_by)
SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, unhex(value->>8), unhex(value->>9), value->>10, unhex(value->>11), unhex(value->>12), value->>13 FROM j";

pub(super) const UPDATE_REQUESTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE request SET version = x.version, state = x.state, due_at = x.due_at, nobody_found_decided = x.nobody_found_decided, body = x.body
FROM (SELECT unhex(value->>0) AS id, value->>1 AS read_version, value->>2 AS version, value->>3 AS state, value->>4 AS due_at, value->>5 AS nobody_found_decided, value->>6 AS body FROM j) AS x
WHERE request.id = x.id AND request.version = x.read_version
RETURNING request.id";

pub(super) const RESEAL_REQUESTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE request SET sealed = x.sealed
FROM (SELECT unhex(value->>0) AS id, unhex(value->>1) AS sealed FROM j) AS x
WHERE request.id = x.id
RETURNING request.id";

pub(super) const INSERT_TAGS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO tag (tag, request_id, kind, drives, shared)
SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, value->>4 FROM j WHERE true
ON CONFLICT (tag, request_id) DO UPDATE SET drives = max(excluded.drives, tag.drives), shared = max(excluded.shared, tag.shared)";

pub(super) const SHARE_TAGS: &str = "\
UPDATE tag SET shared = 1 WHERE tag IN (SELECT unhex(value->>0) FROM json_each(?1)) AND shared = 0";

pub(super) const MATCH_TAGS: &str = "\
SELECT t.tag, t.request_id, t.kind, t.drives, t.shared, r.controller, r.action, r.scope, r.state, r.version
FROM json_each(?1) AS j CROSS JOIN tag AS t ON t.tag = unhex(j.value->>0) JOIN request AS r ON r.id = t.request_id";

pub(super) const KNOWN_FILINGS: &str = "\
SELECT filing_key, id FROM request WHERE filing_key IN (SELECT unhex(value->>0) FROM json_each(?1))";

pub(super) const CHECK_LEASES: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
SELECT lane.name FROM (SELECT value->>0 AS name, value->>1 AS owner, value->>2 AS epoch FROM j) AS x JOIN lane ON lane.name = x.name AND lane.owner = x.owner AND lane.epoch = x.epoch";

pub(super) const TAKE_NUMBERS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE lane SET last_number = max(last_number, x.n)
FROM (SELECT value->>0 AS name, value->>1 AS n FROM j) AS x
WHERE lane.name = x.name
RETURNING lane.name, lane.last_number";

pub(super) const UPDATE_ACCOUNTS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE account SET version = x.version, body = x.body
FROM (SELECT value->>0 AS id, value->>1 AS read_version, value->>2 AS version, value->>3 AS body FROM j) AS x
WHERE account.id = x.id AND account.version = x.read_version
RETURNING account.id";

pub(super) const WAKE_TASKS: &str = "\
UPDATE task SET wake_at = NULL WHERE id IN (SELECT t.id FROM json_each(?1) AS j CROSS JOIN task AS t INDEXED BY task_wake WHERE t.wake_at IS NOT NULL AND t.lane = j.value->>0 AND t.wake_at <= j.value->>1 LIMIT 10000)
RETURNING id";

pub(super) const OPEN_DESK: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO desk (id, subject_kind, subject_id, reason, opened_at, body, sealed)
SELECT unhex(value->>0), value->>1, value->>2, value->>3, value->>4, value->>5, unhex(value->>6) FROM j WHERE true
ON CONFLICT (subject_kind, subject_id, reason) WHERE closed_at IS NULL DO NOTHING";

pub(super) const CLOSE_DESK: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
UPDATE desk SET closed_at = x.at, closed_by = x.by_whom, closed_how = x.how
FROM (SELECT value->>0 AS subject_kind, value->>1 AS subject_id, value->>2 AS reason, value->>3 AS at, value->>4 AS by_whom, value->>5 AS how FROM j) AS x
WHERE desk.subject_kind = x.subject_kind AND desk.subject_id = x.subject_id AND desk.closed_at IS NULL AND (x.reason IS NULL OR desk.reason = x.reason)";

pub(super) const KEEP_ANSWERS: &str = "\
WITH j AS MATERIALIZED (SELECT value FROM jsonb_each(?1))
INSERT INTO idempotency (key_hash, body_hash, at, status, answer)
SELECT unhex(value->>0), unhex(value->>1), value->>2, value->>3, unhex(value->>4) FROM j WHERE true
ON CONFLICT (key_hash) DO NOTHING";

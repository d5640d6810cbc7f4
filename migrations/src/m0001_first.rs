//! The first schema: requests, tags, tasks, orders, receipts, exchanges, journal, lanes, accounts,
//! desk, and the small tables around them.
//!
//! Ids are 16 bytes; times are milliseconds since 1970 UTC. What is personal is sealed (`sealed`,
//! `memo`, `prior`) or keyed (`tag`); no column holds it in the clear.
//!
//! On SQLite only small rows live in their primary key's tree: there a row beyond a quarter of a
//! page spills into a page of its own. What is only ever appended has no index of its ids there.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0001_first",
    tables: TABLES,
    on_postgresql: "",
    // going back would destroy requests and evidence
    back: Back::Refused("the first schema is not taken back; restore a backup instead"),
};

const TABLES: &str = "
CREATE TABLE meta (
  name TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) {strict};

CREATE TABLE request (
  id {bytes} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  controller TEXT NOT NULL,
  action TEXT NOT NULL,
  scope TEXT,
  state TEXT NOT NULL,
  due_at {int} NOT NULL,
  filed_at {int} NOT NULL,
  import_id {bytes},
  filing_key {bytes},
  nobody_found_decided {int} NOT NULL DEFAULT 0,
  body TEXT NOT NULL,
  sealed {bytes} NOT NULL,
  wrapped_key {bytes} NOT NULL,
  wrapped_by TEXT NOT NULL
) {strict};
CREATE UNIQUE INDEX request_filing_key ON request (filing_key) WHERE filing_key IS NOT NULL;
CREATE INDEX request_state ON request (state, id);
CREATE INDEX request_due ON request (due_at, id) WHERE state IN ('received', 'identified', 'released', 'running');
CREATE INDEX request_import ON request (import_id) WHERE import_id IS NOT NULL;

CREATE TABLE tag (
  tag {bytes} NOT NULL,
  request_id {bytes} NOT NULL,
  kind TEXT NOT NULL,
  drives {int} NOT NULL,
  shared {int} NOT NULL DEFAULT 0,
  PRIMARY KEY (tag, request_id)
) {strict_no_rowid};
CREATE INDEX tag_request ON tag (request_id);

CREATE TABLE task (
  id {bytes} NOT NULL PRIMARY KEY,
  request_id {bytes} NOT NULL,
  account TEXT NOT NULL,
  lane TEXT NOT NULL,
  action TEXT NOT NULL,
  scope TEXT,
  generation {int} NOT NULL,
  version {int} NOT NULL,
  step TEXT NOT NULL,
  failures {int} NOT NULL,
  evidence TEXT NOT NULL,
  sent {int} NOT NULL,
  cancel_marked {int} NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL,
  depends_on {bytes},
  queue {int},
  wake_at {int},
  deadline {int} NOT NULL,
  since {int} NOT NULL,
  memo {bytes},
  prior {bytes},
  orders {bytes}
) {strict_no_rowid} {roomy};
CREATE INDEX task_request ON task (request_id);
CREATE INDEX task_ready ON task (account, queue, deadline, id) WHERE queue IS NOT NULL AND wake_at IS NULL;
CREATE INDEX task_wake ON task (lane, wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX task_depends ON task (depends_on) WHERE depends_on IS NOT NULL;

CREATE TABLE orders (
  id {bytes} NOT NULL PRIMARY KEY,
  lane TEXT NOT NULL,
  number {int} NOT NULL,
  account TEXT NOT NULL,
  state TEXT NOT NULL,
  look_at {int},
  body TEXT NOT NULL
) {strict};
CREATE INDEX orders_open ON orders (lane, state, look_at) WHERE state <> 'answered';

CREATE TABLE receipt (
  id {bytes} NOT NULL PRIMARY KEY,
  order_id {bytes} NOT NULL,
  lane TEXT NOT NULL,
  next_poll {int},
  body TEXT NOT NULL
) {strict};
CREATE INDEX receipt_poll ON receipt (lane, next_poll) WHERE next_poll IS NOT NULL;

CREATE TABLE exchange (
  id {bytes} NOT NULL {appended},
  order_id {bytes},
  account TEXT NOT NULL,
  at {int} NOT NULL,
  status {int},
  body TEXT NOT NULL
) {strict};
CREATE INDEX exchange_order ON exchange (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE journal (
  id {bytes} NOT NULL {appended},
  at {int} NOT NULL,
  request_id {bytes},
  body TEXT NOT NULL,
  items TEXT NOT NULL
) {strict};
CREATE INDEX journal_request ON journal (request_id) WHERE request_id IS NOT NULL;

CREATE TABLE follow_up (
  request_id {bytes} NOT NULL PRIMARY KEY,
  due_at {int} NOT NULL,
  seq {int} NOT NULL
) {strict_no_rowid};
CREATE INDEX follow_up_due ON follow_up (due_at);

CREATE TABLE lane (
  name TEXT NOT NULL PRIMARY KEY,
  owner TEXT,
  epoch {int} NOT NULL DEFAULT 0,
  lease_until {int},
  last_number {int} NOT NULL DEFAULT 0
) {strict};

CREATE TABLE account (
  id TEXT NOT NULL PRIMARY KEY,
  connector TEXT NOT NULL,
  controller TEXT NOT NULL,
  lane TEXT NOT NULL,
  version {int} NOT NULL,
  body TEXT NOT NULL
) {strict};

CREATE TABLE desk (
  id {bytes} NOT NULL PRIMARY KEY,
  subject_kind TEXT NOT NULL,
  subject_id TEXT NOT NULL,
  reason TEXT NOT NULL,
  opened_at {int} NOT NULL,
  closed_at {int},
  closed_by TEXT,
  closed_how TEXT,
  body TEXT NOT NULL,
  sealed {bytes}
) {strict};
CREATE UNIQUE INDEX desk_open ON desk (subject_kind, subject_id, reason) WHERE closed_at IS NULL;

CREATE TABLE import (
  id {bytes} NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  digest TEXT NOT NULL,
  at {int} NOT NULL,
  by_whom TEXT NOT NULL,
  rows_read {int} NOT NULL,
  filed {int} NOT NULL,
  refused {int} NOT NULL,
  finished {int} NOT NULL
) {strict_no_rowid};
CREATE UNIQUE INDEX import_digest ON import (digest);

CREATE TABLE idempotency (
  key_hash {bytes} NOT NULL PRIMARY KEY,
  body_hash {bytes} NOT NULL,
  at {int} NOT NULL,
  status {int} NOT NULL,
  answer {bytes} NOT NULL
) {strict};

CREATE TABLE api_key (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  hash {bytes} NOT NULL,
  created_at {int} NOT NULL,
  created_by TEXT NOT NULL,
  revoked_at {int}
) {strict};

CREATE TABLE errand (
  id {bytes} NOT NULL PRIMARY KEY,
  lane TEXT NOT NULL,
  account TEXT NOT NULL,
  at {int} NOT NULL,
  done_at {int},
  body TEXT NOT NULL,
  sealed {bytes},
  answer {bytes}
) {strict};
CREATE INDEX errand_open ON errand (lane, at) WHERE done_at IS NULL;

CREATE TABLE schedule (
  job TEXT NOT NULL PRIMARY KEY,
  last_run_at {int},
  last_result TEXT
) {strict};
";

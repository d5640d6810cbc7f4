//! The log over the journal: tiles of its tree, signed checkpoints and, on PostgreSQL, each leaf's
//! position. On SQLite the journal's rows follow one another as they were committed, without a gap: the
//! position is the row's number.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0002_ledger",
    tables: TABLES,
    on_postgresql: POSITIONS,
    // going back would destroy evidence
    back: Back::Refused("the log is not taken back; restore a backup instead"),
};

const TABLES: &str = "
CREATE TABLE tile (
  level {int} NOT NULL,
  number {int} NOT NULL,
  hashes {bytes} NOT NULL,
  PRIMARY KEY (level, number)
) {strict};

CREATE TABLE checkpoint (
  size {int} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  note TEXT NOT NULL,
  anchored_at {int}
) {strict};
CREATE INDEX checkpoint_unanchored ON checkpoint (size) WHERE anchored_at IS NULL;
";

/// What was written before the log was kept is given positions like anything new.
const POSITIONS: &str = "
CREATE TABLE unplaced (
  entry_id BYTEA NOT NULL PRIMARY KEY
);
LOCK TABLE journal IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO unplaced (entry_id) SELECT id FROM journal;

CREATE TABLE leaf (
  position BIGINT NOT NULL PRIMARY KEY,
  entry_id BYTEA NOT NULL
);
CREATE UNIQUE INDEX leaf_entry ON leaf (entry_id);
";

//! Watches after a request was closed: when the next look is, and whom to look for, sealed under a key
//! of the watch's own. One that looks no more keeps neither. And what is left of a request whose record
//! has ended: that there was one.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0006_watch",
    tables: TABLES,
    on_postgresql: "",
    // going back would lose who was to be looked for, and whose record has ended
    back: Back::Refused("watches and ended records are not taken back; restore a backup instead"),
};

const TABLES: &str = "
CREATE TABLE watch (
  task_id {bytes} NOT NULL PRIMARY KEY,
  request_id {bytes} NOT NULL,
  account TEXT NOT NULL,
  lane TEXT NOT NULL,
  version {int} NOT NULL,
  due_at {int},
  body TEXT NOT NULL,
  sealed {bytes} NOT NULL,
  wrapped_key {bytes} NOT NULL,
  wrapped_by TEXT NOT NULL
) {strict};
CREATE INDEX watch_request ON watch (request_id);
CREATE INDEX watch_due ON watch (account, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX watch_lane ON watch (lane, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE ended (
  request_id {bytes} NOT NULL PRIMARY KEY,
  at {int} NOT NULL,
  controller TEXT NOT NULL,
  action TEXT NOT NULL,
  state TEXT NOT NULL,
  regime TEXT
) {strict_no_rowid};
CREATE INDEX receipt_done ON receipt (order_id) WHERE next_poll IS NULL;
CREATE INDEX desk_closed ON desk (subject_kind, subject_id) WHERE closed_at IS NOT NULL;
";

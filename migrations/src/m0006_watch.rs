//! Watches after a request was closed: when the next look is, and whom to look for, sealed under a key
//! of the watch's own. One that looks no more keeps neither.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0006_watch",
    tables: TABLES,
    on_postgresql: "",
    // going back would lose who was to be looked for
    back: Back::Refused("watches are not taken back; restore a backup instead"),
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
";

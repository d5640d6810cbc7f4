//! What is remembered of a database that was set back to an older copy.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0007_restore",
    tables: TABLES,
    on_postgresql: "",
    // going back would forget that nothing may be sent yet
    back: Back::Refused(
        "what is known of a restoration is not taken back; restore a backup instead",
    ),
};

const TABLES: &str = "
CREATE TABLE restore (
  id {bytes} NOT NULL PRIMARY KEY,
  begun_at {int} NOT NULL,
  stage TEXT NOT NULL,
  body TEXT NOT NULL,
  progress TEXT NOT NULL
) {strict};
";

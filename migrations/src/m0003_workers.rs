//! Workers that live, so that they can share the lanes. Times are the database's own.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0003_workers",
    tables: TABLES,
    on_postgresql: "",
    // nothing in it outlives a restart
    back: Back::Statement("DROP TABLE worker"),
};

const TABLES: &str = "
CREATE TABLE worker (
  name TEXT NOT NULL PRIMARY KEY,
  serves {int} NOT NULL,
  seen_until {int} NOT NULL
) {strict_no_rowid};
";

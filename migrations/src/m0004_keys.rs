//! The months' keys this database was sealed under: which key is a month's, and which was destroyed.
//! The keys themselves lie outside.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0004_keys",
    tables: TABLES,
    on_postgresql: "",
    // going back would lose which key is a month's
    back: Back::Refused("the register of keys is not taken back; restore a backup instead"),
};

const TABLES: &str = "
CREATE TABLE month_key (
  month TEXT NOT NULL PRIMARY KEY,
  key_id TEXT NOT NULL,
  made_at {int} NOT NULL,
  destroyed_at {int},
  destroyed_by TEXT
) {strict_no_rowid};
";

//! What a later version could add; in builds of the fault harness alone.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m9999_later",
    tables: "
CREATE TABLE later (name TEXT NOT NULL PRIMARY KEY) {strict};
ALTER TABLE task ADD COLUMN later TEXT;
",
    on_postgresql: "",
    back: Back::Statement("DROP TABLE later"),
};

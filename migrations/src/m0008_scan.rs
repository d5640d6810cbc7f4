//! How far an errand of many pages has come, sealed.

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0008_scan",
    tables: "ALTER TABLE errand ADD COLUMN progress {bytes};",
    on_postgresql: "",
    back: Back::Statement("ALTER TABLE errand DROP COLUMN progress"),
};

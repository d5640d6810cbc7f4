//! The suppression list: entries, the tags that find them, and what each account was told. What is
//! personal is sealed under the entry's own key (`sealed`, `prior`) or keyed (`tag`).

use crate::{Back, Step};

pub const STEP: Step = Step {
    name: "m0005_suppression",
    tables: TABLES,
    on_postgresql: "",
    // going back would lose who is to be left alone
    back: Back::Refused("the suppression list is not taken back; restore a backup instead"),
};

const TABLES: &str = "
CREATE TABLE suppression (
  id {bytes} NOT NULL PRIMARY KEY,
  version {int} NOT NULL,
  controller TEXT NOT NULL,
  scope TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  since {int} NOT NULL,
  body TEXT NOT NULL,
  sealed {bytes},
  wrapped_key {bytes} NOT NULL,
  wrapped_by TEXT NOT NULL
) {strict};
CREATE INDEX suppression_controller ON suppression (controller, id);
CREATE INDEX suppression_wrapped ON suppression (wrapped_by) WHERE wrapped_by <> '';

CREATE TABLE suppression_tag (
  tag {bytes} NOT NULL,
  suppression_id {bytes} NOT NULL,
  kind TEXT NOT NULL,
  hashed {int} NOT NULL,
  PRIMARY KEY (tag, suppression_id)
) {strict_no_rowid};
CREATE INDEX suppression_tag_entry ON suppression_tag (suppression_id);

CREATE TABLE suppression_account (
  suppression_id {bytes} NOT NULL,
  account TEXT NOT NULL,
  observed TEXT NOT NULL,
  since {int} NOT NULL,
  task_id {bytes},
  prior {bytes},
  PRIMARY KEY (suppression_id, account)
) {strict_no_rowid};
";

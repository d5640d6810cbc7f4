//! By which user ids a person is asked for, and what was true of them before. Pure.

use efface_connector::{ConnectorError, IdentifierKind, Item, Memo, TaskAction};
use serde::{Deserialize, Serialize};

/// Format of memo and prior alike.
const FORMAT: u16 = 1;

/// What the suppression list said of a user id before efface asked for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Before {
    NotListed,
    Listed,
    /// The list was not read as far as this id.
    NotKnown,
}

/// A user id that goes into a regulation.
#[derive(Clone, Serialize, Deserialize)]
pub struct Subject {
    pub id: String,
    pub before: Before,
}

/// The ids of one person: the memo between two steps, and the prior of a suppression.
#[derive(Clone, Serialize, Deserialize)]
pub struct Subjects {
    pub subjects: Vec<Subject>,
}

impl Subjects {
    pub fn read(memo: &Memo) -> Result<Self, ConnectorError> {
        memo.read(FORMAT)
    }

    pub fn memo(&self) -> Result<Memo, ConnectorError> {
        Memo::new(FORMAT, self)
    }

    /// Whether any id was found in this state.
    pub fn any(&self, before: Before) -> bool {
        self.subjects.iter().any(|subject| subject.before == before)
    }
}

/// A person's user ids, typed and normal form, each once.
pub fn user_ids(item: &Item) -> Vec<String> {
    texts(item, &IdentifierKind::UserId)
}

/// A person's identifiers of one kind, typed and normal form, each once.
pub fn texts(item: &Item, kind: &IdentifierKind) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for identifier in item.of_kind(kind) {
        for text in [identifier.normal.expose(), identifier.typed.expose()] {
            if !all.iter().any(|known| known == text) {
                all.push(text.to_owned());
            }
        }
    }
    all
}

/// The ids a person brings into the regulation. What was read first stands in the memo.
pub fn regulated(action: TaskAction, item: &Item) -> Result<Vec<String>, ConnectorError> {
    let ids = if action == TaskAction::Erase {
        user_ids(item)
    } else {
        let memo = item.memo.as_ref();
        let memo =
            memo.ok_or_else(|| ConnectorError::person("the memo of the first step is lost"))?;
        Subjects::read(memo)?.subjects.into_iter().map(|subject| subject.id).collect()
    };
    if ids.is_empty() { Err(no_user_id()) } else { Ok(ids) }
}

pub fn no_user_id() -> ConnectorError {
    ConnectorError::person("no user id to ask by")
}

//! Where a person was found, and how far the walk over those places has come. Pure.

use std::fmt::Write as _;

use efface_connector::{ConnectorError, IdentifierKind, Item, Memo};
use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

/// Format of memo and prior alike.
const FORMAT: u16 = 1;

/// One membership: an audience and the address's hash.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub audience: String,
    pub hash: String,
    /// The status found before anything was changed.
    pub status: String,
    pub ended: Option<Ended>,
}

/// How the call for a place ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Done,
    /// It was found before and is there no more.
    Gone,
}

/// All places of one person; the memo from the first step on, and the prior of a suppress.
#[derive(Clone, Serialize, Deserialize)]
pub struct Walk {
    pub places: Vec<Place>,
}

impl Walk {
    pub fn read(memo: &Memo) -> Result<Self, ConnectorError> {
        memo.read(FORMAT)
    }

    /// The walk of an item past its first step.
    pub fn of(item: &Item) -> Result<Self, ConnectorError> {
        let memo = item.memo.as_ref();
        Self::read(
            memo.ok_or_else(|| ConnectorError::person("the memo of the first step is lost"))?,
        )
    }

    pub fn memo(&self) -> Result<Memo, ConnectorError> {
        Memo::new(FORMAT, self)
    }

    /// The place whose turn it is.
    pub fn next(&self) -> Option<&Place> {
        self.places.iter().find(|place| place.ended.is_none())
    }

    /// Ends the place whose turn it was.
    pub fn end(&mut self, ended: Ended) {
        if let Some(place) = self.places.iter_mut().find(|place| place.ended.is_none()) {
            place.ended = Some(ended);
        }
    }

    pub fn count(&self, ended: Ended) -> usize {
        self.places.iter().filter(|place| place.ended == Some(ended)).count()
    }
}

/// The hashes of a person's addresses: MD5 of the lower-case address, typed and normal form.
pub fn hashes(item: &Item) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for email in item.of_kind(&IdentifierKind::Email) {
        for text in [email.normal.expose(), email.typed.expose()] {
            let hash = hash(text);
            if !all.contains(&hash) {
                all.push(hash);
            }
        }
    }
    all
}

pub fn hash(email: &str) -> String {
    let digest = Md5::digest(email.to_lowercase().as_bytes());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // writing to a String cannot fail
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

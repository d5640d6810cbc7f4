//! What is kept between steps: records, addresses, subscriptions, and how far the walk has come. Pure.

use efface_connector::{ConnectorError, Item, Memo};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::people::Record;

/// Format of every memo and of the prior.
const FORMAT: u16 = 1;

/// The memo of an item past its first step.
pub fn read<T: DeserializeOwned>(memo: Option<&Memo>) -> Result<T, ConnectorError> {
    memo.ok_or_else(|| ConnectorError::person("the memo of the step before is lost"))?.read(FORMAT)
}

pub fn keep<T: Serialize>(walk: &T) -> Result<Memo, ConnectorError> {
    Memo::new(FORMAT, walk)
}

/// How the call for one record ended.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Done,
    /// It was found before and is there no more.
    Gone,
}

/// One record of the person.
#[derive(Clone, Serialize, Deserialize)]
pub struct Held {
    pub id: String,
    pub addresses: Vec<String>,
    pub ended: Option<Ended>,
}

/// The person's records: the memo of the search.
#[derive(Clone, Serialize, Deserialize)]
pub struct Records {
    pub records: Vec<Held>,
}

impl Records {
    pub fn new(records: &[&Record]) -> Self {
        let held = |record: &&Record| Held {
            id: record.id.clone(),
            addresses: record.addresses().cloned().collect(),
            ended: None,
        };
        Self { records: records.iter().map(held).collect() }
    }

    pub fn of(item: &Item) -> Result<Self, ConnectorError> {
        read(item.memo.as_ref())
    }

    pub fn next(&self) -> Result<&Held, ConnectorError> {
        self.records.iter().find(|held| held.ended.is_none()).ok_or_else(none_left)
    }

    /// Ends the record whose turn it was; whether others are left.
    pub fn end(&mut self, ended: Ended) -> bool {
        if let Some(held) = self.records.iter_mut().find(|held| held.ended.is_none()) {
            held.ended = Some(ended);
        }
        self.records.iter().any(|held| held.ended.is_none())
    }

    pub fn count(&self, ended: Ended) -> usize {
        self.records.iter().filter(|held| held.ended == Some(ended)).count()
    }
}

/// One address, in one business unit where units are set.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub address: String,
    pub unit: Option<u64>,
    /// Types of mail the address was subscribed to by its own word, before anything was changed.
    pub subscribed: Vec<u64>,
    pub done: bool,
}

/// The addresses that efface opts out: a memo on the way, the prior at the end.
#[derive(Clone, Serialize, Deserialize)]
pub struct Places {
    pub places: Vec<Place>,
}

impl Places {
    pub fn of(item: &Item) -> Result<Self, ConnectorError> {
        read(item.memo.as_ref())
    }

    pub fn next(&self) -> Result<&Place, ConnectorError> {
        self.places.iter().find(|place| !place.done).ok_or_else(none_left)
    }

    /// Ends the place whose turn it was; whether others are left.
    pub fn end(&mut self) -> bool {
        if let Some(place) = self.places.iter_mut().find(|place| !place.done) {
            place.done = true;
        }
        self.places.iter().any(|place| !place.done)
    }
}

/// One subscription to be given back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Turn {
    pub address: String,
    pub unit: Option<u64>,
    pub subscription: u64,
    pub done: bool,
}

/// The subscriptions a lift gives back.
#[derive(Clone, Serialize, Deserialize)]
pub struct Turns {
    pub turns: Vec<Turn>,
}

impl Turns {
    pub fn of(item: &Item) -> Result<Self, ConnectorError> {
        read(item.memo.as_ref())
    }

    pub fn next(&self) -> Result<&Turn, ConnectorError> {
        self.turns.iter().find(|turn| !turn.done).ok_or_else(none_left)
    }

    /// Ends the turn whose it was; whether others are left.
    pub fn end(&mut self) -> bool {
        if let Some(turn) = self.turns.iter_mut().find(|turn| !turn.done) {
            turn.done = true;
        }
        self.turns.iter().any(|turn| !turn.done)
    }
}

fn none_left() -> ConnectorError {
    ConnectorError::permanent("nothing is left to walk")
}

//! People's addresses, and what is remembered of a person between calls. Pure.

use efface_connector::{ConnectorError, IdentifierKind, Item, ItemId, Memo};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Format of every memo and prior.
const FORMAT: u16 = 1;

/// Between the steps of an erasure: the contacts found.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Contacts {
    pub ids: Vec<String>,
}

/// Between the steps of a suppress or lift.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Addresses {
    pub todo: Vec<String>,
    pub done: Vec<String>,
}

/// What efface added, kept for a lift.
#[derive(Clone, Serialize, Deserialize)]
pub struct Prior {
    pub added: Vec<String>,
}

pub fn memo<T: Serialize>(value: &T) -> Result<Memo, ConnectorError> {
    Memo::new(FORMAT, value)
}

pub fn read<T: DeserializeOwned>(memo: &Memo) -> Result<T, ConnectorError> {
    memo.read(FORMAT)
}

/// The memo of an item past its first step.
pub fn read_memo<T: DeserializeOwned>(item: &Item) -> Result<T, ConnectorError> {
    let memo = item.memo.as_ref();
    read(memo.ok_or_else(|| ConnectorError::person("the memo of the first step is lost"))?)
}

/// Every address of a person: normal form, then as typed where that differs.
pub fn addresses(item: &Item) -> Vec<String> {
    let mut all: Vec<String> = vec![];
    for email in item.of_kind(&IdentifierKind::Email) {
        for text in [email.normal.expose(), email.typed.expose()] {
            if !all.iter().any(|one| one == text) {
                all.push(text.to_owned());
            }
        }
    }
    all
}

/// The addresses a contact search is asked for: it takes any case and answers in lower case.
pub fn lower_case(item: &Item) -> Vec<String> {
    let mut all: Vec<String> = addresses(item).iter().map(|text| text.to_lowercase()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The longest beginning of `items` whose weights stay within `most`; the first always fits.
pub fn fitting(items: &[Item], most: usize, weight: impl Fn(&Item) -> usize) -> Vec<ItemId> {
    let mut sum = 0;
    let mut fits = vec![];
    for item in items {
        sum += weight(item);
        if sum > most && !fits.is_empty() {
            break;
        }
        fits.push(item.id);
    }
    fits
}

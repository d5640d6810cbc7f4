//! The ids of a person, and which people fit into one request. Pure.

use std::collections::BTreeSet;

use efface_connector::{ConnectorError, IdentifierKind, Item, ItemId, Memo};
use serde::{Deserialize, Serialize};

use crate::manifest::{MOST_BYTES, MOST_IDS, amplitude_id};

const MEMO_FORMAT: u16 = 1;

/// The ids to delete by; personal data.
#[derive(Default)]
pub struct Ids {
    pub user_ids: Vec<String>,
    pub amplitude_ids: Vec<u64>,
}

impl Ids {
    pub fn of(item: &Item) -> Result<Self, ConnectorError> {
        let mut ids = Self::default();
        for user in item.of_kind(&IdentifierKind::UserId) {
            let user = user.typed.expose().to_owned();
            if !ids.user_ids.contains(&user) {
                ids.user_ids.push(user);
            }
        }
        for own in item.of_kind(&amplitude_id()) {
            let own: u64 = own.typed.expose().parse().map_err(|_| {
                ConnectorError::person(
                    "an Amplitude id is a number; correct the identifier vendor:amplitude",
                )
            })?;
            if !ids.amplitude_ids.contains(&own) {
                ids.amplitude_ids.push(own);
            }
        }
        match ids.count() {
            0 => Err(ConnectorError::person("no user id and no Amplitude id to delete by")),
            n if n > MOST_IDS => Err(ConnectorError::person(format!(
                "one person with {n} ids; Amplitude takes {MOST_IDS} in one request"
            ))),
            _ => Ok(ids),
        }
    }

    pub fn count(&self) -> usize {
        self.user_ids.len() + self.amplitude_ids.len()
    }

    /// Bytes these ids add to a request.
    fn bytes(&self) -> usize {
        let quoted = |id: &String| serde_json::to_string(id).map_or(0, |text| text.len()) + 1;
        let users: usize = self.user_ids.iter().map(quoted).sum();
        users + self.amplitude_ids.len() * 21
    }

    fn add(&mut self, other: Self) {
        self.user_ids.extend(other.user_ids);
        self.amplitude_ids.extend(other.amplitude_ids);
    }

    /// Whether the vendor found nobody by any of them.
    pub fn all_in(&self, invalid: &[String]) -> bool {
        let has = |id: &String| invalid.contains(id);
        self.user_ids.iter().all(has) && self.amplitude_ids.iter().all(|id| has(&id.to_string()))
    }

    pub fn kinds(&self) -> Vec<IdentifierKind> {
        let mut kinds = vec![];
        if !self.user_ids.is_empty() {
            kinds.push(IdentifierKind::UserId);
        }
        if !self.amplitude_ids.is_empty() {
            kinds.push(amplitude_id());
        }
        kinds
    }
}

/// The people of one request and all their ids. Somebody without usable ids goes along without any
/// and is told so afterwards; a request of none but such people is refused.
pub fn fitting(items: &[Item], overhead: usize) -> Result<(Ids, Vec<ItemId>), ConnectorError> {
    let room = usize::try_from(MOST_BYTES).unwrap_or(usize::MAX).saturating_sub(overhead);
    let (mut all, mut people, mut refused) = (Ids::default(), vec![], None);
    for item in items {
        match Ids::of(item) {
            Ok(ids) => {
                let full = all.count() + ids.count() > MOST_IDS || all.bytes() + ids.bytes() > room;
                if full {
                    break;
                }
                all.add(ids);
            }
            Err(error) => refused = refused.or(Some(error)),
        }
        people.push(item.id);
    }
    match refused {
        _ if all.count() > 0 => Ok((all, people)),
        Some(error) => Err(error),
        None => Err(ConnectorError::permanent("an order of nobody")),
    }
}

/// One person's ids at the vendor, where they are known.
#[derive(Serialize, Deserialize)]
pub struct Known {
    pub amplitude_ids: BTreeSet<u64>,
}

impl Known {
    pub fn memo(amplitude_ids: BTreeSet<u64>) -> Result<Option<Memo>, ConnectorError> {
        if amplitude_ids.is_empty() {
            return Ok(None);
        }
        Memo::new(MEMO_FORMAT, &Self { amplitude_ids }).map(Some)
    }

    pub fn of(item: &Item) -> Result<BTreeSet<u64>, ConnectorError> {
        match &item.memo {
            Some(memo) => memo.read::<Self>(MEMO_FORMAT).map(|known| known.amplitude_ids),
            None => Ok(BTreeSet::new()),
        }
    }
}

//! Whose record is it? Answers of a search are held against the person exactly. Pure.

use efface_connector::{IdentifierKind, Item};

use crate::manifest::record_id;

/// What one person can be asked by.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Lower case, as HubSpot keeps them.
    pub addresses: Vec<String>,
    pub ids: Vec<String>,
}

impl Asked {
    pub fn of(item: &Item) -> Self {
        let mut asked = Self::default();
        for email in item.of_kind(&IdentifierKind::Email) {
            for text in [email.normal.expose(), email.typed.expose()] {
                add(&mut asked.addresses, text.to_lowercase());
            }
        }
        for id in item.of_kind(&record_id()) {
            // anything else is no record id and names nobody
            if id.normal.expose().bytes().all(|b| b.is_ascii_digit()) {
                add(&mut asked.ids, id.normal.expose().to_owned());
            }
        }
        asked
    }

    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.ids.is_empty()
    }

    pub fn kinds(&self) -> Vec<IdentifierKind> {
        let email = (!self.addresses.is_empty()).then_some(IdentifierKind::Email);
        let id = (!self.ids.is_empty()).then(record_id);
        email.into_iter().chain(id).collect()
    }
}

pub fn add(all: &mut Vec<String>, one: String) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// One contact record, with no more of it than is needed to know whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    pub id: String,
    pub main: Option<String>,
    pub further: Vec<String>,
    /// Ids of records merged into this one, as far as they were asked for.
    pub former: Vec<String>,
}

impl Record {
    pub fn addresses(&self) -> impl Iterator<Item = &String> {
        self.main.iter().chain(&self.further)
    }

    fn has_id(&self, asked: &Asked) -> bool {
        std::iter::once(&self.id).chain(&self.former).any(|id| asked.ids.contains(id))
    }

    fn has_address(&self, asked: &Asked) -> bool {
        self.addresses().any(|address| asked.addresses.contains(address))
    }

    pub fn answers(&self, asked: &Asked) -> bool {
        self.has_id(asked) || self.has_address(asked)
    }

    /// Its id or its main address is the person's own.
    fn is_surely_of(&self, asked: &Asked) -> bool {
        self.has_id(asked) || self.main.as_ref().is_some_and(|main| asked.addresses.contains(main))
    }

    /// How it was found, for the person who has to choose.
    pub fn label(&self, asked: &Asked) -> String {
        let main = self
            .main
            .as_deref()
            .map_or("no main address".into(), |main| format!("main address {}", masked(main)));
        let by = if self.has_id(asked) {
            "record id"
        } else if self.is_surely_of(asked) {
            "main address"
        } else {
            "further address"
        };
        format!("record {}: {main}, {} further; found by its {by}", self.id, self.further.len())
    }
}

/// What may be done without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Several records of one person.
    pub several: bool,
    /// A record that has the person's address beside a main address nobody named.
    pub secondary: bool,
}

/// What the search means for one person.
pub enum Match<'r> {
    Nobody,
    Sure(Vec<&'r Record>),
    /// A person decides: several records, or one that may be somebody else's.
    Unsure(Vec<&'r Record>),
}

/// Holds all records against the `n`-th of those asked for.
pub fn decide<'r>(all: &[Asked], n: usize, records: &'r [Record], rules: Rules) -> Match<'r> {
    let Some(asked) = all.get(n) else { return Match::Nobody };
    let mine: Vec<&Record> = records.iter().filter(|record| record.answers(asked)).collect();
    let of_another = |record: &Record| {
        all.iter().enumerate().any(|(other, asked)| other != n && record.answers(asked))
    };
    let sure =
        |record: &&Record| (record.is_surely_of(asked) || rules.secondary) && !of_another(record);
    match mine.len() {
        0 => Match::Nobody,
        count if mine.iter().all(sure) && (count == 1 || rules.several) => Match::Sure(mine),
        _ => Match::Unsure(mine),
    }
}

/// Enough to recognise, too little to tell: `j…@e….com`.
fn masked(address: &str) -> String {
    let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
    let (local, domain) = address.split_once('@').unwrap_or((address, ""));
    let ending = domain.rsplit_once('.').map_or("", |(_, ending)| ending);
    format!("{}…@{}….{ending}", first(local), first(domain))
}

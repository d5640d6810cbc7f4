//! Keys of a month: each wraps the keys of the requests that were filed in it. They lie in files
//! outside the database, sealed by the master. When a month's file is destroyed, no copy of the
//! database opens that month's requests any more, whoever holds the master.
//!
//! A file holds one line, `efface-month-1:<month>:<id>:<master's id>:<sealed key in hexadecimal>`.

use crate::error::{Error, MonthKeyFault};
use crate::{Fill, KeyBytes, MasterKey, envelope, random_key};
use sha2::{Digest, Sha256};
use std::fmt;

const FAMILY: &str = "efface-month-1";

/// A calendar month in UTC, written `2026-11`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(String);

impl Month {
    /// # Errors
    /// [`MonthKeyFault::NoMonth`] when it is not four digits, a hyphen, and 01 to 12.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('-').filter(|(year, month)| {
            let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
            year.len() == 4 && month.len() == 2 && digits(year) && digits(month)
        });
        match parts.and_then(|(_, month)| month.parse::<u8>().ok()) {
            Some(1..=12) => Ok(Self(text.to_owned())),
            Some(_) | None => Err(Error::MonthKey(MonthKeyFault::NoMonth)),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A month's key. Wiped from memory when dropped; `Debug` prints its month and id only.
#[derive(Clone)]
pub struct MonthKey {
    month: Month,
    bytes: KeyBytes,
}

impl MonthKey {
    /// Draws a key for a month.
    #[must_use]
    pub fn generate(month: Month, fill: Fill<'_>) -> Self {
        Self { month, bytes: random_key(fill) }
    }

    #[must_use]
    pub fn month(&self) -> &Month {
        &self.month
    }

    /// A public name of this key: tells two keys of one month apart and says nothing about either.
    #[must_use]
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"efface month id");
        hash.update(self.bytes.as_slice());
        hex::encode(&hash.finalize()[..8])
    }

    /// What requests that it wraps name it by.
    pub(crate) fn name(&self) -> String {
        format!("month:{}:{}", self.month, self.id())
    }

    /// The key that wraps request keys.
    pub(crate) fn wrapping(&self) -> KeyBytes {
        crate::index::derive(&self.bytes, "efface wrap request keys 1")
    }

    /// The line of its file, sealed by `master`, without a line end.
    #[must_use]
    pub fn to_text(&self, master: &MasterKey, fill: Fill<'_>) -> String {
        let (id, by) = (self.id(), master.id());
        let wrap = master.derive("efface wrap month keys 1");
        let binding = binding(&self.month, &id, &by);
        let sealed = envelope::seal(&wrap, &binding, self.bytes.as_slice(), fill);
        format!("{FAMILY}:{}:{id}:{by}:{}", self.month, hex::encode(sealed))
    }

    /// Reads the content of a key file.
    ///
    /// # Errors
    /// [`Error::MonthKey`] saying what is wrong with the text; [`Error::WrongMaster`] when another
    /// master sealed it.
    pub fn parse(text: &str, master: &MasterKey) -> Result<Self, Error> {
        let fault = |fault| Error::MonthKey(fault);
        let parts: Vec<&str> = text.trim().split(':').collect();
        let [family, month, id, by, sealed] = parts.as_slice() else {
            return Err(fault(MonthKeyFault::OtherFile));
        };
        if *family != FAMILY {
            return Err(fault(MonthKeyFault::OtherFile));
        }
        let month = Month::parse(month)?;
        let given = master.id();
        if *by != given {
            return Err(Error::WrongMaster { stored: (*by).to_owned(), given });
        }
        let wrap = master.derive("efface wrap month keys 1");
        let bytes = hex::decode(sealed)
            .ok()
            .and_then(|sealed| envelope::open_key(&wrap, &binding(&month, id, &given), &sealed))
            .ok_or(fault(MonthKeyFault::Damaged))?;
        let key = Self { month, bytes };
        if key.id() == *id { Ok(key) } else { Err(fault(MonthKeyFault::Damaged)) }
    }
}

fn binding<'a>(month: &'a Month, id: &'a str, master: &'a str) -> [&'a [u8]; 4] {
    [b"efface month key", month.as_str().as_bytes(), id.as_bytes(), master.as_bytes()]
}

impl fmt::Debug for MonthKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MonthKey({}, {})", self.month, self.id())
    }
}

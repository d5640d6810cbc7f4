//! A pack's parts as bytes, and what each may hold.

use std::{borrow::Cow, collections::BTreeMap};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Error, FORMAT, Pack, PackedLeaf, TITLE};
use crate::Checkpoint;

/// Every part there is, in the archive's order, and the most bytes it may have.
const LAYOUT: [(&str, usize); 7] = [
    (META, 64 * 1024),
    (REQUEST, 4 * 1024 * 1024),
    (LEAVES, 64 * 1024 * 1024),
    (CHECKPOINT, 64 * 1024),
    (OPENING, 64 * 1024),
    (RECORD, 16 * 1024 * 1024),
    (PAPER, 16 * 1024 * 1024),
];

const META: &str = "pack.json";
const REQUEST: &str = "request.json";
const LEAVES: &str = "leaves.jsonl";
const CHECKPOINT: &str = "checkpoint";
const OPENING: &str = "opening.json";
const RECORD: &str = "record.html";
const PAPER: &str = "record.pdf";
/// What a pack need not have.
const MAY_BE_ABSENT: [&str; 2] = [OPENING, PAPER];

/// The parts' names, in the archive's order; `opening.json` and `record.pdf` may be absent.
pub const PART_NAMES: [&str; 7] = [META, REQUEST, LEAVES, CHECKPOINT, OPENING, RECORD, PAPER];

/// A pack's parts by name, none larger than a pack may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// By place in [`LAYOUT`].
    held: BTreeMap<usize, Vec<u8>>,
}

/// `pack.json`. All of it follows from the other parts.
#[derive(Serialize, Deserialize)]
struct Meta<'a> {
    format: u16,
    what: Cow<'a, str>,
    origin: String,
    tree_size: u64,
    leaves: usize,
    items: usize,
    opening: bool,
    parts: Vec<Digested<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Digested<'a> {
    name: Cow<'a, str>,
    bytes: usize,
    sha256: String,
}

#[derive(Deserialize)]
struct Format {
    format: u16,
}

impl Parts {
    /// Adds a part, as when it is read from a folder.
    ///
    /// # Errors
    /// [`Error::Stranger`], [`Error::TooLarge`].
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let Some(place) = PART_NAMES.iter().position(|known| *known == name) else {
            return Err(Error::Stranger { name: name.chars().take(80).collect() });
        };
        let (what, most) = LAYOUT[place];
        if bytes.len() > most {
            return Err(Error::TooLarge { what, most });
        }
        self.held.insert(place, bytes);
        Ok(())
    }

    /// In the archive's order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        self.held.iter().map(|(place, bytes)| (PART_NAMES[*place], bytes.as_slice()))
    }

    pub(super) fn of(pack: &Pack) -> Result<Self, Error> {
        let mut parts = Self::default();
        parts.add(REQUEST, pack.request.clone().into_bytes())?;
        let mut lines = String::new();
        for leaf in &pack.leaves {
            lines.push_str(&encode(LEAVES, leaf)?);
            lines.push('\n');
        }
        parts.add(LEAVES, lines.into_bytes())?;
        parts.add(CHECKPOINT, pack.checkpoint.clone().into_bytes())?;
        if let Some(opening) = &pack.opening {
            parts.add(OPENING, encode(OPENING, opening)?.into_bytes())?;
        }
        parts.add(RECORD, pack.record.clone().into_bytes())?;
        if let Some(paper) = &pack.paper {
            parts.add(PAPER, paper.clone())?;
        }
        let meta = parts.meta(pack)?;
        parts.add(META, meta)?;
        Ok(parts)
    }

    /// `pack.json` as it has to be.
    fn meta(&self, pack: &Pack) -> Result<Vec<u8>, Error> {
        let checkpoint = Checkpoint::unproven(&pack.checkpoint).map_err(Error::Checkpoint)?;
        let parts = self.iter().filter(|(name, _)| *name != META).map(|(name, bytes)| Digested {
            name: name.into(),
            bytes: bytes.len(),
            sha256: hex::encode(Sha256::digest(bytes)),
        });
        let meta = Meta {
            format: FORMAT,
            what: TITLE.into(),
            origin: checkpoint.origin,
            tree_size: checkpoint.size,
            leaves: pack.leaves.len(),
            items: pack.leaves.iter().map(|leaf| leaf.items.len()).sum(),
            opening: pack.opening.is_some(),
            parts: parts.collect(),
        };
        Ok(encode(META, &meta)?.into_bytes())
    }

    /// Reads the parts. What comes back is what [`write()`](super::write()) was given.
    ///
    /// # Errors
    /// [`Error`], with what is wrong.
    pub fn pack(&self) -> Result<Pack, Error> {
        let meta = self.text(META)?;
        let Format { format } = decode(META, None, meta)?;
        if format > FORMAT {
            return Err(Error::Newer { format });
        }
        self.match_digests(&decode(META, None, meta)?)?;
        let lines = self.text(LEAVES)?;
        let leaves = lines
            .lines()
            .enumerate()
            .map(|(n, line)| decode::<PackedLeaf>(LEAVES, Some(n + 1), line))
            .collect::<Result<Vec<_>, Error>>()?;
        let opening = match self.get(OPENING) {
            None => None,
            Some(_) => Some(decode(OPENING, None, self.text(OPENING)?)?),
        };
        let pack = Pack {
            checkpoint: self.text(CHECKPOINT)?.to_owned(),
            request: self.text(REQUEST)?.to_owned(),
            leaves,
            opening,
            record: self.text(RECORD)?.to_owned(),
            paper: self.get(PAPER).map(<[u8]>::to_vec),
        };
        // each part is written in one way only, and this way leads back to it
        let written = Self::of(&pack)?;
        for (name, bytes) in self.iter() {
            if written.get(name) != Some(bytes) {
                let by = "the other parts";
                return Err(Error::Altered { part: name, by });
            }
        }
        Ok(pack)
    }

    fn match_digests(&self, meta: &Meta<'_>) -> Result<(), Error> {
        for name in PART_NAMES.into_iter().filter(|name| *name != META) {
            let stated = meta.parts.iter().find(|part| part.name == name);
            match (stated, self.get(name)) {
                (None, None) if MAY_BE_ABSENT.contains(&name) => {}
                (_, None) => return Err(Error::Missing { part: name }),
                (Some(stated), Some(bytes))
                    if stated.bytes == bytes.len()
                        && stated.sha256 == hex::encode(Sha256::digest(bytes)) => {}
                (_, Some(_)) => return Err(Error::Altered { part: name, by: META }),
            }
        }
        Ok(())
    }

    fn get(&self, name: &'static str) -> Option<&[u8]> {
        self.iter().find(|(held, _)| *held == name).map(|(_, bytes)| bytes)
    }

    fn text(&self, part: &'static str) -> Result<&str, Error> {
        let bytes = self.get(part).ok_or(Error::Missing { part })?;
        std::str::from_utf8(bytes).map_err(|_| Error::Unreadable {
            part,
            line: None,
            why: "it is not UTF-8 text".into(),
        })
    }
}

fn encode<T: Serialize>(part: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|e| unreadable(part, None, &e))
}

fn decode<'de, T: Deserialize<'de>>(
    part: &'static str,
    line: Option<usize>,
    text: &'de str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| unreadable(part, line, &e))
}

/// serde_json's messages may quote what they stumble over, and an opening is personal.
fn unreadable(part: &'static str, line: Option<usize>, error: &serde_json::Error) -> Error {
    let why = match error.classify() {
        serde_json::error::Category::Io => "input/output".into(),
        serde_json::error::Category::Syntax => {
            format!("it is not JSON (column {})", error.column())
        }
        serde_json::error::Category::Data => {
            format!("it is JSON of another shape (column {})", error.column())
        }
        serde_json::error::Category::Eof => "it is cut off".into(),
    };
    Error::Unreadable { part, line, why }
}

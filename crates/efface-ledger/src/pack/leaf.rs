//! One leaf in a pack, the items of it that are shown, and the opening of a commitment.

use std::fmt;

use efface_core::{
    EntryId,
    journal::{self, TaskChange, leaf_hash},
    subject::Value,
};
use serde::{Deserialize, Serialize};

use crate::tree::{Hash, path};

/// A leaf and its path to the checkpoint's root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedLeaf {
    /// Its position in the tree.
    pub index: u64,
    /// The very bytes that are hashed.
    pub body: String,
    #[serde(with = "hashes")]
    pub proof: Vec<Hash>,
    /// The items of the entry that are shown; how many there are and their sub-root stand in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<PackedItem>,
}

/// An item of an entry and its path to the sub-root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackedItem {
    /// Its place among the entry's items.
    pub index: u32,
    /// How many items the entry has.
    pub of: u32,
    /// The very bytes that are hashed.
    pub line: String,
    #[serde(with = "hashes")]
    pub path: Vec<Hash>,
}

/// What opens the commitment to one identifier: with it, and only with it, a leaf tells whom it
/// concerns. Personal.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opening {
    /// Of the identifier in the request.
    pub position: u32,
    /// The identifier's kind, as in the leaf.
    pub kind: String,
    /// As normalised when it was filed.
    pub value: Value,
    #[serde(with = "one_hash")]
    pub opening: [u8; 32],
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opening({} {}, [personal])", self.position, self.kind)
    }
}

impl PackedLeaf {
    /// A stored entry as it goes into a pack: with those of its items that `shown` picks.
    ///
    /// # Errors
    /// [`journal::Error`] when body and items cannot be read or do not belong together.
    pub fn new(
        index: u64,
        proof: Vec<Hash>,
        body: &str,
        items: &str,
        shown: impl Fn(&TaskChange) -> bool,
    ) -> Result<Self, journal::Error> {
        let entry = journal::Entry::read(body, items)?;
        let lines: Vec<&str> = items.lines().collect();
        let hashes: Vec<Hash> = lines.iter().map(|line| leaf_hash(line.as_bytes())).collect();
        let all = entry.changes.iter().zip(&lines).enumerate();
        let items = all.filter(|(_, (change, _))| shown(change)).map(|(at, (_, line))| {
            let beyond = journal::Error::SubRoot { entry: entry.id };
            let (Ok(index), Ok(of)) = (u32::try_from(at), u32::try_from(lines.len())) else {
                return Err(beyond);
            };
            let path = path(&hashes, at).ok_or(beyond)?;
            Ok(PackedItem { index, of, line: (*line).to_owned(), path })
        });
        let items = items.collect::<Result<_, _>>()?;
        Ok(Self { index, body: body.to_owned(), proof, items })
    }
}

impl PackedItem {
    pub(super) fn change(&self, entry: EntryId) -> Result<TaskChange, journal::Error> {
        TaskChange::read(entry, &self.line)
    }
}

/// A hash is written in one way only: 64 lower-case hexadecimal digits.
fn read_hash<E: serde::de::Error>(text: &str) -> Result<Hash, E> {
    let mut hash = [0; 32];
    let plain = !text.bytes().any(|b| b.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut hash) {
        Ok(()) if plain => Ok(hash),
        _ => Err(E::custom("a hash is not 64 lower-case hexadecimal digits")),
    }
}

mod hashes {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Hash, read_hash};

    pub(super) fn serialize<S: Serializer>(hashes: &[Hash], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(hashes.iter().map(hex::encode))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Hash>, D::Error> {
        let texts: Vec<Cow<'de, str>> = Vec::deserialize(from)?;
        texts.iter().map(|text| read_hash(text)).collect()
    }
}

mod one_hash {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Hash, read_hash};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hash, D::Error> {
        read_hash(&Cow::<'de, str>::deserialize(from)?)
    }
}

//! Verification of a whole journal against a checkpoint, leaf by leaf.
//!
//! The verdict rests on the leaves and the signed root alone. Stored leaf hashes (the tiles of level 0)
//! serve to say *where* a journal differs; whether they can be trusted with that follows from the
//! signed root too, and is said beside the place.

use std::fmt;

use efface_core::journal::{Hash, leaf_hash};

use crate::{
    Checkpoint, Frontier,
    tree::{Error, TILE_WIDTH, TileId, Tiles},
};

/// Takes the journal's leaves in the order of their positions.
#[derive(Clone, Debug)]
pub struct Audit {
    signed: Checkpoint,
    leaves: Frontier,
    /// The leaves' root at the size that is signed.
    root: Option<Hash>,
    stored: Frontier,
    stored_root: Option<Hash>,
    /// From the first difference on: the leaf and the stored hash there, and those after them.
    differs: Option<Difference>,
}

#[derive(Clone, Debug)]
struct Difference {
    index: u64,
    leaves: Vec<Hash>,
    stored: Vec<Hash>,
}

/// What the journal is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The signed leaves are all there, as they were signed. `unsigned` leaves came after.
    Whole {
        signed: u64,
        unsigned: u64,
    },
    Differs(Discrepancy),
}

/// How a journal differs from what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    pub kind: Kind,
    /// Leaves in the journal.
    pub found: u64,
    /// Leaves in the checkpoint.
    pub signed: u64,
    /// The first leaf whose hash is not the stored one, where hashes were at hand.
    pub first: Option<u64>,
    /// Whether the stored hashes lead to the signed root: only then is `first` proven. `None` where
    /// they were not all at hand.
    pub stored_hold: Option<bool>,
}

/// What was done, as far as it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The end is missing; what is there agrees with the stored hashes.
    Truncated,
    /// A leaf is missing, and those after it moved up.
    Deleted,
    /// A leaf is there that was not signed, and those after it moved down.
    Inserted,
    /// Two neighbours changed places.
    Reordered,
    /// A leaf's bytes are not those that were signed.
    Altered,
    /// Fewer leaves than signed; without hashes to compare no more can be told.
    Fewer,
    /// Other leaves than signed; without hashes to compare no more can be told.
    Other,
    /// The leaves are whole; it is the stored hashes that were damaged or touched.
    StoredHashes,
}

impl Audit {
    #[must_use]
    pub fn new(signed: Checkpoint) -> Self {
        let mut audit = Self {
            signed,
            leaves: Frontier::default(),
            root: None,
            stored: Frontier::default(),
            stored_root: None,
            differs: None,
        };
        audit.note_roots();
        audit
    }

    /// The next leaf, and the hash stored for it, if any.
    pub fn leaf(&mut self, body: &[u8], stored: Option<Hash>) {
        self.take(leaf_hash(body), stored);
    }

    fn take(&mut self, hash: Hash, stored: Option<Hash>) {
        let index = self.leaves.size();
        self.leaves.push(hash);
        if let Some(stored) = stored {
            self.stored.push(stored);
            if stored != hash && self.differs.is_none() {
                self.differs = Some(Difference { index, leaves: vec![], stored: vec![] });
            }
        }
        if let Some(differs) = &mut self.differs
            && differs.leaves.len() < 2
        {
            differs.leaves.push(hash);
            differs.stored.extend(stored);
        }
        self.note_roots();
    }

    /// A leaf whose bytes are gone because its record has ended: its stored hash stands for it, and leads
    /// to the signed root or does not.
    pub fn ended(&mut self, stored: Hash) {
        self.take(stored, Some(stored));
    }

    /// A hash that is stored beyond the last leaf.
    pub fn only_stored(&mut self, hash: Hash) {
        self.stored.push(hash);
        if let Some(differs) = &mut self.differs
            && differs.stored.len() < 2
        {
            differs.stored.push(hash);
        }
        self.note_roots();
    }

    fn note_roots(&mut self) {
        if self.leaves.size() == self.signed.size && self.root.is_none() {
            self.root = Some(self.leaves.root());
        }
        if self.stored.size() == self.signed.size && self.stored_root.is_none() {
            self.stored_root = Some(self.stored.root());
        }
    }

    /// The verdict over what was taken.
    #[must_use]
    pub fn finish(self) -> Verdict {
        let (found, signed) = (self.leaves.size(), self.signed.size);
        let stored_hold = self.stored_root.map(|root| root == self.signed.root);
        // a difference in the tail beyond the checkpoint is not ours to judge
        let differs = self.differs.filter(|d| d.index < signed);
        let first = differs.as_ref().map(|d| d.index);
        let kind = if self.root == Some(self.signed.root) {
            match &differs {
                None => return Verdict::Whole { signed, unsigned: found - signed },
                Some(_) => Kind::StoredHashes,
            }
        } else {
            match &differs {
                Some(differs) => differs.kind(),
                None if found < signed && stored_hold == Some(true) => Kind::Truncated,
                None if found < signed => Kind::Fewer,
                None => Kind::Other,
            }
        };
        Verdict::Differs(Discrepancy { kind, found, signed, first, stored_hold })
    }
}

impl Difference {
    /// What became of the leaf, from its neighbours.
    fn kind(&self) -> Kind {
        let (here, next) = (self.leaves.first(), self.leaves.get(1));
        let (stored, stored_next) = (self.stored.first(), self.stored.get(1));
        let moved_up = here.is_some() && here == stored_next;
        let moved_down = next.is_some() && next == stored;
        match (moved_up, moved_down) {
            (true, true) => Kind::Reordered,
            (true, false) => Kind::Deleted,
            (false, true) => Kind::Inserted,
            (false, false) => Kind::Altered,
        }
    }
}

/// Verifies a journal that can be read in one go, with the stored tiles where there are some.
///
/// # Errors
/// What the iterator fails with, or a tile that cannot be read.
pub fn verify<B, E, T>(
    leaves: impl IntoIterator<Item = Result<B, E>>,
    signed: Checkpoint,
    tiles: Option<&T>,
) -> Result<Verdict, E>
where
    B: AsRef<[u8]>,
    E: From<Error>,
    T: Tiles,
{
    let size = signed.size;
    let mut stored = Stored { tiles, size, tile: vec![], next: 0 };
    let mut audit = Audit::new(signed);
    for leaf in leaves {
        let hash = stored.next()?;
        audit.leaf(leaf?.as_ref(), hash);
    }
    while let Some(hash) = stored.next()? {
        audit.only_stored(hash);
    }
    Ok(audit.finish())
}

/// The stored leaf hashes up to the signed size.
struct Stored<'a, T> {
    tiles: Option<&'a T>,
    size: u64,
    tile: Vec<Hash>,
    next: u64,
}

impl<T: Tiles> Stored<'_, T> {
    fn next(&mut self) -> Result<Option<Hash>, Error> {
        let Some(tiles) = self.tiles.filter(|_| self.next < self.size) else { return Ok(None) };
        let width = u64::from(TILE_WIDTH);
        let (index, at) = (self.next / width, (self.next % width) as usize);
        if at == 0 {
            let id = TileId { level: 0, index };
            let wanted = (self.size - self.next).min(width) as u16;
            self.tile = tiles.tile(id, wanted).map_err(|source| Error::Tile { id, source })?;
            if self.tile.len() < usize::from(wanted) {
                return Err(Error::TileShort { id, found: self.tile.len(), wanted });
            }
        }
        self.next += 1;
        Ok(self.tile.get(at).copied())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole { signed, unsigned: 0 } => {
                write!(f, "all {signed} signed leaves are there, as they were signed")
            }
            Self::Whole { signed, unsigned } => write!(
                f,
                "all {signed} signed leaves are there, as they were signed; {unsigned} more are not signed yet"
            ),
            Self::Differs(differs) => differs.fmt(f),
        }
    }
}

impl fmt::Display for Discrepancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, found, signed, first, stored_hold } = self;
        write!(f, "the journal is not the one that was signed: ")?;
        match kind {
            Kind::Truncated => write!(f, "it ends after {found} leaves of {signed}")?,
            Kind::Deleted => write!(f, "a leaf was taken out")?,
            Kind::Inserted => write!(f, "a leaf was put in")?,
            Kind::Reordered => write!(f, "two leaves changed places")?,
            Kind::Altered => write!(f, "a leaf was altered")?,
            Kind::Fewer => write!(f, "it has {found} leaves, and {signed} were signed")?,
            Kind::Other => {
                write!(f, "its first {signed} leaves of {found} lead to another root")?;
            }
            Kind::StoredHashes => {
                write!(f, "its leaves are whole, but the hashes stored for them are not")?;
            }
        }
        match (first, stored_hold) {
            (None, _) => Ok(()),
            (Some(first), Some(true)) => write!(f, " (first at leaf {first})"),
            (Some(first), Some(false) | None) => write!(
                f,
                " (first at leaf {first}, by stored hashes that do not lead to the signed root either)"
            ),
        }
    }
}

//! Tiles: where the tree's hashes are kept (C2SP tlog-tiles).
//!
//! A tile of level L holds up to 256 hashes of the tree's level 8·L, side by side. Only the last tile
//! of a level is ever partial, and it only grows.

use std::{collections::BTreeMap, fmt};

use efface_core::journal::Hash;

/// Hashes in a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Whatever kept a tile from being read.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a tile stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// 0 holds the leaf hashes.
    pub level: u8,
    pub index: u64,
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.level, self.index)
    }
}

/// A tile as it is to be stored: it replaces the narrower one in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub id: TileId,
    pub hashes: Vec<Hash>,
}

impl Tile {
    /// The hashes one after the other, as tlog-tiles serves them.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }

    /// `None` where the bytes are no whole number of hashes, none, or more than a tile holds.
    #[must_use]
    pub fn from_bytes(id: TileId, bytes: &[u8]) -> Option<Self> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        let fits = rest.is_empty() && !hashes.is_empty() && hashes.len() <= usize::from(TILE_WIDTH);
        fits.then(|| Self { id, hashes: hashes.to_vec() })
    }
}

/// Which tiles an answer reads, and how many hashes of each at least.
pub type TilesNeeded = BTreeMap<TileId, u16>;

/// The stored tiles.
pub trait Tiles {
    /// The first `width` hashes of a tile, or more where it has grown since.
    ///
    /// # Errors
    /// Whatever kept it from being read; also when it is not there.
    fn tile(&self, id: TileId, width: u16) -> Result<Vec<Hash>, BoxError>;
}

impl Tiles for BTreeMap<TileId, Vec<Hash>> {
    fn tile(&self, id: TileId, _width: u16) -> Result<Vec<Hash>, BoxError> {
        self.get(&id).cloned().ok_or_else(|| "it is not there".into())
    }
}

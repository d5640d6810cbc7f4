//! The right edge of the tree: all that appending has to know.

use std::collections::BTreeMap;

use efface_core::journal::{Hash, node_hash, tree_hash};

use super::{Error, TILE_WIDTH, Tile, TileId, Tiles, TilesNeeded};

/// Roots of the perfect subtrees that make up the tree, from the left: one per bit set in its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

/// Stored bytes that are no frontier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored tree edge of {bytes} bytes cannot be read: {why}")]
pub struct Unreadable {
    pub bytes: usize,
    pub why: &'static str,
}

/// What a batch adds to one tile.
struct Growth {
    from: usize,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// How many leaves the tree has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let joined =
            self.roots.iter().copied().rev().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or_else(|| tree_hash(&[]))
    }

    /// Takes one leaf, for whoever needs no tiles.
    pub fn push(&mut self, leaf: Hash) {
        self.complete(leaf, |_, _| {});
    }

    /// The tiles that the next [`append`](Self::append) widens: load these for it.
    #[must_use]
    pub fn open_tiles(&self) -> TilesNeeded {
        let levels = 0..8u8;
        let open = levels.map(|level| (level, self.size >> (8 * u32::from(level))));
        let width = u64::from(TILE_WIDTH);
        open.filter(|(_, count)| count % width != 0)
            .map(|(level, count)| (TileId { level, index: count / width }, (count % width) as u16))
            .collect()
    }

    /// Takes a batch of leaf hashes and returns each tile it changed, whole: they and the frontier
    /// belong in one transaction. On an error nothing is taken.
    ///
    /// # Errors
    /// A tile of [`open_tiles`](Self::open_tiles) that cannot be read, or is not the one this
    /// frontier belongs to.
    pub fn append(&mut self, tiles: &impl Tiles, leaves: &[Hash]) -> Result<Vec<Tile>, Error> {
        let mut next = self.clone();
        let mut grown: BTreeMap<TileId, Growth> = BTreeMap::new();
        for leaf in leaves {
            next.complete(*leaf, |id, (at, hash)| {
                let growth = grown.entry(id).or_insert(Growth { from: at, hashes: vec![] });
                growth.hashes.push(hash);
            });
        }
        let changed = grown.into_iter().map(|(id, growth)| {
            let mut hashes = self.open_tile(tiles, id, growth.from)?;
            hashes.extend(growth.hashes);
            Ok(Tile { id, hashes })
        });
        let changed = changed.collect::<Result<Vec<Tile>, Error>>()?;
        *self = next;
        Ok(changed)
    }

    /// What stands in a tile that is widened, and whether it belongs to this edge.
    fn open_tile(&self, tiles: &impl Tiles, id: TileId, width: usize) -> Result<Vec<Hash>, Error> {
        if width == 0 {
            return Ok(vec![]);
        }
        let wanted = width as u16;
        let mut hashes = tiles.tile(id, wanted).map_err(|source| Error::Tile { id, source })?;
        if hashes.len() < width {
            return Err(Error::TileShort { id, found: hashes.len(), wanted });
        }
        hashes.truncate(width);
        let mut rest = &hashes[..];
        for within in (0..8u32).rev().filter(|bit| width & (1 << bit) != 0) {
            let (first, after) = rest.split_at(1 << within);
            if self.root_at(8 * u32::from(id.level) + within) != Some(&tree_hash(first)) {
                return Err(Error::TileDiffers { id });
            }
            rest = after;
        }
        Ok(hashes)
    }

    /// The root of the perfect subtree of `level`, where the size has that bit.
    fn root_at(&self, level: u32) -> Option<&Hash> {
        let higher = self.size.checked_shr(level + 1).unwrap_or(0).count_ones();
        self.roots.get(higher as usize).filter(|_| self.size & (1 << level) != 0)
    }

    /// Takes a leaf and tells of each hash that a tile holds and that is complete with it: the tile,
    /// the place in it and the hash.
    fn complete(&mut self, leaf: Hash, mut tell: impl FnMut(TileId, (usize, Hash))) {
        let (mut hash, mut level, mut index) = (leaf, 0u32, self.size);
        loop {
            if level.is_multiple_of(8) {
                let width = u64::from(TILE_WIDTH);
                let id = TileId { level: (level / 8) as u8, index: index / width };
                tell(id, ((index % width) as usize, hash));
            }
            if index & 1 == 0 {
                break;
            }
            let Some(left) = self.roots.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            index >>= 1;
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// Size (eight bytes, big-endian) and roots.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.size.to_be_bytes()[..], &self.roots.concat()].concat()
    }

    /// # Errors
    /// [`Unreadable`] when the bytes are not those of a frontier.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unreadable> {
        let unreadable = |why| Unreadable { bytes: bytes.len(), why };
        let (size, roots) =
            bytes.split_first_chunk::<8>().ok_or(unreadable("it has no size in it"))?;
        let size = u64::from_be_bytes(*size);
        let (roots, rest) = roots.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(unreadable("it is cut off within a hash"));
        }
        if roots.len() != size.count_ones() as usize {
            return Err(unreadable("it has another number of hashes than its size asks for"));
        }
        if size == u64::MAX {
            return Err(unreadable("no tree is as large as it says"));
        }
        Ok(Self { size, roots: roots.to_vec() })
    }

    #[must_use]
    pub fn to_hex(&self) -> String {
        hex::encode(self.to_bytes())
    }

    /// # Errors
    /// [`Unreadable`] when the text is not that of a frontier.
    pub fn from_hex(text: &str) -> Result<Self, Unreadable> {
        let not_hex = |_| Unreadable { bytes: text.len(), why: "it is not hexadecimal" };
        Self::from_bytes(&hex::decode(text).map_err(not_hex)?)
    }
}

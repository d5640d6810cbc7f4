//! Making proofs (RFC 9162 §2.1.3.1, §2.1.4.1), and what they read.
//!
//! A proof is a list of subtrees, each a range of leaves. A range falls into perfect subtrees, and the
//! root of each of those follows from hashes that stand side by side in one tile.

use std::{collections::BTreeMap, ops::Range};

use efface_core::journal::{Hash, node_hash, tree_hash};

use super::{Error, TILE_WIDTH, TileId, Tiles, TilesNeeded};

/// The path from leaf `index` to the root of the tree of `size` leaves.
///
/// # Errors
/// [`Error::NotInTree`], or a tile that cannot be read.
pub fn inclusion_proof(tiles: &impl Tiles, index: u64, size: u64) -> Result<Vec<Hash>, Error> {
    Reader::new(tiles, size).hashes(&inclusion_ranges(index, size)?)
}

/// The proof that the tree of `new` leaves begins with the tree of `old` leaves.
///
/// # Errors
/// [`Error::Shrinks`], or a tile that cannot be read.
pub fn consistency_proof(tiles: &impl Tiles, old: u64, new: u64) -> Result<Vec<Hash>, Error> {
    Reader::new(tiles, new).hashes(&consistency_ranges(old, new)?)
}

/// The root of the tree of `size` leaves.
///
/// # Errors
/// A tile that cannot be read.
pub fn root(tiles: &impl Tiles, size: u64) -> Result<Hash, Error> {
    Reader::new(tiles, size).hash(&(0..size))
}

/// The tiles that [`inclusion_proof`] reads.
///
/// # Errors
/// [`Error::NotInTree`].
pub fn tiles_for_inclusion(index: u64, size: u64) -> Result<TilesNeeded, Error> {
    Ok(needed(&inclusion_ranges(index, size)?, size))
}

/// The tiles that [`consistency_proof`] reads.
///
/// # Errors
/// [`Error::Shrinks`].
pub fn tiles_for_consistency(old: u64, new: u64) -> Result<TilesNeeded, Error> {
    Ok(needed(&consistency_ranges(old, new)?, new))
}

/// The tiles that [`root`] reads.
#[must_use]
pub fn tiles_for_root(size: u64) -> TilesNeeded {
    needed(std::slice::from_ref(&(0..size)), size)
}

/// The path of one leaf of a small tree whose leaf hashes are all at hand, as of an entry's items.
/// `None` where there is no such leaf.
#[must_use]
pub fn path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    let ranges = inclusion_ranges(index.try_into().ok()?, leaves.len().try_into().ok()?).ok()?;
    let hash = |r: &Range<u64>| -> Option<Hash> {
        Some(tree_hash(leaves.get(r.start.try_into().ok()?..r.end.try_into().ok()?)?))
    };
    ranges.iter().map(hash).collect()
}

pub(super) fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range<u64>>, Error> {
    if index >= size {
        return Err(Error::NotInTree { index, size });
    }
    let (mut from, mut to, mut ranges) = (0, size, vec![]);
    while to - from > 1 {
        let split = from + split(to - from);
        if index < split {
            ranges.push(split..to);
            to = split;
        } else {
            ranges.push(from..split);
            from = split;
        }
    }
    // a proof goes from the leaf up
    ranges.reverse();
    Ok(ranges)
}

pub(super) fn consistency_ranges(old: u64, new: u64) -> Result<Vec<Range<u64>>, Error> {
    if old > new {
        return Err(Error::Shrinks { old, new });
    }
    // every tree begins with the empty one: there is nothing to show
    if old == 0 {
        return Ok(vec![]);
    }
    let (mut from, mut to, mut ranges) = (0, new, vec![]);
    while to != old {
        let split = from + split(to - from);
        if old <= split {
            ranges.push(split..to);
            to = split;
        } else {
            ranges.push(from..split);
            from = split;
        }
    }
    // whoever checks knows the old root itself
    if from != 0 {
        ranges.push(from..to);
    }
    ranges.reverse();
    Ok(ranges)
}

/// The largest power of two below `n`, which is at least two.
const fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The perfect subtrees that make up `range`, from the left: level and index within it.
fn perfect(range: &Range<u64>) -> Vec<(u32, u64)> {
    let (mut from, mut nodes) = (range.start, vec![]);
    while from < range.end {
        let level = (range.end - from).ilog2();
        nodes.push((level, from >> level));
        from += 1 << level;
    }
    nodes
}

/// Where the hashes stand from which a perfect subtree's root follows.
fn place(level: u32, index: u64) -> (TileId, Range<usize>) {
    let (tile_level, within) = (level / 8, level % 8);
    let first = index << within;
    let id = TileId { level: tile_level as u8, index: first / u64::from(TILE_WIDTH) };
    let from = (first % u64::from(TILE_WIDTH)) as usize;
    (id, from..from + (1 << within))
}

/// How wide a tile is in a tree of `size` leaves.
fn width(id: TileId, size: u64) -> u16 {
    let before = id.index * u64::from(TILE_WIDTH);
    let here = (size >> (8 * u32::from(id.level))) - before;
    u16::try_from(here).unwrap_or(TILE_WIDTH).min(TILE_WIDTH)
}

fn needed(ranges: &[Range<u64>], size: u64) -> TilesNeeded {
    let nodes = ranges.iter().flat_map(perfect);
    nodes.map(|(level, index)| place(level, index).0).map(|id| (id, width(id, size))).collect()
}

/// Reads each tile once.
struct Reader<'a, T> {
    tiles: &'a T,
    size: u64,
    read: BTreeMap<TileId, Vec<Hash>>,
}

impl<'a, T: Tiles> Reader<'a, T> {
    const fn new(tiles: &'a T, size: u64) -> Self {
        Self { tiles, size, read: BTreeMap::new() }
    }

    fn hashes(&mut self, ranges: &[Range<u64>]) -> Result<Vec<Hash>, Error> {
        ranges.iter().map(|range| self.hash(range)).collect()
    }

    fn hash(&mut self, range: &Range<u64>) -> Result<Hash, Error> {
        let nodes = perfect(range);
        let roots = nodes.into_iter().map(|(level, index)| self.node(level, index));
        let roots = roots.collect::<Result<Vec<Hash>, Error>>()?;
        let joined = roots.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
        Ok(joined.unwrap_or_else(|| tree_hash(&[])))
    }

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Error> {
        let (id, at) = place(level, index);
        let wanted = width(id, self.size);
        if !self.read.contains_key(&id) {
            let hashes =
                self.tiles.tile(id, wanted).map_err(|source| Error::Tile { id, source })?;
            self.read.insert(id, hashes);
        }
        let hashes = self.read.get(&id).map_or(&[][..], Vec::as_slice);
        let short = || Error::TileShort { id, found: hashes.len(), wanted };
        Ok(tree_hash(hashes.get(at).ok_or_else(short)?))
    }
}

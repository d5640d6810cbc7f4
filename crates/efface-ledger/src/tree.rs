//! The RFC 6962 tree over leaf hashes.
//!
//! [`Frontier`] is what appending needs: the roots of the perfect subtrees along the right edge, a few
//! hundred bytes. The hashes themselves are kept as [`Tile`]s (C2SP tlog-tiles, height 8), one row each;
//! a proof reads a handful of them. Whoever reads rows asynchronously asks [`tiles_for_inclusion`]
//! and its kin which ones, loads them, and hands over a map.

mod frontier;
mod proof;
mod tiles;
mod verify;

pub use efface_core::journal::Hash;
pub use frontier::{Frontier, Unreadable};
pub use proof::{
    consistency_proof, inclusion_proof, path, root, tiles_for_consistency, tiles_for_inclusion,
    tiles_for_root,
};
pub use tiles::{BoxError, TILE_WIDTH, Tile, TileId, Tiles, TilesNeeded};
pub use verify::{ProofError, verify_consistency, verify_inclusion};

/// A tree that cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("leaf {index} is not in a tree of {size} leaves")]
    NotInTree { index: u64, size: u64 },
    #[error("a tree of {new} leaves does not follow from one of {old}")]
    Shrinks { old: u64, new: u64 },
    #[error("tile {id} cannot be read")]
    Tile { id: TileId, source: BoxError },
    #[error("tile {id} has {found} hashes where the tree needs {wanted}")]
    TileShort { id: TileId, found: usize, wanted: u16 },
    /// The stored tile is not the one that was appended to: the store is damaged or was touched.
    #[error("tile {id} does not agree with the tree's right edge")]
    TileDiffers { id: TileId },
}

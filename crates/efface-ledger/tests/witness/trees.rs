//! The tree: RFC 6962's vectors, every small size, and what is no proof.

use std::collections::BTreeMap;

use efface_core::journal::{leaf_hash, node_hash, tree_hash};
use efface_ledger::{
    Frontier, Hash,
    tree::{
        Error, ProofError, Tile, TileId, Tiles, TilesNeeded, consistency_proof, inclusion_proof,
        path, root, tiles_for_consistency, tiles_for_inclusion, tiles_for_root, verify_consistency,
        verify_inclusion,
    },
};
use proptest::prelude::*;

pub type Shelf = BTreeMap<TileId, Vec<Hash>>;

pub fn hash_of(n: u64) -> Hash {
    leaf_hash(&n.to_be_bytes())
}

pub fn hashes(size: u64) -> Vec<Hash> {
    (0..size).map(hash_of).collect()
}

/// A tree of these leaves, taken in one batch.
pub fn grown(leaves: &[Hash]) -> (Frontier, Shelf) {
    let (mut frontier, mut shelf) = (Frontier::default(), Shelf::new());
    take(&mut frontier, &mut shelf, leaves);
    (frontier, shelf)
}

fn take(frontier: &mut Frontier, shelf: &mut Shelf, leaves: &[Hash]) {
    let changed = frontier.append(shelf, leaves).expect("takes them");
    shelf.extend(changed.into_iter().map(|tile| (tile.id, tile.hashes)));
}

/// Only the tiles asked for, only as wide as asked for.
struct Just<'a>(&'a Shelf, TilesNeeded);

impl Tiles for Just<'_> {
    fn tile(&self, id: TileId, width: u16) -> Result<Vec<Hash>, efface_ledger::tree::BoxError> {
        assert_eq!(self.1.get(&id), Some(&width), "tile {id} was not asked for");
        Ok(self.0[&id][..width.into()].to_vec())
    }
}

fn rfc_leaves() -> Vec<Hash> {
    let leaves: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"@ABC",
        b"PQRSTUVW",
        b"`abcdefghijklmno",
    ];
    leaves.map(leaf_hash).to_vec()
}

#[test]
fn proofs_are_those_published_with_certificate_transparency() {
    const A: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
    const B: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
    const C: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
    const D: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
    const E: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
    const F: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
    const G: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
    const H: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    const I: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
    let (_, shelf) = grown(&rfc_leaves());
    let inclusion: [(u64, u64, &[&str]); 5] =
        [(0, 1, &[]), (0, 8, &[A, B, C]), (5, 8, &[D, E, F]), (2, 3, &[G]), (1, 5, &[H, B, D])];
    for (index, size, wanted) in inclusion {
        let proof = inclusion_proof(&shelf, index, size).unwrap();
        let found: Vec<String> = proof.iter().map(hex::encode).collect();
        assert_eq!(found, wanted, "leaf {index} of {size}");
    }
    let consistency: [(u64, u64, &[&str]); 4] =
        [(1, 1, &[]), (1, 8, &[A, B, C]), (6, 8, &[I, E, F]), (2, 5, &[B, D])];
    for (old, new, wanted) in consistency {
        let proof = consistency_proof(&shelf, old, new).unwrap();
        let found: Vec<String> = proof.iter().map(hex::encode).collect();
        assert_eq!(found, wanted, "{old} in {new}");
    }
}

#[test]
fn every_leaf_of_every_small_tree_is_proven_from_the_tiles_asked_for() {
    let leaves = hashes(300);
    let (_, shelf) = grown(&leaves);
    for size in 0..=300u64 {
        let here = &leaves[..size as usize];
        let wanted = tree_hash(here);
        assert_eq!(root(&Just(&shelf, tiles_for_root(size)), size).unwrap(), wanted, "{size}");
        // every leaf of the small and of those around a full tile, some of the others
        let step = if size < 20 || (254..=258).contains(&size) { 1 } else { 13 };
        for index in (0..size).step_by(step) {
            let just = Just(&shelf, tiles_for_inclusion(index, size).unwrap());
            let proof = inclusion_proof(&just, index, size).unwrap();
            assert_eq!(path(here, index as usize).unwrap(), proof, "{index} of {size}");
            verify_inclusion(&leaves[index as usize], index, size, &proof, &wanted).unwrap();
        }
        for old in (0..=size).step_by(step) {
            let just = Just(&shelf, tiles_for_consistency(old, size).unwrap());
            let proof = consistency_proof(&just, old, size).unwrap();
            let before = tree_hash(&leaves[..old as usize]);
            verify_consistency(old, &before, size, &wanted, &proof).unwrap();
        }
    }
}

#[test]
fn what_is_not_in_the_tree_has_no_proof() {
    let (_, shelf) = grown(&hashes(5));
    for (index, size) in [(5, 5), (0, 0), (u64::MAX, 5)] {
        let answer = inclusion_proof(&shelf, index, size);
        assert!(matches!(answer, Err(Error::NotInTree { .. })), "{index} of {size}");
    }
    assert!(matches!(consistency_proof(&shelf, 6, 5), Err(Error::Shrinks { old: 6, new: 5 })));
    // the tree is not as large as somebody says
    assert!(matches!(inclusion_proof(&shelf, 3, 9), Err(Error::TileShort { found: 5, .. })));
    assert!(matches!(inclusion_proof(&shelf, 300, 400), Err(Error::Tile { .. })));
    assert_eq!(path(&hashes(3), 3), None);
}

#[test]
fn a_proof_that_was_touched_proves_nothing() {
    let leaves = hashes(11);
    let (frontier, shelf) = grown(&leaves);
    let top = frontier.root();
    let proof = inclusion_proof(&shelf, 6, 11).unwrap();
    let check = |leaf: &Hash, index, size, proof: &[Hash], root: &Hash, wanted: ProofError| {
        let answer = verify_inclusion(leaf, index, size, proof, root);
        assert_eq!(answer, Err(wanted), "{index} of {size}, {} hashes", proof.len());
    };
    let (long, short) = ([&proof[..], &[[0; 32]]].concat(), &proof[1..]);
    check(&leaves[6], 11, 11, &proof, &top, ProofError::Outside { index: 11, size: 11 });
    check(&leaves[6], 6, 11, &long, &top, ProofError::Length { found: 5, wanted: 4 });
    check(&leaves[6], 6, 11, short, &top, ProofError::Length { found: 3, wanted: 4 });
    check(&leaves[7], 6, 11, &proof, &top, ProofError::Root);
    check(&leaves[6], 7, 11, &proof, &top, ProofError::Root);
    // the tree's size is bound by the checkpoint: a proof binds it only where its shape hangs on it
    check(&leaves[6], 6, 9, &proof[1..], &top, ProofError::Length { found: 3, wanted: 4 });
    check(&leaves[6], 6, 11, &proof, &[0; 32], ProofError::Root);
    // an inner node passes for no leaf, whatever bytes are said to be its leaf
    let inner = [&[1][..], &leaves[0], &leaves[1]].concat();
    let above = &inclusion_proof(&shelf, 0, 11).unwrap()[1..];
    assert_ne!(leaf_hash(&inner[1..]), node_hash(&leaves[0], &leaves[1]));
    check(&leaf_hash(&inner[1..]), 0, 6, above, &top, ProofError::Root);

    let (old, now) = (tree_hash(&leaves[..6]), top);
    let proof = consistency_proof(&shelf, 6, 11).unwrap();
    let check = |from, old: &Hash, to, now: &Hash, proof: &[Hash], wanted: ProofError| {
        let answer = verify_consistency(from, old, to, now, proof);
        assert_eq!(answer, Err(wanted), "{from} to {to}, {} hashes", proof.len());
    };
    let wanted = proof.len();
    check(11, &now, 6, &old, &proof, ProofError::Shrinks { old: 11, new: 6 });
    check(6, &old, 11, &now, &proof[1..], ProofError::Length { found: wanted - 1, wanted });
    check(6, &now, 11, &now, &proof, ProofError::OldRoot);
    check(6, &old, 11, &old, &proof, ProofError::Root);
    check(11, &old, 11, &now, &[], ProofError::Root);
    check(0, &old, 11, &now, &[], ProofError::OldRoot);
    check(0, &tree_hash(&[]), 0, &now, &[], ProofError::Root);
    check(0, &tree_hash(&[]), 11, &now, &proof[..1], ProofError::Length { found: 1, wanted: 0 });
    check(0, &now, 0, &now, &[], ProofError::OldRoot);
}

#[test]
fn a_frontier_is_stored_and_read_and_nothing_else_is_one() {
    for size in [0, 1, 2, 3, 255, 256, 257, 300] {
        let (frontier, _) = grown(&hashes(size));
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()), Ok(frontier.clone()));
        assert_eq!(Frontier::from_hex(&frontier.to_hex()), Ok(frontier.clone()));
        assert_eq!(frontier.size(), size);
    }
    let three = grown(&hashes(3)).0.to_bytes();
    let with_size = |size: u64| [&size.to_be_bytes()[..], &three[8..]].concat();
    for (bytes, why) in [
        (vec![], "no size"),
        (three[..7].to_vec(), "no size"),
        (three[..three.len() - 1].to_vec(), "cut off"),
        (with_size(1), "another number"),
        (with_size(7), "another number"),
        ([&[0xff; 8][..], &[7; 64 * 32]].concat(), "as large"),
    ] {
        let said = Frontier::from_bytes(&bytes).unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let said = Frontier::from_hex("xyz").unwrap_err().to_string();
    assert!(said.contains("hexadecimal"), "{said}");
}

#[test]
fn tiles_that_were_touched_are_not_appended_to() {
    let (frontier, shelf) = grown(&hashes(300));
    for (touched, level) in [(TileId { level: 0, index: 1 }, 0), (TileId { level: 1, index: 0 }, 1)]
    {
        let mut spoilt = shelf.clone();
        spoilt.get_mut(&touched).unwrap()[0][0] ^= 1;
        let mut next = frontier.clone();
        // enough that both levels grow
        let answer = next.append(&spoilt, &hashes(300));
        assert!(
            matches!(answer, Err(Error::TileDiffers { id }) if id.level == level),
            "{answer:?}"
        );
        assert_eq!(next, frontier, "nothing is taken");
    }
    let mut next = frontier.clone();
    assert!(matches!(next.append(&Shelf::new(), &hashes(1)), Err(Error::Tile { .. })));
    let mut short = shelf;
    short.get_mut(&TileId { level: 0, index: 1 }).unwrap().pop();
    assert!(matches!(next.append(&short, &hashes(1)), Err(Error::TileShort { found: 43, .. })));
    assert_eq!(next, frontier);
}

#[test]
fn a_tile_is_its_hashes_one_after_the_other() {
    let id = TileId { level: 0, index: 0 };
    let tile = Tile { id, hashes: hashes(256) };
    assert_eq!(Tile::from_bytes(id, &tile.to_bytes()), Some(tile));
    for length in [0, 31, 33, 257 * 32] {
        assert_eq!(Tile::from_bytes(id, &vec![0; length]), None, "{length}");
    }
}

#[test]
fn a_tree_of_three_levels_of_tiles_is_still_one_tree() {
    let leaves = hashes(70_000);
    let (frontier, shelf) = grown(&leaves);
    assert_eq!(frontier.root(), tree_hash(&leaves));
    assert_eq!(shelf[&TileId { level: 2, index: 0 }].len(), 1);
    for index in [0, 255, 256, 65_535, 65_536, 69_999] {
        let just = Just(&shelf, tiles_for_inclusion(index, 70_000).unwrap());
        let proof = inclusion_proof(&just, index, 70_000).unwrap();
        verify_inclusion(&leaves[index as usize], index, 70_000, &proof, &frontier.root()).unwrap();
    }
    for old in [1, 256, 65_535, 65_536, 65_537, 69_999] {
        let just = Just(&shelf, tiles_for_consistency(old, 70_000).unwrap());
        let proof = consistency_proof(&just, old, 70_000).unwrap();
        let before = tree_hash(&leaves[..old as usize]);
        verify_consistency(old, &before, 70_000, &frontier.root(), &proof).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn however_leaves_are_batched_the_tree_is_the_same(batches in proptest::collection::vec(0usize..400, 0..8)) {
        let leaves = hashes(batches.iter().sum::<usize>() as u64);
        let (mut frontier, mut shelf, mut rest) = (Frontier::default(), Shelf::new(), &leaves[..]);
        for batch in batches {
            let (now, later) = rest.split_at(batch);
            // only the open tiles are at hand
            let open: Shelf = frontier.open_tiles().into_iter()
                .map(|(id, width)| (id, shelf[&id][..width.into()].to_vec())).collect();
            let changed = frontier.append(&open, now).unwrap();
            shelf.extend(changed.into_iter().map(|tile| (tile.id, tile.hashes)));
            frontier = Frontier::from_bytes(&frontier.to_bytes()).unwrap();
            rest = later;
        }
        let (whole, at_once) = grown(&leaves);
        prop_assert_eq!(&frontier, &whole);
        prop_assert_eq!(shelf, at_once);
        prop_assert_eq!(frontier.root(), tree_hash(&leaves));
    }

    #[test]
    fn one_flipped_bit_of_a_proof_is_noticed(size in 2u64..5_000, at: prop::sample::Index, old: prop::sample::Index, place: prop::sample::Index) {
        let leaves = hashes(size);
        let (frontier, shelf) = grown(&leaves);
        let index = at.index(size as usize) as u64;
        let mut proof = inclusion_proof(&shelf, index, size).unwrap();
        prop_assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &frontier.root()).is_ok());
        let bit = place.index(proof.len() * 256);
        proof[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &frontier.root()).is_err());

        let old = 1 + old.index(size as usize - 1) as u64;
        let before = tree_hash(&leaves[..old as usize]);
        let mut proof = consistency_proof(&shelf, old, size).unwrap();
        prop_assert!(verify_consistency(old, &before, size, &frontier.root(), &proof).is_ok());
        let bit = place.index(proof.len() * 256);
        proof[bit / 256][bit % 256 / 8] ^= 1 << (bit % 8);
        prop_assert!(verify_consistency(old, &before, size, &frontier.root(), &proof).is_err());
    }

    #[test]
    fn no_size_or_index_makes_the_checks_panic(index: u64, size: u64, length in 0usize..70) {
        let proof = vec![[7; 32]; length];
        let _ = verify_inclusion(&[1; 32], index, size, &proof, &[2; 32]);
        let _ = verify_consistency(index, &[1; 32], size, &[2; 32], &proof);
        let wanted = tiles_for_inclusion(index.min(size), size.max(1));
        prop_assert!(wanted.is_ok() || index >= size);
    }
}

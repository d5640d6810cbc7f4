//! Checking proofs (RFC 9162 §2.1.3.2, §2.1.4.2). Strict: a proof of another length is none.

use efface_core::journal::{Hash, node_hash, tree_hash};

use super::proof::{consistency_ranges, inclusion_ranges};

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("index {index} lies outside a tree of {size} leaves")]
    Outside { index: u64, size: u64 },
    #[error("a tree of {new} leaves does not follow from one of {old}")]
    Shrinks { old: u64, new: u64 },
    #[error("the proof has {found} hashes where this place in the tree asks for {wanted}")]
    Length { found: usize, wanted: usize },
    #[error("the proof leads to another root")]
    Root,
    #[error("the proof leads to another root of the earlier tree")]
    OldRoot,
}

/// Whether a leaf stands at `index` of the tree of `size` leaves under `root`.
///
/// # Errors
/// [`ProofError`], with what is wrong.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let path =
        inclusion_ranges(index, size).map_err(|_| ProofError::Outside { index, size })?.len();
    right_length(proof, path)?;
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Whether the tree of `new` leaves under `new_root` begins with the one of `old` leaves under
/// `old_root`.
///
/// # Errors
/// [`ProofError`], with what is wrong.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let path = consistency_ranges(old, new).map_err(|_| ProofError::Shrinks { old, new })?.len();
    right_length(proof, path)?;
    if old == 0 {
        let new_is_right = new != 0 || *new_root == tree_hash(&[]);
        return match (*old_root == tree_hash(&[]), new_is_right) {
            (true, true) => Ok(()),
            (false, _) => Err(ProofError::OldRoot),
            (true, false) => Err(ProofError::Root),
        };
    }
    if old == new {
        return if old_root == new_root { Ok(()) } else { Err(ProofError::Root) };
    }
    // a perfect old tree is a node of the new one, and the proof leaves it out
    let (first, rest) = match proof.split_first() {
        Some((first, rest)) if !old.is_power_of_two() => (first, rest),
        _ => (old_root, proof),
    };
    let (mut at, mut last) = (old - 1, new - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in rest {
        if at & 1 == 1 || at == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if old_hash != *old_root {
        return Err(ProofError::OldRoot);
    }
    if last == 0 && new_hash == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

const fn right_length(proof: &[Hash], wanted: usize) -> Result<(), ProofError> {
    let found = proof.len();
    if found == wanted { Ok(()) } else { Err(ProofError::Length { found, wanted }) }
}

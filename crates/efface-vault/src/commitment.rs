//! Commitments: a promise about an identifier that stands in the evidence and
//! says nothing until it is opened.
//!
//! A request has one random nonce. Each of its identifiers has a nonce of its
//! own, derived from that one and the identifier's position, so that one
//! identifier can be opened to an auditor without opening the others. When
//! the request's nonce is destroyed, the commitments no longer lead to anyone,
//! not even by trying every address there is.

use crate::{KeyBytes, index};
use sha2::{Digest, Sha256};

/// Separates commitments from the leaves (0x00) and nodes (0x01) of the
/// evidence tree.
const DOMAIN: u8 = 0x02;

/// The commitment to the identifier at `position` of a request.
#[must_use]
pub fn commit(nonce: &[u8; 32], position: u32, kind: &str, normalised: &str) -> [u8; 32] {
    commit_with(&opening(nonce, position), kind, normalised)
}

/// What opens the commitment at `position`, and only that one:
/// HMAC-SHA256(nonce, position as four bytes, big-endian).
#[must_use]
pub fn opening(nonce: &[u8; 32], position: u32) -> [u8; 32] {
    index::hmac(&KeyBytes::new(*nonce), &position.to_be_bytes())
}

/// Whether `commitment` was made to this identifier. Anybody holding the
/// opening can check it, without any key.
#[must_use]
pub fn check_opening(
    commitment: &[u8; 32],
    opening: &[u8; 32],
    kind: &str,
    normalised: &str,
) -> bool {
    commit_with(opening, kind, normalised) == *commitment
}

fn commit_with(item_nonce: &[u8; 32], kind: &str, normalised: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([DOMAIN]);
    hash.update(item_nonce);
    for part in [kind, normalised] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

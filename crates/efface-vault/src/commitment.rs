//! Commitments: a promise about an identifier that stands in the evidence and
//! says nothing until it is opened.
//!
//! A request has one random nonce. Each of its identifiers has a nonce of its
//! own, derived from that one and the identifier's position, so that one
//! identifier can be opened to an auditor without opening the others. When
//! the request's nonce is destroyed, the commitments no longer lead to anyone,
//! not even by trying every address there is.

use crate::{KeyBytes, index};
use efface_core::journal;

/// Whether `commitment` was made to this identifier. Anybody holding the
/// opening can check it, without any key.
pub use efface_core::journal::check_opening;

/// The commitment to the identifier at `position` of a request.
#[must_use]
pub fn commit(nonce: &[u8; 32], position: u32, kind: &str, normalised: &str) -> [u8; 32] {
    journal::commitment(&opening(nonce, position), kind, normalised)
}

/// What opens the commitment at `position`, and only that one:
/// HMAC-SHA256(nonce, position as four bytes, big-endian).
#[must_use]
pub fn opening(nonce: &[u8; 32], position: u32) -> [u8; 32] {
    index::hmac(&KeyBytes::new(*nonce), &position.to_be_bytes())
}

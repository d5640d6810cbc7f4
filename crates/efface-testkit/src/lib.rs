//! The workshop: what tests are made with.

pub mod conformance;
#[cfg(feature = "memory")]
pub mod hand;
#[cfg(feature = "memory")]
pub mod memory;
pub mod postgres;
#[cfg(feature = "memory")]
pub mod store_sentences;

/// The driver that carries an action to its end; it lives beside the stand-ins, so that a vendor's
/// own checks can use it too.
pub use efface_connector::fake::drive;

//! The workshop: what tests are made with.

pub mod conformance;
pub mod postgres;

/// The driver that carries an action to its end; it lives beside the stand-ins, so that a vendor's
/// own checks can use it too.
pub use efface_connector::fake::drive;

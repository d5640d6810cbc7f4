//! The witness: what lets a stranger check, years later and without our database, that the journal
//! was not rewritten and that a request's record stands in it.
//!
//! * [`tree`]: the RFC 6962 tree over the journal's leaves, stored as C2SP tiles.
//! * [`checkpoint`]: C2SP checkpoints, signed with Ed25519.
//! * [`pack`]: one request's evidence in one archive, and its offline verification.
//! * [`log`]: the verification of a whole journal against a checkpoint.
//! * [`timestamp`]: time stamps of others over checkpoints (RFC 3161).
//!
//! The crate is pure: no clock, chance, database, network or file; archives go through the
//! [`Read`](std::io::Read) and [`Write`](std::io::Write) handed in. What is hashed, and how, stands in
//! [`efface_core::journal`].

pub mod checkpoint;
pub mod log;
pub mod pack;
pub mod timestamp;
pub mod tree;

pub use checkpoint::{Checkpoint, Signer, VerifierKey};
pub use pack::Pack;
pub use tree::{Frontier, Hash};

//! What the witness proves, what it refuses, and that others come to the same.

mod audits;
mod checkpoints;
mod flips;
mod packs;
mod published;
mod story;
mod tampering;
mod trees;

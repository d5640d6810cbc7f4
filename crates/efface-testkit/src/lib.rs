//! The workshop: what tests are made with.

pub mod postgres;

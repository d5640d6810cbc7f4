//! Whole-system scenarios: real store, real worker, real connectors, stand-ins for the vendors.

pub mod world;

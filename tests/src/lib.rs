//! Whole-system scenarios: real store, real worker, real connectors, stand-ins for the vendors.

pub mod canaries;
pub mod dice;
pub mod faults;
pub mod mistakes;
pub mod oracle;
pub mod outside;
pub mod peek;
pub mod sim;
pub mod vendors;
pub mod world;

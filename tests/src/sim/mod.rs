//! Thirty days in a second: the worker over a store in memory, scripted vendors, and a clock that jumps
//! to whatever is next. One number decides everything, and the same number gives the same journal.

mod clerk;
mod executor;
mod faults;
mod judge;
mod mood;
mod run;
mod store;
mod vendor;

pub use faults::{Kind, Tally};
pub use run::{Outcome, Settings, simulate};

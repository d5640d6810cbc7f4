//! THE RULES. Pure functions over plain data: `(state, event, now) -> (next state, effects)`.
//!
//! What is *not* here: async, a clock, randomness, a database, HTTP, logging, a vendor's name.
//! Time and chance come in as arguments ([`outside`]).

pub mod account;
pub mod action;
pub mod brakes;
pub mod deadline;
pub mod desk;
pub mod evidence;
pub mod ids;
pub mod journal;
pub mod manifest;
pub mod order;
pub mod outside;
pub mod plan;
pub mod request;
pub mod restore;
pub mod retry;
pub mod scan;
pub mod subject;
pub mod suppression;
pub mod task;
pub mod time;
pub mod watch;

pub use action::{RequestAction, Scope, TaskAction};
pub use evidence::{EvidenceLevel, Outcome};
pub use ids::{
    AccountId, ConnectorId, ControllerId, DeskId, EntryId, ImportId, LaneId, OrderId, ReceiptId,
    RequestId, SuppressionId, TaskId,
};
pub use manifest::Manifest;
pub use subject::{Identifier, IdentifierKind, Provenance, Standing};
pub use time::Timestamp;

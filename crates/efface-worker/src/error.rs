//! Why a worker or a lane stops.

/// The worker's error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] efface_store::Error),
    #[error("lane {lane} cannot be taken: another worker holds it")]
    LaneBusy { lane: String },
    #[error("the schedule cannot be kept: {0}")]
    Schedule(String),
}

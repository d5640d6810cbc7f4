//! Requests over HTTP.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

use super::engine::{Outcome, Setup};

/// What the clients send.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Clients {
    pub base: String,
    pub key: String,
    pub clients: u32,
    pub requests: u64,
}

pub async fn serve(_setup: &Setup) -> Result<()> {
    bail!("not yet")
}

pub async fn clients(_job: &Clients) -> Result<Outcome> {
    bail!("not yet")
}

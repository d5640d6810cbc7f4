//! Hints between commits and lanes of this process. A hint may be lost: what is due is a query.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use efface_core::LaneId;
use tokio::sync::Notify;

use crate::WORKERS_BELL;

/// One bell per lane.
#[derive(Debug, Default)]
pub struct Wakes {
    bells: Mutex<BTreeMap<LaneId, Arc<Notify>>>,
    workers: Arc<Notify>,
}

impl Wakes {
    /// The bell of a lane; a ring while nobody listens is kept for the next listener.
    #[must_use]
    pub fn bell(&self, lane: &LaneId) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bells.entry(lane.clone()).or_default().clone()
    }

    /// Rung when a worker comes or goes, or a lane is given back; not by whatever else is written.
    #[must_use]
    pub fn workers(&self) -> Arc<Notify> {
        self.workers.clone()
    }

    pub fn ring(&self, lane: &LaneId) {
        if lane.as_str() == WORKERS_BELL {
            self.workers.notify_one();
        } else {
            self.bell(lane).notify_one();
        }
    }

    /// Every lane's.
    pub fn ring_all(&self) {
        let bells = self.bells.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        bells.values().for_each(|bell| bell.notify_one());
    }
}

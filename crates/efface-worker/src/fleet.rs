//! The connected accounts and the worker's own settings.

use std::{collections::HashMap, sync::Arc, time::Duration};

use efface_connector::{Connector, Http, Manifest};
use efface_core::{AccountId, LaneId};

use crate::ledger::LedgerOptions;

/// An account that can be called.
pub struct ConnectedAccount {
    pub connector: Arc<dyn Connector>,
    pub manifest: Arc<Manifest>,
    pub http: Http,
    pub calls_per_second: f64,
    pub calls_in_flight: u32,
    /// Smaller than the manifest's, by the account's settings.
    pub batch_items: Option<u32>,
    pub linger: Duration,
}

/// All connected accounts of this process.
#[derive(Default)]
pub struct Fleet {
    pub accounts: HashMap<AccountId, ConnectedAccount>,
}

/// How this worker behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Restarted under the same name it takes its lanes at once.
    pub name: String,
    pub lease: Duration,
    pub call_timeout: Duration,
    pub calls_in_flight_total: usize,
    /// Answers of one lane that may wait to be written; at this number no new call is begun.
    pub records_in_flight: u32,
    pub drain: Duration,
    /// How long an owner sleeps at most when nothing rings.
    pub longest_sleep: Duration,
    /// Takes its lanes to carry out errands, and sends nothing that is due in them.
    pub only_errands: bool,
    pub ledger: LedgerOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "worker".into(),
            lease: Duration::from_secs(30),
            call_timeout: Duration::from_secs(20),
            calls_in_flight_total: 128,
            records_in_flight: 256,
            drain: Duration::from_secs(25),
            longest_sleep: Duration::from_secs(5),
            only_errands: false,
            ledger: LedgerOptions::default(),
        }
    }
}

/// One account as its lane uses it.
#[derive(Clone)]
pub(crate) struct Member {
    pub id: AccountId,
    pub connected: Arc<ConnectedAccount>,
}

/// Groups the fleet by lane.
pub(crate) fn by_lane(
    fleet: Fleet,
    lane_of: impl Fn(&AccountId) -> Option<LaneId>,
) -> HashMap<LaneId, Vec<Member>> {
    let mut lanes: HashMap<LaneId, Vec<Member>> = HashMap::new();
    for (id, connected) in fleet.accounts {
        if let Some(lane) = lane_of(&id) {
            lanes.entry(lane).or_default().push(Member { id, connected: Arc::new(connected) });
        }
    }
    lanes
}

//! THE HANDS. Lanes are leased, orders are committed before a byte leaves, answers are recorded
//! with their evidence, and what is due is always a query.

mod answer;
mod call;
mod errand;
mod error;
mod expiry;
mod fleet;
mod form;
mod hands;
mod lane;
mod ledger;
mod linger;
mod look;
mod metronome;
mod pace;
mod poll;
mod recall;
mod record;
mod requests;
mod steady;
mod submit;
mod unknown;

#[cfg(all(feature = "without-order-commit", not(debug_assertions)))]
compile_error!(
    "without their commit orders are lost in a crash: the fault harness alone builds this, to see that it notices"
);

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use efface_core::LaneId;
use efface_store::{LEDGER_LANE, Lease, LeaseTerms, REQUESTS_LANE, Store};
use tokio::sync::{Notify, Semaphore};

pub use error::Error;
pub use fleet::{ConnectedAccount, Fleet, Options};
pub use hands::{Hands, Runtime, Task, TokioRuntime};
pub use ledger::{Anchor, LedgerOptions};
pub use metronome::{Job, Metronome, next_run};

use crate::{fleet::Member, lane::Lane, ledger::LedgerLane, requests::RequestsLane};

/// A worker of this process.
pub struct Worker {
    store: Arc<dyn Store>,
    hands: Hands,
    options: Options,
    lanes: HashMap<LaneId, Vec<Member>>,
    stop: Arc<AtomicBool>,
    /// The log's lane goes last: what the others write while they drain has its place too.
    stop_log: Arc<AtomicBool>,
    clocks: Arc<OnceLock<steady::Clocks>>,
}

/// How long the log's lane may take to place and sign what the others wrote last.
const LAST_LEAVES: Duration = Duration::from_secs(5);

/// One lane in work.
struct Running {
    lease: Lease,
    lost: Box<dyn Fn() + Send + Sync>,
    done: Arc<AtomicBool>,
}

impl Worker {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, fleet: Fleet, hands: Hands, options: Options) -> Self {
        let lanes =
            fleet::by_lane(fleet, |id| store.directory().account(id).map(|a| a.lane.clone()));
        let clocks = Arc::new(OnceLock::new());
        let (stop, stop_log) = (Arc::default(), Arc::default());
        Self { store, hands, options, lanes, stop, stop_log, clocks }
    }

    /// The vendor lanes this worker can serve.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneId> {
        let mut lanes: Vec<LaneId> = self.lanes.keys().cloned().collect();
        lanes.sort();
        lanes
    }

    /// Serves all lanes until `stop` resolves, then drains.
    ///
    /// # Errors
    /// When lanes cannot be taken at the start.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut wanted = self.lanes();
        wanted.extend([REQUESTS_LANE, LEDGER_LANE].into_iter().flat_map(LaneId::new));
        self.serve(wanted, stop).await
    }

    /// Serves only these lanes until `stop` resolves: for a command that needs one vendor now.
    ///
    /// # Errors
    /// [`Error::LaneBusy`] when another worker holds one of them.
    pub async fn run_lanes(
        self,
        only: &[LaneId],
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let terms = LeaseTerms { ttl: self.options.lease };
        let taken = self.store.take_lanes(&self.options.name, only, terms).await?;
        if let Some(busy) =
            only.iter().find(|lane| !taken.iter().any(|(lease, _)| lease.lane == **lane))
        {
            let held: Vec<Lease> = taken.into_iter().map(|(lease, _)| lease).collect();
            self.store.give_back(&held).await?;
            return Err(Error::LaneBusy { lane: busy.to_string() });
        }
        self.serve(only.to_vec(), stop).await
    }

    async fn serve(
        mut self,
        wanted: Vec<LaneId>,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let all_calls = Arc::new(Semaphore::new(self.options.calls_in_flight_total.max(1)));
        let terms = LeaseTerms { ttl: self.options.lease };
        let finished = Arc::new(Notify::new());
        let mut running: Vec<Running> = vec![];
        let mut stop = Box::pin(stop);
        let mut members: HashMap<LaneId, Vec<(efface_core::AccountId, Arc<ConnectedAccount>)>> =
            std::mem::take(&mut self.lanes)
                .into_iter()
                .map(|(lane, all)| (lane, all.into_iter().map(|m| (m.id, m.connected)).collect()))
                .collect();
        loop {
            let missing: Vec<LaneId> = wanted
                .iter()
                .filter(|w| !running.iter().any(|r| r.lease.lane == **w))
                .cloned()
                .collect();
            if !missing.is_empty() {
                match self.store.take_lanes(&self.options.name, &missing, terms).await {
                    Ok(taken) => {
                        for (lease, last) in taken {
                            running.push(self.start(
                                lease,
                                last,
                                &mut members,
                                &all_calls,
                                &finished,
                            ));
                        }
                    }
                    Err(error) if error.is_passing() => {
                        tracing::warn!(%error, "lanes cannot be taken yet")
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            tokio::select! {
                () = &mut stop => break,
                () = self.hands.runtime.sleep(self.options.lease / 3) => {}
            }
            self.renew(&mut running, terms).await;
        }
        self.stop.store(true, Ordering::Relaxed);
        self.store.wakes().ring_all();
        let log = |r: &&Running| r.lease.lane.as_str() == LEDGER_LANE;
        let others: Vec<&Running> = running.iter().filter(|r| !log(r)).collect();
        self.drained(&others, &finished, self.options.drain).await;
        self.stop_log.store(true, Ordering::Relaxed);
        self.store.wakes().ring_all();
        let last: Vec<&Running> = running.iter().filter(log).collect();
        self.drained(&last, &finished, LAST_LEAVES).await;
        let leases: Vec<Lease> = running.into_iter().map(|r| r.lease).collect();
        self.store.give_back(&leases).await?;
        Ok(())
    }

    /// Waits until these lanes have ended, at most so long.
    async fn drained(&self, lanes: &[&Running], finished: &Notify, most: Duration) {
        let until = self.hands.runtime.monotonic() + most;
        while lanes.iter().any(|r| !r.done.load(Ordering::Acquire))
            && self.hands.runtime.monotonic() < until
        {
            tokio::select! {
                () = finished.notified() => {}
                () = self.hands.runtime.sleep(Duration::from_millis(50)) => {}
            }
            self.store.wakes().ring_all();
        }
    }

    fn start(
        &self,
        lease: Lease,
        last: u64,
        members: &mut HashMap<LaneId, Vec<(efface_core::AccountId, Arc<ConnectedAccount>)>>,
        all_calls: &Arc<Semaphore>,
        finished: &Arc<Notify>,
    ) -> Running {
        match lease.lane.as_str() {
            REQUESTS_LANE => {
                let lane = Arc::new(RequestsLane {
                    store: self.store.clone(),
                    hands: self.hands.clone(),
                    lease: lease.clone(),
                    stop: self.stop.clone(),
                    lost: AtomicBool::new(false),
                    clocks: self.clocks.clone(),
                });
                let lost = lane.clone();
                let lost = move || lost.lost.store(true, Ordering::Relaxed);
                self.running(lease, lane.run(), lost, finished)
            }
            LEDGER_LANE => {
                let lane = Arc::new(LedgerLane {
                    store: self.store.clone(),
                    hands: self.hands.clone(),
                    options: self.options.ledger.clone(),
                    lease: lease.clone(),
                    stop: self.stop_log.clone(),
                    lost: AtomicBool::new(false),
                });
                let lost = lane.clone();
                let lost = move || lost.lost.store(true, Ordering::Relaxed);
                self.running(lease, lane.run(), lost, finished)
            }
            _ => {
                let mine: Vec<Member> = members
                    .get(&lease.lane)
                    .into_iter()
                    .flatten()
                    .map(|(id, connected)| Member { id: id.clone(), connected: connected.clone() })
                    .collect();
                let lane = Arc::new(Lane::new(
                    self.store.clone(),
                    self.hands.clone(),
                    self.options.clone(),
                    (lease.clone(), last),
                    mine,
                    all_calls.clone(),
                    self.stop.clone(),
                ));
                let lost = lane.clone();
                let lost = move || {
                    lost.lost.store(true, Ordering::Relaxed);
                    lost.bell.notify_one();
                };
                self.running(lease, lane.run(), lost, finished)
            }
        }
    }

    /// Sets a lane to work; `lost` tells it that it is not ours any more.
    fn running(
        &self,
        lease: Lease,
        work: impl Future<Output = ()> + Send + 'static,
        lost: impl Fn() + Send + Sync + 'static,
        finished: &Arc<Notify>,
    ) -> Running {
        let done = Arc::new(AtomicBool::new(false));
        let (ended, finished) = (done.clone(), finished.clone());
        self.hands.runtime.spawn(Box::pin(async move {
            work.await;
            ended.store(true, Ordering::Release);
            finished.notify_one();
        }));
        Running { lease, lost: Box::new(lost), done }
    }

    /// Renews; a lane that was lost, or whose owner stopped, is taken anew later.
    async fn renew(&self, running: &mut Vec<Running>, terms: LeaseTerms) {
        let leases: Vec<Lease> = running.iter().map(|r| r.lease.clone()).collect();
        match self.store.renew(&leases, terms).await {
            Ok(kept) => running.retain(|r| {
                let held = kept.contains(&r.lease) && !r.done.load(Ordering::Acquire);
                if !held {
                    tracing::warn!(lane = %r.lease.lane, "lane lost");
                    (r.lost)();
                }
                held
            }),
            // the database's silence costs the lane when the lease runs out: every write is fenced
            Err(error) => tracing::warn!(%error, "leases could not be renewed"),
        }
    }
}

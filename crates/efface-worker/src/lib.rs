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
mod held;
mod lane;
mod ledger;
mod linger;
mod list;
mod look;
mod metronome;
mod pace;
mod poll;
mod recall;
mod record;
mod requests;
mod retention;
mod scan;
mod share;
mod steady;
mod submit;
mod unknown;
mod watch;

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
use efface_store::{Error as StoreError, LEDGER_LANE, Lease, LeaseTerms, REQUESTS_LANE, Store};
use tokio::sync::{Notify, Semaphore};

pub use error::Error;
pub use fleet::{ConnectedAccount, Fleet, Options};
pub use hands::{Hands, Runtime, Task, TokioRuntime};
pub use ledger::{Anchor, LedgerOptions};
pub use metronome::{Job, Metronome, next_run};
pub use steady::Clocks;

use crate::{
    fleet::Member,
    held::Held,
    lane::{Lane, Ownership},
    ledger::LedgerLane,
    requests::RequestsLane,
    share::{Memory, View},
};

/// A worker of this process.
pub struct Worker {
    store: Arc<dyn Store>,
    hands: Hands,
    options: Options,
    lanes: HashMap<LaneId, Vec<Member>>,
    clocks: Arc<OnceLock<steady::Clocks>>,
}

/// How long the log's lane may take to place and sign what the others wrote last.
const LAST_LEAVES: Duration = Duration::from_secs(5);

/// One lane in work.
struct Running {
    lease: Lease,
    held: Arc<Held>,
    lost: Box<dyn Fn() + Send + Sync>,
    /// The lane ends what it has begun, and begins nothing more.
    stop: Arc<AtomicBool>,
    done: Arc<AtomicBool>,
}

impl Running {
    fn is_done(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn is_log(&self) -> bool {
        self.lease.lane.as_str() == LEDGER_LANE
    }
}

/// Tells that a lane has ended, however it ended.
struct Ends {
    done: Arc<AtomicBool>,
    finished: Arc<Notify>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        self.finished.notify_one();
    }
}

/// How a process shares lanes with others.
enum Sharing {
    /// It asked for these lanes and no others do its work.
    Alone,
    Evenly(Memory),
}

impl Worker {
    #[must_use]
    pub fn new(store: Arc<dyn Store>, fleet: Fleet, hands: Hands, options: Options) -> Self {
        let lanes =
            fleet::by_lane(fleet, |id| store.directory().account(id).map(|a| a.lane.clone()));
        Self { store, hands, options, lanes, clocks: Arc::new(OnceLock::new()) }
    }

    /// The vendor lanes this worker can serve.
    #[must_use]
    pub fn lanes(&self) -> Vec<LaneId> {
        let mut lanes: Vec<LaneId> = self.lanes.keys().cloned().collect();
        lanes.sort();
        lanes
    }

    /// Serves its share of all lanes until `stop` resolves, then drains.
    ///
    /// # Errors
    /// When lanes cannot be taken at the start.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        let mut wanted = self.lanes();
        wanted.extend([REQUESTS_LANE, LEDGER_LANE].into_iter().flat_map(LaneId::new));
        self.serve(wanted, Sharing::Evenly(Memory::default()), stop).await
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
        self.serve(only.to_vec(), Sharing::Alone, stop).await
    }

    async fn serve(
        self,
        wanted: Vec<LaneId>,
        mut sharing: Sharing,
        stop: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let all_calls = Arc::new(Semaphore::new(self.options.calls_in_flight_total.max(1)));
        let finished = Arc::new(Notify::new());
        let somebody = self.store.wakes().workers();
        let mut running: Vec<Running> = vec![];
        let mut stop = Box::pin(stop);
        loop {
            let (take, look_in) = match self.share(&wanted, &running, &mut sharing).await {
                Ok(shared) => shared,
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "lanes cannot be shared out yet");
                    (vec![], self.look_every())
                }
                Err(error) => return Err(error.into()),
            };
            match self.take(&take, &all_calls, &finished).await {
                Ok(taken) => running.extend(taken),
                Err(error) if error.is_passing() => {
                    tracing::warn!(%error, "lanes cannot be taken yet");
                }
                Err(error) => return Err(error.into()),
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = finished.notified() => {}
                () = somebody.notified() => {}
                () = self.hands.runtime.sleep(look_in) => {}
            }
            self.renew(&mut running).await;
            self.hand_over(&mut running).await;
        }
        self.go(running, &finished, matches!(sharing, Sharing::Evenly(_))).await
    }

    /// A lease is renewed, and the others are looked at, so often.
    fn look_every(&self) -> Duration {
        self.options.lease / share::LOOKS_PER_LEASE
    }

    /// Looks who is there: what to take, and when to look again. What is to be given up begins to end.
    async fn share(
        &self,
        wanted: &[LaneId],
        running: &[Running],
        sharing: &mut Sharing,
    ) -> Result<(Vec<LaneId>, Duration), StoreError> {
        let runs = |lane: &&LaneId| running.iter().any(|r| r.lease.lane == **lane);
        let memory = match sharing {
            Sharing::Alone => {
                let missing = wanted.iter().filter(|lane| !runs(lane)).cloned().collect();
                return Ok((missing, self.look_every()));
            }
            Sharing::Evenly(memory) => memory,
        };
        let serves = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        let terms = LeaseTerms { ttl: self.options.lease };
        let house = self.store.attend(&self.options.name, serves, terms).await?;
        let (ending, mine): (Vec<&Running>, Vec<&Running>) =
            running.iter().partition(|r| r.is_stopping());
        let lanes = |of: Vec<&Running>| -> Vec<LaneId> {
            of.into_iter().map(|r| r.lease.lane.clone()).collect()
        };
        let (ending, mine) = (lanes(ending), lanes(mine));
        let decision = memory.decide(&View {
            me: &self.options.name,
            wanted,
            mine: &mine,
            ending: &ending,
            house: &house,
            lease: self.options.lease,
            now: self.hands.runtime.monotonic(),
        });
        for one in running.iter().filter(|r| decision.give.contains(&r.lease.lane)) {
            tracing::info!(lane = %one.lease.lane, "given up: another worker has room for it");
            one.stop.store(true, Ordering::Relaxed);
            self.store.wakes().ring(&one.lease.lane);
        }
        Ok((decision.take, decision.look_in))
    }

    async fn take(
        &self,
        lanes: &[LaneId],
        all_calls: &Arc<Semaphore>,
        finished: &Arc<Notify>,
    ) -> Result<Vec<Running>, StoreError> {
        if lanes.is_empty() {
            return Ok(vec![]);
        }
        let terms = LeaseTerms { ttl: self.options.lease };
        let asked_at = self.hands.runtime.monotonic();
        let taken = self.store.take_lanes(&self.options.name, lanes, terms).await?;
        let start = |(lease, last)| {
            let held = Arc::new(Held::new(self.options.lease, asked_at));
            self.start(lease, last, held, all_calls, finished)
        };
        Ok(taken.into_iter().map(start).collect())
    }

    /// Gives back what has ended because another has room for it.
    async fn hand_over(&self, running: &mut Vec<Running>) {
        let (ended, rest): (Vec<Running>, Vec<Running>) =
            std::mem::take(running).into_iter().partition(|r| r.is_stopping() && r.is_done());
        *running = rest;
        ended.iter().for_each(|r| r.held.end());
        let leases: Vec<Lease> = ended.into_iter().map(|r| r.lease).collect();
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.store.give_back(&leases).await {
            tracing::warn!(%error, "lanes could not be given back; they are free when their leases end");
        }
    }

    /// Ends everything; the log's lane goes last: what the others write while they drain has its place
    /// too.
    async fn go(
        &self,
        running: Vec<Running>,
        finished: &Notify,
        attended: bool,
    ) -> Result<(), Error> {
        let (log, others): (Vec<Running>, Vec<Running>) =
            running.into_iter().partition(Running::is_log);
        self.drained(&others, finished, self.options.drain).await;
        self.drained(&log, finished, LAST_LEAVES).await;
        let all: Vec<Running> = others.into_iter().chain(log).collect();
        all.iter().for_each(|r| r.held.end());
        let leases: Vec<Lease> = all.into_iter().map(|r| r.lease).collect();
        // both, whatever becomes of the one
        let left = if attended { self.store.leave(&self.options.name).await } else { Ok(()) };
        self.store.give_back(&leases).await?;
        Ok(left?)
    }

    /// Asks these lanes to end and waits until they have, at most so long.
    async fn drained(&self, lanes: &[Running], finished: &Notify, most: Duration) {
        lanes.iter().for_each(|r| r.stop.store(true, Ordering::Relaxed));
        self.store.wakes().ring_all();
        let until = self.hands.runtime.monotonic() + most;
        while lanes.iter().any(|r| !r.is_done()) && self.hands.runtime.monotonic() < until {
            tokio::select! {
                biased;
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
        held: Arc<Held>,
        all_calls: &Arc<Semaphore>,
        finished: &Arc<Notify>,
    ) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let parts = (lease.clone(), held.clone(), stop.clone());
        match lease.lane.as_str() {
            REQUESTS_LANE => {
                let lane = Arc::new(RequestsLane {
                    store: self.store.clone(),
                    hands: self.hands.clone(),
                    lease,
                    stop,
                    lost: AtomicBool::new(false),
                    clocks: self.clocks.clone(),
                    longest_sleep: self.options.longest_sleep,
                    failing: std::sync::Mutex::default(),
                });
                let lost = lane.clone();
                let lost = move || lost.lost.store(true, Ordering::Relaxed);
                self.running(parts, lane.run(), lost, finished)
            }
            LEDGER_LANE => {
                let lane = Arc::new(LedgerLane {
                    store: self.store.clone(),
                    hands: self.hands.clone(),
                    options: self.options.ledger.clone(),
                    lease,
                    stop,
                    lost: AtomicBool::new(false),
                    longest_sleep: self.options.longest_sleep,
                });
                let lost = lane.clone();
                let lost = move || lost.lost.store(true, Ordering::Relaxed);
                self.running(parts, lane.run(), lost, finished)
            }
            _ => {
                let mine = self.lanes.get(&lease.lane).cloned().unwrap_or_default();
                let lane = Arc::new(Lane::new(
                    self.store.clone(),
                    self.hands.clone(),
                    self.options.clone(),
                    Ownership { lease, last_number: last, held, stop },
                    mine,
                    all_calls.clone(),
                ));
                let lost = lane.clone();
                let lost = move || {
                    lost.lost.store(true, Ordering::Relaxed);
                    lost.bell.notify_one();
                };
                self.running(parts, lane.run(), lost, finished)
            }
        }
    }

    /// Sets a lane to work; `lost` tells it that it is not ours any more.
    fn running(
        &self,
        (lease, held, stop): (Lease, Arc<Held>, Arc<AtomicBool>),
        work: impl Future<Output = ()> + Send + 'static,
        lost: impl Fn() + Send + Sync + 'static,
        finished: &Arc<Notify>,
    ) -> Running {
        let done = Arc::new(AtomicBool::new(false));
        let ends = Ends { done: done.clone(), finished: finished.clone() };
        self.hands.runtime.spawn(Box::pin(async move {
            let _ends = ends;
            work.await;
        }));
        Running { lease, held, lost: Box::new(lost), stop, done }
    }

    /// Renews; a lane that was lost, or whose owner stopped by itself, is taken anew later.
    async fn renew(&self, running: &mut Vec<Running>) {
        let leases: Vec<Lease> = running.iter().map(|r| r.lease.clone()).collect();
        if leases.is_empty() {
            return;
        }
        let terms = LeaseTerms { ttl: self.options.lease };
        let asked_at = self.hands.runtime.monotonic();
        match self.store.renew(&leases, terms).await {
            Ok(kept) => running.retain(|r| {
                let ended = r.is_done() && !r.is_stopping();
                let held = kept.contains(&r.lease) && !ended;
                if held {
                    r.held.renewed(asked_at);
                } else {
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

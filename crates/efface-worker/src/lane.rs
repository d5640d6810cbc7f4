//! One lane's owner: takes what is due, keeps the vendor's pace, and never has more calls out than
//! the vendor allows. One owner per lane, fenced by its epoch in every write.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use efface_core::{
    AccountId, LaneId, OrderId, TaskId, Timestamp,
    account::{Breaker, BreakerWindow, Condition},
    task::Queue,
};
use efface_store::{AccountRow, DueTask, Error as StoreError, Lease, Store};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    fleet::{ConnectedAccount, Member, Options},
    hands::Hands,
    held::Held,
    pace::Pace,
};

/// How long a busy lane goes on sending before it looks at everything else that may be due. It never
/// rests without having looked.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// The lane's accounts as they were last read or written.
pub(crate) type Accounts = BTreeMap<AccountId, Arc<AccountRow>>;

/// What one lane shares with the calls it has out.
pub(crate) struct Lane {
    pub store: Arc<dyn Store>,
    pub hands: Hands,
    pub options: Options,
    pub lease: Lease,
    pub name: LaneId,
    pub members: BTreeMap<AccountId, Arc<ConnectedAccount>>,
    pub bell: Arc<Notify>,
    pub in_flight: AtomicU32,
    /// Answers that are in and not yet written.
    pub unwritten: AtomicU32,
    /// Calls that were launched without a turn.
    pub unpaid: AtomicU32,
    /// Further requests of calls under way that wait for their turn.
    pub waiting: AtomicU32,
    pub all_calls: Arc<Semaphore>,
    pub stop: Arc<AtomicBool>,
    pub held: Arc<Held>,
    /// The lease is gone: write nothing more.
    pub lost: AtomicBool,
    pub next_number: AtomicU64,
    pub soft: Mutex<Soft>,
}

/// What the owner keeps in memory and may forget.
#[derive(Default)]
pub(crate) struct Soft {
    pub pace: Option<Pace>,
    pub breakers: HashMap<AccountId, BreakerWindow>,
    /// Items of refused orders travel in smaller company.
    pub company: HashMap<TaskId, usize>,
    /// Accounts whose key has answered in this life.
    pub proved: HashSet<AccountId>,
    /// Who was counted against an account's ceiling today, by short marks of what tells a person
    /// apart. Forgotten, they are counted twice.
    pub counted: HashMap<AccountId, HashSet<u64>>,
    pub counted_on: String,
    /// Receipts and look-ups that are out, so that they are not asked twice at once.
    pub asking: HashSet<uuid::Uuid>,
    /// When the accounts were last asked for due watches and had none.
    pub no_watch_at: Option<Duration>,
    /// When the first company leaves that waits for others.
    pub lingers: Option<Timestamp>,
    /// Orders being resolved.
    pub resolving: HashSet<uuid::Uuid>,
    /// Orders whose commit was not answered, and since when: nothing of them left, and they may stand
    /// as sent.
    pub in_doubt: HashMap<OrderId, Duration>,
    /// The accounts, and when everything was last looked at.
    accounts: Option<(Duration, Accounts)>,
    /// Calls begun since then: a fifth of them is owed to polls and look-ups.
    begun: u32,
}

/// One call that is out. Dropped, it frees its place at the vendor and rings the lane.
pub(crate) struct Out {
    lane: Arc<Lane>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Out {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.lane.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.lane.bell.notify_one();
    }
}

/// One request that waits for its turn. Dropped, others may begin.
pub(crate) struct Waiting<'a>(&'a Lane);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
        self.0.bell.notify_one();
    }
}

/// One answer that is being written. Dropped, it makes room for another.
pub(crate) struct Writing<'a>(&'a Lane);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.unwritten.fetch_sub(1, Ordering::AcqRel);
        self.0.bell.notify_one();
    }
}

/// How a lane is owned.
pub(crate) struct Ownership {
    pub lease: Lease,
    /// The highest order number that was given away.
    pub last_number: u64,
    pub held: Arc<Held>,
    pub stop: Arc<AtomicBool>,
}

impl Lane {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        hands: Hands,
        options: Options,
        Ownership { lease, last_number, held, stop }: Ownership,
        members: Vec<Member>,
        all_calls: Arc<Semaphore>,
    ) -> Self {
        let name = lease.lane.clone();
        let bell = store.wakes().bell(&name);
        Self {
            store,
            hands,
            options,
            name,
            members: members.into_iter().map(|m| (m.id, m.connected)).collect(),
            bell,
            in_flight: AtomicU32::new(0),
            unwritten: AtomicU32::new(0),
            unpaid: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            all_calls,
            stop,
            held,
            lost: AtomicBool::new(false),
            next_number: AtomicU64::new(last_number + 1),
            soft: Mutex::new(Soft::default()),
            lease,
        }
    }

    pub(crate) fn soft(&self) -> std::sync::MutexGuard<'_, Soft> {
        self.soft.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(crate) fn over(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.lost.load(Ordering::Relaxed)
    }

    /// Whether the lane is still ours beyond doubt: asked before anything that changes somebody leaves.
    pub(crate) fn is_surely_ours(&self) -> bool {
        !self.lost.load(Ordering::Relaxed) && self.held.surely(self.hands.runtime.monotonic())
    }

    /// Calls that may leave now: by the vendor's pace and by the bound on calls in flight.
    pub(crate) fn free_calls(&self) -> u32 {
        let most = self.members.values().map(|m| m.calls_in_flight).min().unwrap_or(1).max(1);
        let out = self.in_flight.load(Ordering::Acquire);
        // every call that is out becomes an answer to write
        let room = self
            .options
            .records_in_flight
            .max(1)
            .saturating_sub(self.unwritten.load(Ordering::Acquire));
        let slots = most.min(room).saturating_sub(out);
        // what has begun goes first
        if self.waiting.load(Ordering::Acquire) > 0 {
            return 0;
        }
        let places = u32::try_from(self.all_calls.available_permits()).unwrap_or(u32::MAX);
        let slots = slots.min(places);
        self.with_pace(|pace, now| slots.min(pace.available(now)))
    }

    /// Takes the turn of one request, or tells how long to wait before asking again.
    pub(crate) fn take_turn(&self) -> Duration {
        self.with_pace(|pace, now| {
            if pace.available(now) == 0 {
                return pace.wait(now).max(Duration::from_millis(1));
            }
            pace.take(1, now);
            Duration::ZERO
        })
    }

    /// Whether a call that begins has its turn already. Which of them has not is all the same.
    pub(crate) fn is_paid(&self) -> bool {
        let one_less = |unpaid: u32| unpaid.checked_sub(1);
        self.unpaid.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).is_err()
    }

    /// Counts a request of a call under way that waits for its turn.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        Waiting(self)
    }

    fn with_pace<T>(&self, work: impl FnOnce(&mut Pace, Duration) -> T) -> T {
        let now = self.hands.runtime.monotonic();
        let per_second =
            self.members.values().map(|m| m.calls_per_second).fold(f64::INFINITY, f64::min);
        let mut soft = self.soft();
        work(soft.pace.get_or_insert_with(|| Pace::new(per_second, now)), now)
    }

    fn pace_wait(&self) -> Duration {
        let now = self.hands.runtime.monotonic();
        self.soft().pace.as_ref().map_or(Duration::ZERO, |pace| pace.wait(now))
    }

    /// Runs until stopped or the lease is lost; then waits for the calls that are out.
    pub(crate) async fn run(self: Arc<Self>) {
        if self.options.only_errands {
            return self.run_errands().await;
        }
        self.recover().await;
        while !self.over() {
            let busy = match self.pass().await {
                Ok(busy) => busy,
                Err(StoreError::LaneLost { .. }) => {
                    self.lost.store(true, Ordering::Relaxed);
                    break;
                }
                Err(error) => {
                    tracing::warn!(lane = %self.name, %error, "the lane waits for the database");
                    self.hands.runtime.sleep(Duration::from_secs(1)).await;
                    continue;
                }
            };
            if !busy {
                self.rest().await;
            }
        }
        self.drain().await;
    }

    /// As long as it takes: a lane with a call out is not the next owner's yet. A worker that ends waits
    /// no longer than it was told to, and nothing that has not left by then leaves.
    async fn drain(&self) {
        let busy = || {
            self.in_flight.load(Ordering::Acquire) > 0 || self.unwritten.load(Ordering::Acquire) > 0
        };
        while busy() && !self.lost.load(Ordering::Relaxed) {
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                () = self.hands.runtime.sleep(Duration::from_millis(50)) => {}
            }
        }
    }

    /// Sleeps until something rings, is due, or the pace allows.
    async fn rest(&self) {
        let now = self.hands.clock.now();
        if self.free_calls() == 0 && self.pace_wait().is_zero() {
            // nothing can leave before a call comes back or an answer is written, and both ring; or
            // other lanes have all the places
            let crowded = self.all_calls.available_permits() == 0;
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                _ = self.all_calls.acquire(), if crowded => {}
                () = self.hands.runtime.sleep(self.options.longest_sleep) => {}
            }
            return;
        }
        let due = match self.store.next_wake(&self.name).await {
            // what is due already waits for something else than the time
            Ok(Some(at)) if at <= now => LOOK_AROUND,
            Ok(Some(at)) => at.since(now).max(Duration::from_millis(1)),
            Ok(None) | Err(_) => self.options.longest_sleep,
        };
        // who waits for company waits for a call as well
        let linger =
            if self.free_calls() == 0 { self.options.longest_sleep } else { self.linger_wait(now) };
        let due = due.min(linger);
        let wait = match self.pace_wait() {
            Duration::ZERO => due.min(self.options.longest_sleep),
            pace => due.min(pace).max(Duration::from_millis(1)),
        };
        tokio::select! {
            biased;
            () = self.bell.notified() => {}
            () = self.hands.runtime.sleep(wait.min(self.options.longest_sleep)) => {}
        }
    }

    /// One round. A busy lane sends; everything else is looked at every [`LOOK_AROUND`], and always
    /// before it rests.
    async fn pass(self: &Arc<Self>) -> Result<bool, StoreError> {
        if self.looked_recently() {
            let free = self.free_calls();
            if free == 0 {
                return Ok(false);
            }
            if self.submit(free).await? > 0 {
                return Ok(true);
            }
        }
        self.whole_round().await
    }

    /// Polls and look-ups go first with at most a fifth of the calls (one at least), so that neither
    /// side starves the other.
    async fn whole_round(self: &Arc<Self>) -> Result<bool, StoreError> {
        let now = self.hands.clock.now();
        self.store.wake_due(&self.name, now).await?;
        let accounts = self.read_accounts().await?;
        self.settle_doubts().await?;
        let mut busy = self.errands().await?;
        busy |= self.half_open(&accounts).await?;
        let free = self.free_calls();
        if free == 0 {
            return Ok(false);
        }
        let recalled = self.recall(&accounts, free).await?;
        let free = free.saturating_sub(recalled);
        if free == 0 {
            return Ok(true);
        }
        busy |= recalled > 0;
        busy |= self.resolve_unknown(&accounts).await?;
        let begun = std::mem::take(&mut self.soft().begun);
        let kept = (free / 5).max(begun / 5).clamp(1, free);
        let mut asked = self.poll(&accounts, kept).await?;
        if asked < kept {
            asked += self.look(&accounts, kept - asked).await?;
        }
        if asked < kept {
            asked += self.watch(&accounts, kept - asked).await?;
        }
        let ordered = self.submit(free.saturating_sub(asked)).await?;
        if ordered == 0 && asked == kept {
            // nothing to send: the rest of the calls may ask as well
            asked += self.poll(&accounts, free - kept).await?;
            asked += self.look(&accounts, free.saturating_sub(asked)).await?;
            asked += self.watch(&accounts, free.saturating_sub(asked)).await?;
        }
        Ok(busy || asked > 0 || ordered > 0)
    }

    fn looked_recently(&self) -> bool {
        let now = self.hands.runtime.monotonic();
        self.soft().accounts.as_ref().is_some_and(|(at, _)| now.saturating_sub(*at) < LOOK_AROUND)
    }

    async fn read_accounts(&self) -> Result<Accounts, StoreError> {
        let at = self.hands.runtime.monotonic();
        let accounts: Accounts = self
            .store
            .accounts()
            .await?
            .into_iter()
            .filter(|a| self.members.contains_key(&a.id))
            .map(|a| (a.id.clone(), Arc::new(a)))
            .collect();
        self.soft().accounts = Some((at, accounts.clone()));
        Ok(accounts)
    }

    /// The account as this lane last read or wrote it. What is written names the version, so that
    /// one who changed it meanwhile is never overwritten.
    pub(crate) fn known_account(&self, id: &AccountId) -> Option<Arc<AccountRow>> {
        self.soft().accounts.as_ref().and_then(|(_, rows)| rows.get(id).cloned())
    }

    /// What is due of each account whose condition lets it, at most `most` of each: one that must wait
    /// keeps nobody waiting at the others of its lane. Earliest deadline first.
    pub(crate) async fn due(
        &self,
        queue: Queue,
        most: u32,
        may: impl Fn(&Condition) -> bool,
    ) -> Result<Vec<DueTask>, StoreError> {
        let mut due = vec![];
        for id in self.members.keys() {
            if self.known_account(id).is_some_and(|row| may(&row.condition)) {
                due.extend(self.store.due_tasks(id, queue, most).await?);
            }
        }
        // woken by a clock that has stepped back since: the rules would refuse each of them at once,
        // and the lane would ask again without a rest
        let now = self.hands.clock.now();
        due.retain(|d| efface_core::task::queue(&d.task).1 <= now);
        if self.members.len() > 1 {
            due.sort_by_key(|d| (d.deadline, d.task.id));
        }
        Ok(due)
    }

    /// Keeps what was just written to an account.
    pub(crate) fn account_written(&self, read: &AccountRow, condition: Condition) {
        let written = AccountRow { version: read.version + 1, condition, ..read.clone() };
        if let Some((_, rows)) = &mut self.soft().accounts {
            rows.insert(written.id.clone(), Arc::new(written));
        }
    }

    /// Somebody else has written: the next round reads anew.
    pub(crate) fn forget_accounts(&self) {
        self.soft().accounts = None;
    }

    /// An open breaker whose time is over lets one call through.
    async fn half_open(&self, accounts: &Accounts) -> Result<bool, StoreError> {
        let now = self.hands.clock.now();
        let mut changed = false;
        for row in accounts.values() {
            if let Breaker::Open { until, opened, .. } = row.condition.breaker
                && until <= now
            {
                let mut condition = row.condition.clone();
                condition.breaker = Breaker::HalfOpen { since: now, opened };
                self.write_condition(row, condition, "breaker half open", None).await?;
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Runs one call in the background. It holds its place at the vendor until it lets go of what
    /// it is handed; the lane hears of that.
    pub(crate) fn launch<F>(self: &Arc<Self>, call: impl FnOnce(Out) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send,
    {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
        if !self.take_turn().is_zero() {
            // a call under way was faster: one that is launched waits for its turn as well
            self.unpaid.fetch_add(1, Ordering::AcqRel);
        }
        self.soft().begun += 1;
        let mut out = Out { lane: self.clone(), permit: None };
        self.hands.runtime.spawn(Box::pin(async move {
            // closed only when the process ends
            out.permit = out.lane.all_calls.clone().acquire_owned().await.ok();
            call(out).await;
        }));
    }

    /// Counts an answer that is being written.
    pub(crate) fn writing(&self) -> Writing<'_> {
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        Writing(self)
    }
}

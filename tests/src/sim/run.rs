//! One seed: its world, its thirty days, the calm after, and the verdict.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use efface_connector::{Http, HttpConfig};
use efface_core::{
    AccountId, ConnectorId, LaneId, RequestId, Timestamp,
    brakes::GuardList,
    outside::{Chance, Clock},
    request::{Keeping, Patience},
};
use efface_store::{AccountSpec, ControllerRules, Directory, Policy};
use efface_testkit::memory::{Broken, Made, MemoryStore, digest};
use efface_worker::{ConnectedAccount, Fleet, Hands, LedgerOptions, Options, Worker};

use super::{
    clerk,
    executor::{Executor, Group, Hand, Time},
    faults::{Kind, Plan, Side, Tally, between, pick},
    judge,
    mood::{ItemMood, Mood},
    store::Faulty,
    vendor::{SCRIPTS, Script, Scripted, Vendor, manifest},
};
use crate::{dice::Dice, world::controller};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
/// When every simulation begins.
const BEGINS: i64 = 1_795_000_000_000;
/// The people, who are no worker.
const PEOPLE: Group = 0;
/// A month's calls into the store are a tenth of this.
const CIRCLES: u64 = 500_000;
/// So long everything may take to come to rest once the faults are over.
const REST: u32 = 90;

/// What a run may do differently from one seed to all.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub days: u32,
    /// Promises taken out of the store, for the controls.
    pub broken: Broken,
    /// Nothing else goes wrong at the store, and this often.
    pub only: Option<Kind>,
    /// The commit before a call is swallowed, for the controls.
    pub skip_first_commit: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { days: 30, broken: Broken::default(), only: None, skip_first_commit: false }
    }
}

/// What came of one seed.
pub struct Outcome {
    /// A sentence for each thing that must not be.
    pub faults: Vec<String>,
    /// The journal, entry by entry, as it is stored.
    pub journal: String,
    pub tally: Tally,
}

/// A worker's place, and the life it is in.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pub slot: u32,
    pub group: Group,
}

/// How this seed is set up.
struct Setup {
    workers: u32,
    lease: Duration,
    longest_sleep: Duration,
    /// Of a hundred calls to vendors.
    bad: u64,
    scripts: Vec<Script>,
}

pub struct World {
    pub time: Time,
    pub settings: Settings,
    pub store: MemoryStore,
    pub http: Http,
    vendors: Vec<Arc<Vendor>>,
    setup: Setup,
    dice: Mutex<Dice>,
    plan: Mutex<Plan>,
    pub tally: Mutex<Tally>,
    steps: Arc<AtomicI64>,
    calm: AtomicBool,
    cut_off_until: Mutex<Duration>,
    store_calls: AtomicU64,
    vendor_calls: AtomicU64,
    next_group: AtomicU32,
    pub filed: Mutex<Vec<RequestId>>,
    /// Days on which a person resumed an account.
    pub resumed: Mutex<BTreeMap<(AccountId, String), u32>>,
    /// What must not be, as it was met.
    wrong: Mutex<Vec<String>>,
    hands: (Arc<dyn Clock>, Arc<dyn Chance>),
}

struct WallClock {
    time: Time,
    steps: Arc<AtomicI64>,
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.time.now().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(BEGINS + passed + self.steps.load(Ordering::Relaxed))
    }
}

struct Seeded(Mutex<Dice>);

impl Chance for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&dice.throw().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// One client for all: it is lent and never used.
fn http() -> Http {
    static HTTP: OnceLock<Http> = OnceLock::new();
    let build = || {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = HttpConfig {
            hosts: vec![],
            allow_loopback: false,
            timeout: MINUTE,
            body_cap_bytes: 1 << 20,
            digest: Arc::new(digest),
        };
        Http::new(config).expect("a client")
    };
    HTTP.get_or_init(build).clone()
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn now(&self) -> Timestamp {
        self.hands.0.now()
    }

    pub fn dice<T>(&self, throw: impl FnOnce(&mut Dice) -> T) -> T {
        throw(&mut locked(&self.dice))
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::Relaxed)
    }

    /// Counts a call; what happens at it.
    pub fn fault(&self, side: Side) -> Option<Kind> {
        let counter = match side {
            Side::Store => &self.store_calls,
            Side::Vendor => &self.vendor_calls,
        };
        let number = counter.fetch_add(1, Ordering::Relaxed) + 1;
        if side == Side::Store && number.is_multiple_of(CIRCLES) {
            self.wrong(format!("the workers asked the store {number} times: one goes in circles"));
        }
        if self.is_calm() {
            return None;
        }
        let kind = locked(&self.plan).take(side, number)?;
        locked(&self.tally).met(side, kind, number);
        Some(kind)
    }

    /// One store call in eight takes a while.
    pub fn latency(&self) -> Option<Duration> {
        self.dice(|dice| {
            (dice.between(0, 7) == 0)
                .then(|| between(dice, Duration::from_millis(1), Duration::from_millis(60)))
        })
    }

    /// How long a call to a vendor is on its way.
    pub fn way(&self) -> Duration {
        self.dice(|dice| {
            let most = if dice.between(0, 9) == 0 { MINUTE / 3 } else { Duration::from_secs(1) };
            between(dice, Duration::from_millis(20), most)
        })
    }

    pub fn mood(&self) -> Mood {
        let bad = if self.is_calm() { 0 } else { self.setup.bad };
        let mood = self.dice(|dice| Mood::draw(dice, bad));
        *locked(&self.tally).moods.entry(mood.word()).or_default() += 1;
        mood
    }

    pub fn item_mood(&self) -> ItemMood {
        let bad = if self.is_calm() { 0 } else { self.setup.bad };
        self.dice(|dice| ItemMood::draw(dice, bad))
    }

    pub fn step_clock(&self) {
        let millis = self.dice(|dice| {
            let by = between(dice, MINUTE, HOUR * 30).as_millis();
            let by = i64::try_from(by).unwrap_or(0);
            if dice.between(0, 1) == 0 { by } else { -by }
        });
        self.steps.fetch_add(millis, Ordering::Relaxed);
    }

    pub fn cut_off(&self) {
        let by = self.dice(|dice| between(dice, MINUTE / 6, HOUR * 5));
        *locked(&self.cut_off_until) = self.time.now() + by;
    }

    pub fn is_cut_off(&self) -> bool {
        !self.is_calm() && self.time.now() < *locked(&self.cut_off_until)
    }

    /// From a blink to several leases.
    pub fn freeze(&self, process: Process) {
        let lease = self.setup.lease;
        let by = self.dice(|dice| between(dice, lease / 4, lease * 4));
        self.time.freeze(process.group, by);
    }

    pub fn kill(self: &Arc<Self>, process: Process) {
        self.time.kill(process.group);
        let wait = self.dice(|dice| between(dice, Duration::from_secs(1), HOUR * 2));
        let world = self.clone();
        let again = async move {
            world.time.sleep(wait).await;
            world.start(process.slot);
        };
        self.time.spawn(PEOPLE, Box::pin(again));
    }

    /// A worker begins in this place, and is stopped in good order some days later.
    fn start(self: &Arc<Self>, slot: u32) {
        let group = self.next_group.fetch_add(1, Ordering::Relaxed);
        let process = Process { slot, group };
        let hands = Hands {
            clock: self.hands.0.clone(),
            chance: self.hands.1.clone(),
            runtime: Arc::new(Hand { time: self.time.clone(), group }),
        };
        let store = Faulty { store: self.store.another(), world: self.clone(), process };
        let options = Options {
            name: format!("w{slot}"),
            lease: self.setup.lease,
            call_timeout: Duration::from_secs(20),
            calls_in_flight_total: 4,
            records_in_flight: 8,
            longest_sleep: self.setup.longest_sleep,
            ledger: LedgerOptions { checkpoint_every: HOUR * 6, ..LedgerOptions::default() },
            ..Options::default()
        };
        let worker = Worker::new(Arc::new(store), self.fleet(process), hands, options);
        let life = self.dice(|dice| between(dice, DAY, DAY * 12));
        let world = self.clone();
        let stop = self.time.sleep(life);
        let work = async move {
            if let Err(error) = worker.run(stop).await
                && !error.to_string().contains("does not answer")
            {
                world.wrong(format!("worker w{slot} ended: {error}"));
            }
            world.kill(process);
        };
        self.time.spawn(group, Box::pin(work));
    }

    fn fleet(self: &Arc<Self>, process: Process) -> Fleet {
        let mut fleet = Fleet::default();
        for vendor in &self.vendors {
            let manifest = Arc::new(manifest(vendor.script));
            let connector = Scripted { vendor: vendor.clone(), world: self.clone(), process };
            let account = ConnectedAccount {
                connector: Arc::new(connector),
                calls_per_second: manifest.pace.calls_per_second,
                calls_in_flight: manifest.pace.calls_in_flight,
                manifest,
                http: self.http.clone(),
                batch_items: None,
                linger: if vendor.script == Script::Batch { MINUTE } else { Duration::ZERO },
            };
            fleet.accounts.insert(account_id(vendor.script), account);
        }
        fleet
    }

    /// Notes what must not be.
    pub fn wrong(&self, words: String) {
        locked(&self.wrong).push(words);
    }

    pub fn vendors(&self) -> &[Arc<Vendor>] {
        &self.vendors
    }

    fn tell(&self, days: u64) -> Tally {
        let mut tally = locked(&self.tally).clone();
        tally.seeds = 1;
        tally.days = days;
        tally.store_calls = self.store_calls.load(Ordering::Relaxed);
        tally.vendor_calls = self.vendor_calls.load(Ordering::Relaxed);
        tally
    }
}

pub fn account_id(script: Script) -> AccountId {
    AccountId::new(script.name()).expect("a name")
}

fn directory(scripts: &[Script], dice: &mut Dice) -> Directory {
    let spec = |script: &Script, people_per_day| AccountSpec {
        id: account_id(*script),
        connector: ConnectorId::new(script.name()).expect("a name"),
        controller: controller(),
        lane: LaneId::new(script.lane()).expect("a name"),
        manifest: Arc::new(manifest(*script)),
        keyed_by: vec![],
        people_per_day,
        time_scale: 1.0,
    };
    let rules = ControllerRules {
        zone: jiff::tz::TimeZone::UTC,
        default_phone_region: None,
        guard: GuardList::default(),
    };
    Directory {
        controllers: BTreeMap::from([(controller(), rules)]),
        accounts: scripts.iter().map(|s| spec(s, pick(&[2, 5, 1000], dice))).collect(),
        policy: Policy {
            cooling_off: pick(&[Duration::ZERO, HOUR, DAY], dice),
            expire_unproved: Patience::of(DAY * 12),
            keeping: Keeping { after_answer: DAY, unanswered: DAY * 4 },
            ..Policy::default()
        },
        ..Directory::default()
    }
}

fn set_up(dice: &mut Dice) -> Setup {
    let mut scripts: Vec<Script> = SCRIPTS.to_vec();
    while scripts.len() > 3 {
        let at = dice.between(0, scripts.len() as u64 - 1);
        scripts.remove(usize::try_from(at).unwrap_or(0));
    }
    Setup {
        workers: u32::try_from(dice.between(1, 3)).unwrap_or(1),
        lease: pick(&[HOUR, HOUR * 4], dice),
        longest_sleep: pick(&[HOUR * 3, HOUR * 8], dice),
        bad: pick(&[0, 10, 25, 50], dice),
        scripts,
    }
}

/// Runs one seed.
#[must_use]
pub fn simulate(seed: u64, settings: Settings) -> Outcome {
    let mut dice = Dice::new(seed.wrapping_mul(2).wrapping_add(1));
    // the first throws of near seeds are near
    for _ in 0..8 {
        dice.throw();
    }
    let setup = set_up(&mut dice);
    let directory = directory(&setup.scripts, &mut dice);
    let plan = Plan::draw(&mut dice, settings.only);
    let mut executor = Executor::new(dice.throw());
    let time = executor.time.clone();
    let steps = Arc::new(AtomicI64::new(0));
    let clock: Arc<dyn Clock> = Arc::new(WallClock { time: time.clone(), steps: steps.clone() });
    let steady = Arc::new(WallClock { time: time.clone(), steps: Arc::default() });
    let chance: Arc<dyn Chance> = Arc::new(Seeded(Mutex::new(Dice::new(dice.throw()))));
    let made = Made {
        directory,
        clock: clock.clone(),
        database_clock: steady,
        chance: chance.clone(),
        broken: settings.broken,
    };
    let vendors = setup.scripts.iter().map(|s| Arc::new(Vendor::new(*s))).collect();
    let world = Arc::new(World {
        time,
        settings,
        store: MemoryStore::new(made),
        http: http(),
        vendors,
        setup,
        dice: Mutex::new(dice),
        plan: Mutex::new(plan),
        tally: Mutex::default(),
        steps,
        calm: AtomicBool::new(false),
        cut_off_until: Mutex::default(),
        store_calls: AtomicU64::new(0),
        vendor_calls: AtomicU64::new(0),
        next_group: AtomicU32::new(1),
        filed: Mutex::default(),
        resumed: Mutex::default(),
        wrong: Mutex::default(),
        hands: (clock, chance),
    });
    for vendor in world.vendors() {
        world.store.enable_account(&account_id(vendor.script)).expect("enabled");
    }
    clerk::begin(&world, DAY * settings.days);
    (0..world.setup.workers).for_each(|slot| world.start(slot));
    let mut faults = go_on(&world, &mut executor, DAY * settings.days);
    let mut days = settings.days;
    if faults.is_empty() {
        faults = judge::meanwhile(&world);
        days = come_to_rest(&world, &mut executor, days);
        faults.append(&mut locked(&world.wrong));
    }
    let mut tally = world.tell(u64::from(days));
    if faults.is_empty() {
        faults = judge::afterwards(&world, &mut tally);
    }
    let journal: Vec<String> =
        world.store.journal().iter().map(|e| format!("{}\n{}", e.body, e.items)).collect();
    tally.leaves = journal.len() as u64;
    Outcome { faults, journal: journal.join("\n"), tally }
}

/// Goes on until then, or until something is wrong.
fn go_on(world: &World, executor: &mut Executor, until: Duration) -> Vec<String> {
    let mut at = world.time.now();
    while at < until && locked(&world.wrong).is_empty() {
        at = (at + MINUTE * 5).min(until);
        executor.run(at);
    }
    std::mem::take(&mut *locked(&world.wrong))
}

/// The faults are over: every worker begins anew, and the days go on until nothing is open.
fn come_to_rest(world: &Arc<World>, executor: &mut Executor, from: u32) -> u32 {
    world.calm.store(true, Ordering::Relaxed);
    for group in 1..world.next_group.load(Ordering::Relaxed) {
        world.time.kill(group);
    }
    (0..world.setup.workers).for_each(|slot| world.start(slot));
    for day in from + 1..=from + REST {
        let wrong = go_on(world, executor, DAY * day);
        if !wrong.is_empty() {
            locked(&world.wrong).extend(wrong);
            return day;
        }
        if judge::is_at_rest(world) {
            return day;
        }
    }
    from + REST
}

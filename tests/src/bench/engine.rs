//! The measured process: the real store, the real worker, the benchmark's vendor.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use efface_connector::{Http, HttpConfig};
use efface_core::{
    AccountId, ConnectorId, ControllerId, LaneId, brakes::GuardList, retry::RetryPolicy,
};
use efface_store::{
    AccountSpec, Connection, ControllerRules, Directory, LeaseTerms, Policy, SqlStore, Store,
};
use efface_tests::world::{OsChance, WallClock};
use efface_vault::{MasterKey, Vault};
use efface_worker::{ConnectedAccount, Fleet, Hands, Options, TokioRuntime, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::{load, place, vendor, watch};

/// How the engine is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    pub url: String,
    /// The stub's base URL.
    pub stub: String,
    /// Controllers, each with its own accounts; requests are spread over them.
    pub controllers: u32,
    /// Accounts of each controller, a lane each.
    pub accounts: u32,
    /// People per call.
    pub batch: u32,
    pub in_flight: u32,
    /// Of each account; none is as fast as it goes.
    pub calls_per_second: Option<f64>,
}

/// What is measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// From the worker's start until all tasks are settled, and until all requests are closed.
    UntilClosed { people: u64 },
    /// From the worker's start until so many people were confirmed and written down.
    Settle { people: u64 },
    /// From filing to the call, one request at a time.
    Latency { samples: u32 },
    /// From nothing to the first lane taken.
    Start,
}

/// What came out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    pub seconds: f64,
    pub settled: u64,
    pub processor_seconds: f64,
    pub peak_memory_mb: f64,
    /// Until every request of the settled tasks was closed too.
    pub closed_seconds: f64,
    /// Milliseconds, one for each sample.
    pub samples: Vec<f64>,
}

/// The name of a controller.
pub fn controller(n: u32) -> ControllerId {
    ControllerId::new(&format!("controller-{n}")).expect("a name")
}

fn directory(setup: &Setup) -> Directory {
    let rules = ControllerRules {
        zone: jiff::tz::TimeZone::UTC,
        default_phone_region: None,
        guard: GuardList::default(),
    };
    let manifest = Arc::new(vendor::manifest(setup.batch));
    let controllers: BTreeMap<_, _> =
        (0..setup.controllers).map(|n| (controller(n), rules.clone())).collect();
    let accounts = (0..setup.controllers)
        .flat_map(|c| (0..setup.accounts).map(move |a| (c, format!("bench-{c}-{a}"))))
        .map(|(c, name)| AccountSpec {
            id: AccountId::new(&name).expect("a name"),
            connector: ConnectorId::new("bench").expect("a name"),
            controller: controller(c),
            lane: LaneId::new(&name).expect("a name"),
            manifest: manifest.clone(),
            keyed_by: vec![],
            people_per_day: u32::MAX / 2,
            time_scale: 1.0,
        })
        .collect();
    let policy = Policy {
        cooling_off: Duration::ZERO,
        retry: RetryPolicy {
            base: Duration::from_secs(5),
            cap: Duration::from_secs(3600),
            tries_before_desk: 10,
        },
        ..Policy::default()
    };
    Directory { controllers, accounts, policy, ..Directory::default() }
}

/// Opens the store; a vault of fixed keys, so that every process of a run reads what another wrote.
pub async fn open(setup: &Setup, create: bool) -> Result<(Arc<SqlStore>, Hands)> {
    let connection = Connection::connect(&setup.url, 8, create).await?;
    if create {
        connection.migrate().await?;
    } else {
        connection.check_schema().await?;
    }
    let master = MasterKey::generate(&mut |bytes| bytes.fill(7));
    let (vault, _) = Vault::create(&master, &mut |bytes| bytes.fill(9));
    let hands = Hands {
        clock: Arc::new(WallClock),
        chance: Arc::new(OsChance),
        runtime: Arc::new(TokioRuntime::new()),
    };
    let store = SqlStore::open(
        connection,
        Arc::new(vault),
        directory(setup),
        hands.clock.clone(),
        hands.chance.clone(),
    )
    .await?;
    if create {
        for account in store.directory().accounts.clone() {
            store.enable_account(&account.id, None, "bench").await?;
        }
    }
    Ok((Arc::new(store), hands))
}

fn fleet(setup: &Setup, store: &Arc<SqlStore>, confirmed: &Arc<AtomicU64>) -> Result<Fleet> {
    let mut fleet = Fleet::default();
    let accounts = &store.directory().accounts;
    for account in accounts {
        let digests = store.clone();
        let http = Http::new(HttpConfig {
            hosts: vec![],
            allow_loopback: true,
            timeout: Duration::from_secs(20),
            body_cap_bytes: account.manifest.body_cap_bytes,
            digest: Arc::new(move |bytes| digests.digest(bytes)),
        })
        .map_err(|e| anyhow::anyhow!("{e}"))?;
        let base = match setup.calls_per_second {
            Some(_) => format!("{}/account/{}", setup.stub, account.id),
            None => setup.stub.clone(),
        };
        let connector = vendor::BenchVendor { base, confirmed: confirmed.clone() };
        fleet.accounts.insert(
            account.id.clone(),
            ConnectedAccount {
                connector: Arc::new(connector),
                manifest: account.manifest.clone(),
                http,
                calls_per_second: setup.calls_per_second.unwrap_or(vendor::PACE),
                calls_in_flight: setup.in_flight.div_ceil(u32::try_from(accounts.len())?),
                batch_items: None,
                linger: Duration::ZERO,
            },
        );
    }
    Ok(fleet)
}

/// Runs a worker that serves requests alone until every released one is under way.
pub async fn open_phases(store: &Arc<SqlStore>, hands: &Hands, url: &str) -> Result<()> {
    let options = Options { name: "bench".into(), ..Options::default() };
    let worker = Worker::new(store.clone(), Fleet::default(), hands.clone(), options);
    worker
        .run(async {
            while place::released(url).await.unwrap_or(1) > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await?;
    Ok(())
}

async fn settled(store: &SqlStore) -> Result<u64> {
    Ok(store.outcomes().await?.into_iter().map(|(_, _, _, _, n)| n).sum())
}

/// Works until the parent ends it.
pub async fn work(setup: &Setup) -> Result<()> {
    let (store, hands) = open(setup, false).await?;
    let options = Options {
        name: format!("bench-{}", std::process::id()),
        calls_in_flight_total: setup.in_flight as usize,
        ..Options::default()
    };
    let fleet = fleet(setup, &store, &Arc::default())?;
    println!("{}", serde_json::json!({ "base": "" }));
    Worker::new(store, fleet, hands, options).run(std::future::pending()).await?;
    Ok(())
}

/// Runs a job and tells what came out.
pub async fn run(setup: &Setup, job: &Job) -> Result<Outcome> {
    let began = watch::instant();
    let (store, hands) = open(setup, false).await?;
    if matches!(job, Job::Start) {
        let lane = store.directory().accounts.first().context("an account")?.lane.clone();
        let taken =
            store.take_lanes("start", &[lane], LeaseTerms { ttl: Duration::from_secs(30) }).await?;
        let seconds = began.elapsed().as_secs_f64();
        anyhow::ensure!(taken.len() == 1, "the lane is taken");
        let held: Vec<_> = taken.into_iter().map(|(lease, _)| lease).collect();
        store.give_back(&held).await?;
        return Ok(Outcome { seconds, ..Outcome::default() });
    }
    let confirmed = Arc::new(AtomicU64::new(0));
    let options = Options {
        name: "bench".into(),
        calls_in_flight_total: setup.in_flight as usize,
        ..Options::default()
    };
    let worker = Worker::new(store.clone(), fleet(setup, &store, &confirmed)?, hands, options);
    let before = settled_before(job, &store).await?;
    let used = watch::processor_time();
    let began = watch::instant();
    let mut outcome = match *job {
        Job::UntilClosed { people } => {
            let (watched, counted) = (store.clone(), confirmed.clone());
            let told = Arc::new(std::sync::Mutex::new((0.0, 0.0)));
            let tell = told.clone();
            worker
                .run(async move {
                    let pause = || tokio::time::sleep(Duration::from_millis(5));
                    while counted.load(Ordering::Relaxed) < people {
                        pause().await;
                    }
                    while settled(&watched).await.is_ok_and(|n| n < people) {
                        pause().await;
                    }
                    let all_settled = began.elapsed().as_secs_f64();
                    while !watched.closed_and_open().await.is_ok_and(|(_, open)| open == 0) {
                        pause().await;
                    }
                    if let Ok(mut told) = tell.lock() {
                        *told = (all_settled, began.elapsed().as_secs_f64());
                    }
                })
                .await?;
            let (seconds, closed_seconds) = told.lock().map(|t| *t).unwrap_or_default();
            Outcome { seconds, closed_seconds, ..Outcome::default() }
        }
        Job::Settle { people } => {
            let counted = confirmed.clone();
            worker
                .run(async move {
                    while counted.load(Ordering::Relaxed) < people {
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                })
                .await?;
            // stopped and drained: what was confirmed is written down
            Outcome { seconds: began.elapsed().as_secs_f64(), ..Outcome::default() }
        }
        Job::Latency { samples } => {
            let done = Arc::new(Notify::new());
            let stop = done.clone();
            let running = tokio::spawn(worker.run(async move { stop.notified().await }));
            let sampled = latency(&store, &setup.stub, samples).await;
            done.notify_one();
            running.await??;
            Outcome { samples: sampled?, ..Outcome::default() }
        }
        Job::Start => Outcome::default(),
    };
    outcome.processor_seconds = (watch::processor_time() - used).as_secs_f64();
    outcome.peak_memory_mb = watch::peak_memory_mb();
    outcome.settled = settled(&store).await?.saturating_sub(before);
    Ok(outcome)
}

async fn settled_before(job: &Job, store: &SqlStore) -> Result<u64> {
    match job {
        Job::Settle { .. } => settled(store).await,
        Job::UntilClosed { .. } | Job::Latency { .. } | Job::Start => Ok(0),
    }
}

/// Files one request at a time; milliseconds until the stub saw its call.
async fn latency(store: &SqlStore, stub: &str, samples: u32) -> Result<Vec<f64>> {
    let client = super::bare::client()?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    // a first one opens connections and proves the key
    store.file(vec![load::request(0, 900_000_000, true)]).await.pop().context("filed")??;
    tokio::time::sleep(Duration::from_millis(500)).await;
    client.get(format!("{stub}/keep")).send().await?.error_for_status()?;
    let mut filed = vec![];
    for n in 0..samples {
        let one = load::request(0, 900_000_001 + u64::from(n), true);
        filed.push(watch::wall_nanos());
        store.file(vec![one]).await.pop().context("filed")??;
        // uneven, so that no timer falls into step
        tokio::time::sleep(Duration::from_millis(u64::from(40 + n % 17))).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let text = client.get(format!("{stub}/arrivals")).send().await?.text().await?;
    let seen: Vec<u64> = serde_json::from_str(&text)?;
    anyhow::ensure!(seen.len() == filed.len(), "{} filed, {} seen", filed.len(), seen.len());
    Ok(filed.iter().zip(&seen).map(|(f, s)| s.saturating_sub(*f) as f64 / 1e6).collect())
}

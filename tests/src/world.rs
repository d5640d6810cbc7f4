//! A small world: a database, some vendors' stand-ins, accounts that are live, and a worker.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use efface_connector::{
    Http, HttpConfig,
    fake::{FakeServer, LogLine, Tuning},
};
use efface_core::{
    AccountId, ConnectorId, ControllerId, Identifier, IdentifierKind, ImportId, LaneId, Provenance,
    RequestAction, RequestId, Scope,
    brakes::GuardList,
    outside::{Chance, Clock},
    retry::RetryPolicy,
    task::Task,
};
use efface_store::{
    AccountSpec, Connection, ControllerRules, Directory, Filed, NewRequest, Policy, Proof,
    SqlStore, Store,
};
use efface_vault::{MasterKey, Vault};
use efface_worker::{ConnectedAccount, Fleet, Hands, Options, Runtime as _, TokioRuntime, Worker};

use crate::{
    oracle::{Evidence, Tally, judge},
    peek::Peek,
};

pub use crate::outside::{MortalRuntime, OsChance, WallClock, stopwatch};

/// How a world is built.
pub struct Plan {
    pub database_url: String,
    /// Connector ids; one account each, named like the connector.
    pub vendors: Vec<&'static str>,
    pub policy: Policy,
    pub people_per_day: u32,
    pub calls_per_second: f64,
    pub calls_in_flight: u32,
    pub call_timeout: Duration,
    /// Whether accounts are taken live; else they stay as they are, new ones only looking.
    pub live: bool,
    /// All accounts share one lane's pace, instead of having one each.
    pub one_lane: bool,
    /// Shrinks the vendors' waits.
    pub time_scale: f64,
    pub clock: Arc<dyn Clock>,
    /// How long an order that is not full waits for company.
    pub linger: Duration,
    pub batch_items: Option<u32>,
    pub guard: GuardList,
    pub default_phone_region: Option<String>,
    /// The safe of a database that others open as well; one of its own when `None`.
    pub vault: Option<Arc<Vault>>,
}

impl Plan {
    #[must_use]
    pub fn new(database_url: &str, vendors: &[&'static str]) -> Self {
        Self {
            database_url: database_url.to_owned(),
            vendors: vendors.to_vec(),
            policy: Policy {
                cooling_off: Duration::ZERO,
                verify_after: Duration::from_millis(20),
                retry: RetryPolicy {
                    base: Duration::from_millis(20),
                    cap: Duration::from_secs(2),
                    tries_before_desk: 10,
                },
                ..Policy::default()
            },
            people_per_day: 1_000_000,
            calls_per_second: 5_000.0,
            calls_in_flight: 16,
            call_timeout: Duration::from_millis(800),
            live: true,
            one_lane: false,
            time_scale: 0.000_002,
            clock: Arc::new(WallClock),
            linger: Duration::ZERO,
            batch_items: None,
            guard: GuardList::default(),
            default_phone_region: None,
            vault: None,
        }
    }

    /// So many people leave in one order, however far apart they come.
    #[must_use]
    pub fn together(self, people: u32) -> Self {
        Self { linger: Duration::from_secs(5), batch_items: Some(people), ..self }
    }
}

/// A world.
pub struct World {
    pub store: Arc<SqlStore>,
    pub fakes: BTreeMap<&'static str, FakeServer>,
    plan: Plan,
    pub hands: Hands,
}

/// The controller of every world.
#[must_use]
pub fn controller() -> ControllerId {
    ControllerId::new("default").expect("name")
}

impl World {
    /// # Panics
    /// When any part cannot be built: this is a test's world.
    pub async fn build(plan: Plan) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut fakes = BTreeMap::new();
        let mut accounts = vec![];
        for vendor in &plan.vendors {
            let plugin = efface_registry::find(vendor).expect("vendor");
            let server = FakeServer::start((plugin.fake)(), Tuning::default(), None)
                .await
                .expect("stand-in");
            let built =
                (plugin.build)(&server.fake().settings("demo-key"), Some(&server.base_url()))
                    .expect("settings");
            accounts.push(AccountSpec {
                id: AccountId::new(vendor).expect("name"),
                connector: ConnectorId::new(vendor).expect("name"),
                controller: controller(),
                lane: LaneId::new(if plan.one_lane { "all" } else { vendor }).expect("name"),
                manifest: Arc::new(built.manifest),
                keyed_by: vec![],
                people_per_day: plan.people_per_day,
                time_scale: plan.time_scale,
            });
            fakes.insert(*vendor, server);
        }
        let rules = ControllerRules {
            zone: jiff::tz::TimeZone::UTC,
            default_phone_region: plan.default_phone_region.clone(),
            guard: plan.guard.clone(),
        };
        let directory = Directory {
            controllers: BTreeMap::from([(controller(), rules)]),
            accounts,
            policy: plan.policy,
            ..Directory::default()
        };
        let connection = Connection::connect(&plan.database_url, 8, true).await.expect("database");
        connection.migrate().await.expect("migrates");
        let vault = plan.vault.clone().unwrap_or_else(|| {
            let master = MasterKey::generate(&mut |b| OsChance.fill(b));
            Arc::new(Vault::create(&master, &mut |b| OsChance.fill(b)).0)
        });
        let hands = Hands {
            clock: plan.clock.clone(),
            chance: Arc::new(OsChance),
            runtime: Arc::new(TokioRuntime::new()),
        };
        let store =
            SqlStore::open(connection, vault, directory, hands.clock.clone(), hands.chance.clone())
                .await
                .expect("store");
        let live = if plan.live { store.directory().accounts.clone() } else { vec![] };
        for account in &live {
            store.enable_account(&account.id, None, "test").await.expect("enabled");
        }
        Self { store: Arc::new(store), fakes, plan, hands }
    }

    /// The connected accounts anew, as a worker's start builds them.
    ///
    /// # Panics
    /// When a connector refuses its stand-in's settings.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        let mut fleet = Fleet::default();
        for (vendor, server) in &self.fakes {
            let plugin = efface_registry::find(vendor).expect("vendor");
            let built =
                (plugin.build)(&server.fake().settings("demo-key"), Some(&server.base_url()))
                    .expect("settings");
            let store = self.store.clone();
            let http = Http::new(HttpConfig {
                hosts: vec![],
                allow_loopback: true,
                timeout: self.plan.call_timeout,
                body_cap_bytes: built.manifest.body_cap_bytes,
                digest: Arc::new(move |bytes| store.digest(bytes)),
            })
            .expect("client");
            fleet.accounts.insert(
                AccountId::new(vendor).expect("name"),
                ConnectedAccount {
                    connector: built.connector.into(),
                    manifest: Arc::new(built.manifest),
                    http,
                    calls_per_second: self.plan.calls_per_second,
                    calls_in_flight: self.plan.calls_in_flight,
                    batch_items: self.plan.batch_items,
                    linger: self.plan.linger,
                },
            );
        }
        fleet
    }

    #[must_use]
    pub fn worker(&self) -> Worker {
        self.worker_with(self.options())
    }

    fn options(&self) -> Options {
        Options {
            name: "test".into(),
            call_timeout: self.plan.call_timeout,
            drain: Duration::from_secs(2),
            ..Options::default()
        }
    }

    /// A worker that behaves otherwise.
    #[must_use]
    pub fn worker_with(&self, options: Options) -> Worker {
        Worker::new(self.store.clone(), self.fleet(), self.hands.clone(), options)
    }

    /// Runs a worker until no request is open, or until `limit` has passed.
    ///
    /// # Panics
    /// When the worker ends with an error.
    pub async fn run_until_closed(&self, limit: Duration) -> (u64, u64) {
        let store = &self.store;
        self.run_until(limit, async || {
            store.closed_and_open().await.is_ok_and(|(_, open)| open == 0)
        })
        .await;
        self.store.closed_and_open().await.expect("counts")
    }

    /// Runs a worker until `enough` holds; whether it did before `limit`.
    ///
    /// # Panics
    /// When the worker ends with an error.
    pub async fn run_until(&self, limit: Duration, enough: impl AsyncFn() -> bool) -> bool {
        self.run_worker_until(self.worker(), None, limit, enough).await
    }

    /// The same for a worker of these lanes alone.
    ///
    /// # Panics
    /// When the worker ends with an error.
    pub async fn run_worker_until(
        &self,
        worker: Worker,
        only: Option<&[LaneId]>,
        limit: Duration,
        enough: impl AsyncFn() -> bool,
    ) -> bool {
        self.working(worker, only, async {
            let end = stopwatch() + limit;
            let mut held = false;
            while !held && stopwatch() < end {
                tokio::time::sleep(Duration::from_millis(10)).await;
                held = enough().await;
            }
            held
        })
        .await
    }

    /// Runs a worker until `enough` holds, and ends it in the middle of whatever it does; whether it
    /// held before `limit`.
    pub async fn run_and_kill(&self, limit: Duration, enough: impl AsyncFn() -> bool) -> bool {
        let mortal = Arc::new(MortalRuntime::default());
        let hands = Hands { runtime: mortal.clone(), ..self.hands.clone() };
        let worker = Worker::new(self.store.clone(), self.fleet(), hands, self.options());
        let work = Box::pin(async {
            // nobody asks it to stop
            let _ = worker.run(std::future::pending()).await;
        });
        mortal.spawn(work);
        let end = stopwatch() + limit;
        let mut held = false;
        while !held && stopwatch() < end {
            tokio::time::sleep(Duration::from_millis(5)).await;
            held = enough().await;
        }
        mortal.kill().await;
        held
    }

    /// Runs a worker for as long as `scene` takes.
    ///
    /// # Panics
    /// When the worker ends with an error.
    pub async fn while_working<T>(&self, scene: impl Future<Output = T>) -> T {
        self.working(self.worker(), None, scene).await
    }

    async fn working<T>(
        &self,
        worker: Worker,
        only: Option<&[LaneId]>,
        scene: impl Future<Output = T>,
    ) -> T {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let scene = async {
            let came = scene.await;
            drop(stop);
            came
        };
        let stop = async {
            // resolves when the other end goes
            let _ = stopped.await;
        };
        let work = async {
            match only {
                Some(lanes) => worker.run_lanes(lanes, stop).await,
                None => worker.run(stop).await,
            }
        };
        let (came, worked) = tokio::join!(scene, work);
        worked.expect("worker");
        came
    }

    /// Files these people, held by every vendor, for one action.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn file(
        &self,
        action: RequestAction,
        people: std::ops::Range<u32>,
    ) -> Vec<RequestId> {
        self.file_of(None, action, people).await
    }

    /// The same as rows of an import.
    ///
    /// # Panics
    /// When one is refused.
    pub async fn file_of(
        &self,
        import: Option<ImportId>,
        action: RequestAction,
        people: std::ops::Range<u32>,
    ) -> Vec<RequestId> {
        let requests = people.map(|n| {
            let person = crate::vendors::person(n);
            self.fakes.values().for_each(|fake| fake.fake().put(&person));
            let who = person.into_iter().map(|(kind, text)| proved(kind, &text)).collect();
            NewRequest { import, ..released(action, who) }
        });
        all_new(self.store.file(requests.collect()).await)
    }

    /// What the oracle finds wrong.
    ///
    /// # Panics
    /// When there is anything.
    pub async fn expect_sound(&self, filed: &[RequestId]) -> Tally {
        let peek = Peek::at(&self.plan.database_url).await;
        let logs =
            self.fakes.iter().map(|(vendor, fake)| ((*vendor).to_owned(), fake.log())).collect();
        let verdict = judge(&Evidence::gather(&self.store, &peek, logs, filed).await);
        assert!(verdict.faults.is_empty(), "{}", verdict.faults.join("\n"));
        verdict.tally
    }

    /// A second connection to the database.
    ///
    /// # Panics
    /// When it cannot be had.
    pub async fn peek(&self) -> Peek {
        Peek::at(&self.plan.database_url).await
    }

    /// The tasks of these requests.
    ///
    /// # Panics
    /// When one cannot be read.
    pub async fn tasks(&self, filed: &[RequestId]) -> Vec<Task> {
        let mut tasks = vec![];
        for id in filed {
            let view = self.store.request(*id).await.expect("request");
            tasks.extend(view.tasks.into_iter().map(|t| t.row.task));
        }
        tasks
    }

    /// Calls of a vendor that change or try to.
    #[must_use]
    pub fn changing(&self, vendor: &str) -> Vec<LogLine> {
        self.fakes[vendor].log().into_iter().filter(|line| line.method != "GET").collect()
    }
}

/// An e-mail address, proved.
///
/// # Panics
/// When the text is no address.
#[must_use]
pub fn proved(kind: IdentifierKind, text: &str) -> Identifier {
    let proof = Provenance::Proved { how: "account login".into(), by: "test".into() };
    Identifier::parse(kind, text, proof, None).expect("identifier")
}

/// A released request.
#[must_use]
pub fn released(action: RequestAction, identifiers: Vec<Identifier>) -> NewRequest {
    NewRequest {
        scope: action.needs_scope().then_some(Scope::Marketing),
        proof: Some(Proof { how: "account login".into(), by: "test".into() }),
        release_by: Some("test".into()),
        ..NewRequest::new(controller(), action, identifiers, "test")
    }
}

/// The ids of new requests; panics on anything else.
///
/// # Panics
/// When a filing was refused or is a duplicate.
#[must_use]
pub fn all_new(filed: Vec<Result<Filed, efface_store::Error>>) -> Vec<RequestId> {
    filed
        .into_iter()
        .map(|f| match f.expect("filed") {
            Filed::New(id) => id,
            other => panic!("{other:?}"),
        })
        .collect()
}

/// A place for a database of a test.
pub struct Place {
    pub url: String,
    _folder: Option<tempfile::TempDir>,
}

impl Place {
    /// A SQLite file, gone with this.
    ///
    /// # Panics
    /// When no folder can be made.
    #[must_use]
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        Self { url, _folder: Some(folder) }
    }

    /// A PostgreSQL database of the run's cluster.
    ///
    /// # Panics
    /// When there is no PostgreSQL on this machine.
    #[must_use]
    pub fn postgresql() -> Self {
        let cluster = efface_testkit::postgres::TempPostgres::shared().expect("PostgreSQL");
        Self { url: cluster.create_database().expect("database"), _folder: None }
    }
}

/// Each scenario, a function of a [`Place`], as a test on SQLite and one on PostgreSQL.
#[macro_export]
macro_rules! on_both_databases {
    ($($scenario:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario($crate::world::Place::sqlite()).await;
            })+
        }
        mod on_postgresql {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$scenario($crate::world::Place::postgresql()).await;
            })+
        }
    };
}

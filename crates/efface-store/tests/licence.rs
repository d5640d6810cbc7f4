//! The licence of the store in memory: the same sentences hold of it and of both databases, and a random
//! walk gives the same answers as SQLite does.

#[path = "licence/walk.rs"]
mod walk;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use efface_core::{RequestId, outside::Chance};
use efface_store::{Connection, Filed, NewRequest, SqlStore, Store, TaskRow};
use efface_testkit::{
    hand::{HandClock, Seeded},
    memory::{Broken, Made, MemoryStore},
    postgres::TempPostgres,
    store_sentences::{Rig, SENTENCES, directory},
};
use efface_vault::{MasterKey, Vault};

/// A store on a database.
struct Sql {
    store: SqlStore,
    clock: Arc<HandClock>,
    chance: Arc<Seeded>,
    _folder: Option<tempfile::TempDir>,
}

impl Sql {
    async fn open(url: &str, folder: Option<tempfile::TempDir>, seed: u64) -> Self {
        let (clock, chance) = (Arc::new(HandClock::default()), Arc::new(Seeded::new(seed)));
        let master = MasterKey::generate(&mut |b| chance.fill(b));
        let vault = Arc::new(Vault::create(&master, &mut |b| chance.fill(b)).0);
        let connection = Connection::connect(url, 4, true).await.expect("database");
        connection.migrate().await.expect("migrates");
        let store = SqlStore::open(connection, vault, directory(), clock.clone(), chance.clone());
        let store = store.await.expect("store");
        for spec in &store.directory().accounts.clone() {
            store.enable_account(&spec.id, None, "test").await.expect("live");
        }
        Self { store, clock, chance, _folder: folder }
    }

    async fn on_sqlite(seed: u64) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = format!("sqlite://{}", folder.path().join("t.db").display());
        Self::open(&url, Some(folder), seed).await
    }
}

#[async_trait]
impl Rig for Sql {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn clock(&self) -> &HandClock {
        &self.clock
    }

    fn chance(&self) -> &dyn Chance {
        &*self.chance
    }

    async fn file(&self, new: NewRequest) -> RequestId {
        match self.store.file(vec![new]).await.remove(0).expect("filed") {
            Filed::New(id) => id,
            other => panic!("{other:?}"),
        }
    }

    async fn tasks_of(&self, id: RequestId) -> Vec<TaskRow> {
        let view = self.store.request(id).await.expect("request");
        view.tasks.into_iter().map(|t| t.row).collect()
    }

    async fn leaves(&self) -> u64 {
        efface_store::journal_tail(&self.store).await.expect("journal").len() as u64
    }

    async fn on_the_desk(&self) -> usize {
        self.store.desk(true, 100).await.expect("desk").len()
    }

    async fn wait(&self, by: Duration) {
        tokio::time::sleep(by).await;
    }
}

/// The store in memory.
struct Memory {
    store: MemoryStore,
    clock: Arc<HandClock>,
    database: Arc<HandClock>,
    chance: Arc<Seeded>,
}

impl Memory {
    fn open(clock: Arc<HandClock>, seed: u64) -> Self {
        let (database, chance) = (Arc::new(HandClock::default()), Arc::new(Seeded::new(seed)));
        let store = MemoryStore::new(Made {
            directory: directory(),
            clock: clock.clone(),
            database_clock: database.clone(),
            chance: chance.clone(),
            broken: Broken::default(),
        });
        for spec in &store.directory().accounts.clone() {
            store.enable_account(&spec.id).expect("live");
        }
        Self { store, clock, database, chance }
    }
}

#[async_trait]
impl Rig for Memory {
    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn clock(&self) -> &HandClock {
        &self.clock
    }

    fn chance(&self) -> &dyn Chance {
        &*self.chance
    }

    async fn file(&self, new: NewRequest) -> RequestId {
        self.store.file(new).expect("filed")
    }

    async fn tasks_of(&self, id: RequestId) -> Vec<TaskRow> {
        self.store.tasks_of(id)
    }

    async fn leaves(&self) -> u64 {
        self.store.journal().len() as u64
    }

    async fn on_the_desk(&self) -> usize {
        self.store.open_desk().len()
    }

    async fn wait(&self, by: Duration) {
        self.database.advance(by);
    }
}

/// Says every sentence to a store of its own, and names those it does not hold to.
async fn check_all<R: Rig + 'static>(open: impl AsyncFn() -> R) {
    let mut broken = vec![];
    for sentence in SENTENCES {
        let rig: Arc<dyn Rig> = Arc::new(open().await);
        if tokio::spawn((sentence.run)(rig)).await.is_err() {
            broken.push(sentence.name.replace('_', " "));
        }
    }
    assert!(broken.is_empty(), "do not hold:\n  {}", broken.join("\n  "));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_holds_in_memory() {
    check_all(async || Memory::open(Arc::default(), 7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_holds_on_sqlite() {
    check_all(async || Sql::on_sqlite(7).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_sentence_holds_on_postgresql() {
    let cluster = TempPostgres::shared().expect("PostgreSQL");
    check_all(async || Sql::open(&cluster.create_database().expect("database"), None, 7).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_walk_gives_the_same_answers_in_memory_and_on_sqlite() {
    let mut seen = walk::Seen::default();
    for seed in 1..=6 {
        let sql = Sql::on_sqlite(seed).await;
        let memory = Memory::open(sql.clock.clone(), seed);
        walk::walk(&sql.store, &memory.store, &sql.clock, seed, &mut seen).await;
    }
    assert!(seen.taken > 200 && seen.refused > 50, "{seen:?}");
}

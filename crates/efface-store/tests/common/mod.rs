//! What the store's tests are made with: a world on either database, a clock and chance that tests
//! hold in hand, three vendors' cards, and the raw database beside the store.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod bench;
pub mod lane;
pub mod people;
pub mod raw;

use std::{sync::Arc, time::Duration};

use efface_core::{
    ConnectorId, ControllerId, EvidenceLevel, IdentifierKind, Manifest, RequestId, Scope,
    TaskAction, Timestamp,
    brakes::GuardList,
    manifest::{ActionCard, LookUpCard, SuppressEffect},
    outside::{Chance, Clock},
    task::{Cause, Task, TaskState},
};
use efface_store::{
    AccountSpec, Connection, ControllerRules, Directory, Error, Filed, NewRequest, Policy,
    SqlStore, Store, TaskView,
};
use efface_vault::Vault;

pub use bench::Bench;
pub use efface_testkit::hand::{self, HandClock, Seeded, account, controller, lane, step};
pub use people::*;
pub use raw::Raw;

/// The cooling-off of every world.
pub const COOLING: Duration = Duration::from_secs(3600);

/// As the plainest card, of two steps.
fn card(action: TaskAction, keyed_by: Vec<IdentifierKind>, highest: EvidenceLevel) -> ActionCard {
    let first = if action == TaskAction::Erase { "delete" } else { "change" };
    let stops = (action != TaskAction::Erase).then_some(SuppressEffect::AllMail);
    ActionCard {
        keyed_by,
        stops,
        highest,
        verified_by_look_up: highest == EvidenceLevel::Verified,
        ..hand::card(action, vec![step(first), step("second")])
    }
}

fn manifest(id: &'static str, actions: Vec<ActionCard>) -> Manifest {
    let by = vec![IdentifierKind::Email, IdentifierKind::UserId];
    let look_up = Some(LookUpCard { batch_items: 10, by });
    Manifest { look_up, ..hand::manifest(id, actions) }
}

fn spec(id: &'static str, controller: &ControllerId, manifest: Manifest) -> AccountSpec {
    AccountSpec {
        id: account(id),
        connector: ConnectorId::new(manifest.id).expect("name"),
        controller: controller.clone(),
        lane: lane(id),
        manifest: Arc::new(manifest),
        keyed_by: vec![],
        people_per_day: 100,
        time_scale: 1.0,
    }
}

/// `mail` suppresses before it erases, by e-mail; `shop` erases by anything and verifies; `calls`
/// erases by telephone alone; `far` is another controller's, keyed by telephone.
pub fn directory() -> Directory {
    use {EvidenceLevel as L, IdentifierKind as K, TaskAction as A};
    let guard = GuardList { own_domains: vec!["acme.example".into()], ..GuardList::default() };
    let rules =
        ControllerRules { zone: jiff::tz::TimeZone::UTC, default_phone_region: None, guard };
    let (first, second) = (controller("default"), controller("second"));
    let mail = vec![
        card(A::Suppress, vec![K::Email], L::Confirmed),
        card(A::Erase, vec![K::Email], L::Confirmed),
        card(A::Lift, vec![K::Email], L::Confirmed),
    ];
    let shop = vec![card(A::Erase, vec![K::Email, K::UserId, K::Phone], L::Verified)];
    let calls = vec![card(A::Erase, vec![K::Phone], L::Confirmed)];
    Directory {
        controllers: [(first.clone(), rules.clone()), (second.clone(), rules)].into(),
        accounts: vec![
            spec("mail", &first, manifest("mail", mail)),
            spec("shop", &first, manifest("shop", shop)),
            spec("calls", &first, manifest("calls", calls.clone())),
            spec("far", &second, manifest("far", calls)),
        ],
        policy: Policy {
            cooling_off: COOLING,
            verify_after: Duration::from_secs(60),
            ..Policy::default()
        },
        ..Directory::default()
    }
}

/// A store, and what stands around it.
pub struct World {
    pub store: Arc<SqlStore>,
    pub clock: Arc<HandClock>,
    pub chance: Arc<Seeded>,
    pub vault: Arc<Vault>,
    pub bench: Bench,
    pub raw: Raw,
}

impl World {
    pub async fn open(bench: Bench, directory: Directory, live: bool) -> Self {
        let clock = Arc::new(HandClock::ticking());
        let chance = Arc::new(Seeded::new(7));
        let master = efface_vault::MasterKey::generate(&mut |b| chance.fill(b));
        let vault = Arc::new(Vault::create(&master, &mut |b| chance.fill(b)).0);
        let connection = Connection::connect(&bench.url, 4, true).await.expect("database");
        connection.migrate().await.expect("migrates");
        let store =
            SqlStore::open(connection, vault.clone(), directory, clock.clone(), chance.clone())
                .await
                .expect("store");
        if live {
            for spec in &store.directory().accounts.clone() {
                store.enable_account(&spec.id, Some("pinned"), "test").await.expect("live");
            }
        }
        let raw = Raw::open(&bench.url).await;
        Self { store: Arc::new(store), clock, chance, vault, bench, raw }
    }

    /// Another process on the same database.
    pub async fn another(&self) -> Arc<SqlStore> {
        self.another_with(directory()).await.expect("second store")
    }

    pub async fn another_with(&self, directory: Directory) -> Result<Arc<SqlStore>, Error> {
        let connection = Connection::connect(&self.bench.url, 4, false).await?;
        let store = SqlStore::open(
            connection,
            self.vault.clone(),
            directory,
            self.clock.clone(),
            self.chance.clone(),
        )
        .await?;
        Ok(Arc::new(store))
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub async fn file(&self, new: NewRequest) -> Result<Filed, Error> {
        self.store.file(vec![new]).await.remove(0)
    }

    pub async fn file_new(&self, new: NewRequest) -> RequestId {
        match self.file(new).await.expect("filed") {
            Filed::New(id) => id,
            other => panic!("expected a new request, got {other:?}"),
        }
    }

    /// Filed, released, cooled off and under way.
    pub async fn start(&self, new: NewRequest) -> RequestId {
        let id = self.file_new(released(new)).await;
        self.clock.advance(COOLING);
        self.follow().await;
        assert_eq!(self.state(id).await, "running");
        id
    }

    pub async fn state(&self, id: RequestId) -> &'static str {
        self.store.request(id).await.expect("request").request.state.word()
    }

    pub async fn tasks(&self, id: RequestId) -> Vec<Task> {
        let view = self.store.request(id).await.expect("request");
        view.tasks.into_iter().map(|t: TaskView| t.row.task).collect()
    }

    pub async fn task(&self, id: RequestId, at: &str) -> Task {
        let found: Vec<Task> =
            self.tasks(id).await.into_iter().filter(|t| t.account == account(at)).collect();
        assert_eq!(found.len(), 1, "one task at {at}");
        found.into_iter().next().expect("one")
    }

    pub async fn task_of(&self, id: RequestId, at: &str, action: TaskAction) -> Task {
        let found = self
            .tasks(id)
            .await
            .into_iter()
            .find(|t| t.account == account(at) && t.action == action);
        found.expect("task")
    }

    /// Open desk items as `(subject kind, reason)`.
    pub async fn desk(&self) -> Vec<(String, String)> {
        let rows = self.store.desk(true, 100).await.expect("desk");
        let mut open: Vec<(String, String)> = rows
            .iter()
            .map(|r| (r.item.subject.kind().to_owned(), r.item.reason.word().to_owned()))
            .collect();
        open.sort();
        open
    }

    /// The id of the one open desk item with this reason.
    pub async fn desk_item(&self, reason: &str) -> efface_core::DeskId {
        let rows = self.store.desk(true, 100).await.expect("desk");
        let found: Vec<_> = rows.iter().filter(|r| r.item.reason.word() == reason).collect();
        assert_eq!(found.len(), 1, "one open item {reason}, have {rows:?}");
        found[0].item.id
    }
}

/// A task's state in a few words, for comparing.
pub fn stands(task: &Task) -> String {
    match &task.state {
        TaskState::Blocked { cause } => match cause {
            Cause::Phase(phase) => format!("phase {phase}"),
            Cause::Dependency(_) => "dependency".into(),
            Cause::Hold { .. } => "hold".into(),
            Cause::MissingIdentifier { .. } => "missing identifier".into(),
            Cause::Vendor { .. } => "vendor".into(),
        },
        TaskState::Settled { outcome, .. } => outcome.word(task.action).to_owned(),
        TaskState::Desk { reason } => format!("desk {}", reason.word()),
        other => other.word().to_owned(),
    }
}

/// Asserts that a refusal says `parts`.
#[track_caller]
pub fn refused<T: std::fmt::Debug>(result: Result<T, Error>, parts: &[&str]) {
    let error = result.expect_err("refused").to_string();
    for part in parts {
        assert!(error.contains(part), "{error:?} does not say {part:?}");
    }
}

pub fn scope_of(action: efface_core::RequestAction) -> Option<Scope> {
    action.needs_scope().then_some(Scope::Marketing)
}

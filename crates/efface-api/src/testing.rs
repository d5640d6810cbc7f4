//! A counter over a real store on SQLite in a folder of its own, with a clock moved by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use efface_core::{
    AccountId, ConnectorId, ControllerId, DeskId, EvidenceLevel, IdentifierKind, LaneId, Manifest,
    TaskAction, Timestamp,
    brakes::GuardList,
    desk::{DeskItem, Reason, Subject},
    manifest::{
        ActionCard, EffectClass, Latency, Lists, LookUpCard, Pace, Reversibility, Step, StepId,
        SuppressEffect, SuppressOrder,
    },
    outside::{Chance, Clock},
    task::TaskState,
};
use efface_store::{
    AccountSpec, Connection, ControllerRules, DeskOpen, Directory, Policy, SqlStore, Store as _,
    TaskWrite, Unit,
};
use efface_vault::{MasterKey, Vault};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::ServiceExt as _;

use crate::{ApiOptions, ApiState};

/// Noon of 2026-11-22, UTC.
const NOON: i64 = 1_795_348_800_000;

/// A clock that stands until it is moved.
pub struct HandClock(AtomicI64);

impl HandClock {
    pub fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("short");
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Bytes that differ from call to call; nothing here is secret.
struct Counting(AtomicU64);

impl Chance for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let number = self.0.fetch_add(1, Ordering::SeqCst);
            let digest = Sha256::digest(number.to_le_bytes());
            chunk.copy_from_slice(&digest[..chunk.len()]);
        }
    }
}

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The body, where it is JSON.
    pub body: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The status and the field of a problem.
    pub fn fault(&self) -> (u16, &str) {
        (self.status, self.body["field"].as_str().unwrap_or(""))
    }
}

pub async fn ask(
    router: Router,
    method: &str,
    path: &str,
    body: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let response = router.oneshot(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.expect("a body");
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status: parts.status.as_u16(), headers: parts.headers, text, body }
}

/// The text of a key of these tests.
pub fn key_text(id: &str, letter: char) -> String {
    format!("efface_{id}_{}", letter.to_string().repeat(43))
}

/// A proved request to erase.
pub fn erase(email: &str) -> String {
    json!({
        "action": "erase",
        "identifiers": [{"kind": "email", "value": email}],
        "proof": {"how": "account login"},
    })
    .to_string()
}

/// A counter with the key `shop`.
pub struct Rig {
    _folder: tempfile::TempDir,
    pub store: Arc<SqlStore>,
    pub state: ApiState,
    pub clock: Arc<HandClock>,
}

impl Rig {
    pub async fn new() -> Self {
        Self::with(ApiOptions::default()).await
    }

    pub async fn with(options: ApiOptions) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}/efface.db", folder.path().display());
        let connection = Connection::connect(&url, 4, true).await.expect("connects");
        connection.migrate().await.expect("migrates");
        let chance = Arc::new(Counting(AtomicU64::new(0)));
        let fill: &mut dyn FnMut(&mut [u8]) = &mut |bytes| chance.fill(bytes);
        let master = MasterKey::generate(fill);
        let (vault, _) = Vault::create(&master, fill);
        let clock = Arc::new(HandClock(AtomicI64::new(NOON)));
        let store =
            SqlStore::open(connection, Arc::new(vault), directory(), clock.clone(), chance.clone());
        let store = Arc::new(store.await.expect("opens"));
        let state = ApiState::new(store.clone(), options);
        let rig = Self { _folder: folder, store, state, clock };
        rig.add_key("shop", 's').await;
        rig
    }

    pub async fn add_key(&self, id: &str, letter: char) {
        let hash: [u8; 32] = Sha256::digest(key_text(id, letter).as_bytes()).into();
        self.store.create_api_key(id, "a test", &hash, "test").await.expect("a key");
    }

    pub fn router(&self) -> Router {
        crate::router(self.state.clone())
    }

    pub async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let key = format!("Bearer {}", key_text("shop", 's'));
        let mut all = headers.to_vec();
        for (name, value) in [("authorization", key.as_str()), ("content-type", "application/json")]
        {
            if !headers.iter().any(|(n, _)| *n == name) {
                all.push((name, value));
            }
        }
        ask(self.router(), method, path, body, &all).await
    }

    pub async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        self.call_with(method, path, body, &[]).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub async fn get_as(&self, authorization: Option<&str>, path: &str) -> Answer {
        let header = authorization.map(|text| ("authorization", text));
        ask(self.router(), "GET", path, "", header.as_slice()).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.call("POST", path, body).await
    }

    pub async fn post_json(&self, path: &str, body: Value) -> Answer {
        self.post(path, &body.to_string()).await
    }

    /// Files a proved request to erase; its id.
    pub async fn filed(&self, email: &str) -> String {
        let answer = self.post("/v1/requests", &erase(email)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.body["id"].as_str().expect("an id").to_owned()
    }

    /// Puts an address on the suppression list; the entry's id.
    pub async fn listed(&self, email: &str) -> String {
        let kind = efface_core::IdentifierKind::Email;
        let stated = efface_core::Provenance::Stated;
        let who = efface_core::Identifier::parse(kind, email, stated, None).expect("an address");
        let new = efface_store::NewSuppression {
            controller: ControllerId::new("default").expect("a name"),
            scope: efface_core::Scope::Marketing,
            identifiers: vec![who],
            reason: efface_core::suppression::Reason::Added,
            note: None,
            legal_basis: None,
            expires_at: None,
            by: "test".into(),
        };
        self.store.suppress(new).await.expect("listed").id().to_string()
    }

    /// The id of a request's only task at `account`.
    pub async fn task_of(&self, request: &str, account: &str) -> String {
        let answer = self.get(&format!("/v1/requests/{request}")).await;
        let tasks = answer.body["tasks"].as_array().expect("tasks");
        let task = tasks.iter().find(|t| t["account"] == account).expect("a task there");
        task["id"].as_str().expect("an id").to_owned()
    }

    pub async fn live(&self, account: &str) {
        let id = AccountId::new(account).expect("a name");
        self.store.enable_account(&id, Some("vendor-7"), "test").await.expect("live");
    }

    /// What a worker would do that found more than one record.
    pub async fn put_on_desk(&self, task: &str) {
        let id = task.parse().expect("an id");
        let row = self.store.task(id).await.expect("a task").row;
        let read_version = row.task.version;
        let mut task = row.task;
        let reason = Reason::AmbiguousMatch;
        task.version += 1;
        task.state = TaskState::Desk { reason: reason.clone() };
        let item = DeskItem {
            id: DeskId::new(self.clock.now(), &Counting(AtomicU64::new(9_000_000))),
            subject: Subject::Task(id),
            reason,
            opened_at: self.clock.now(),
            closed: None,
        };
        let unit = Unit {
            tasks: vec![TaskWrite::new(read_version, task)],
            desk_opens: vec![DeskOpen { item, sealed: None }],
            ..Unit::default()
        };
        self.store.commit(unit).await.expect("written");
    }
}

fn directory() -> Directory {
    let controller = ControllerId::new("default").expect("a name");
    let rules = ControllerRules {
        zone: jiff::tz::TimeZone::UTC,
        default_phone_region: Some("GB".into()),
        guard: GuardList { own_domains: vec!["acme.example".into()], ..GuardList::default() },
    };
    let manifest = Arc::new(manifest());
    let account = |id: &str| AccountSpec {
        id: AccountId::new(id).expect("a name"),
        connector: ConnectorId::new("paper").expect("a name"),
        controller: controller.clone(),
        lane: LaneId::new(id).expect("a name"),
        manifest: manifest.clone(),
        keyed_by: vec![],
        people_per_day: 100,
        time_scale: 1.0,
    };
    Directory {
        accounts: vec![account("post"), account("crm")],
        controllers: [(controller, rules)].into(),
        records: efface_core::request::Records::default(),
        policy: Policy::default(),
        without_zone: [ControllerId::new("second").expect("a name")].into(),
    }
}

/// A made-up vendor that keeps paper.
fn manifest() -> Manifest {
    let card = |action, stops| ActionCard {
        action,
        steps: vec![Step {
            id: StepId::named("shred"),
            class: EffectClass::NaturallyIdempotent,
            batch_items: 10,
            batch_bytes: 10_000,
        }],
        keyed_by: vec![IdentifierKind::Email],
        stops,
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Verified,
        verified_by_look_up: true,
        tells_absence: true,
    };
    Manifest {
        id: "paper",
        title: "Paper & Sons",
        category: "post",
        actions: vec![
            card(TaskAction::Erase, None),
            card(TaskAction::Suppress, Some(SuppressEffect::MarketingMail)),
        ],
        suppress_order: SuppressOrder::Before,
        look_up: Some(LookUpCard { batch_items: 10, by: vec![IdentifierKind::Email] }),
        lists: Lists::Cannot("made up"),
        finds: false,
        recalls: false,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 10.0, calls_in_flight: 1 },
        quota: None,
        hosts: &["paper.example"],
        body_cap_bytes: 10_000,
        keeps: &[],
        scopes: &[],
        documentation: "https://paper.example/docs",
        read_on: "2026-11-22",
    }
}

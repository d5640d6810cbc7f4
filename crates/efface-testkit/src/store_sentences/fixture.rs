//! What the sentences are said with: two vendors' cards, a clock and chance in the hand, and the
//! smallest owner of a lane.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use efface_core::{
    AccountId, ConnectorId, ControllerId, DeskId, EntryId, EvidenceLevel, Identifier,
    IdentifierKind, LaneId, Manifest, OrderId, Provenance, ReceiptId, RequestAction, RequestId,
    TaskAction, Timestamp,
    brakes::GuardList,
    desk::{DeskItem, Reason, Subject},
    journal::{About, Entry, TaskChange},
    manifest::{
        ActionCard, EffectClass, Latency, Pace, Reversibility, Step, StepId, SuppressOrder,
    },
    order::{Order, OrderState, StoredReceipt},
    outside::{Chance, Clock},
    request,
    task::{self, Event, Task},
};
use efface_store::{
    AccountSpec, ControllerRules, DeskOpen, Directory, EntryRow, Lease, LeaseTerms, NewRequest,
    Policy, Proof, RequestWrite, TaskWrite, Unit,
};

use super::Rig;

/// Longer than any test.
pub(super) const LONG: LeaseTerms = LeaseTerms { ttl: Duration::from_secs(600) };

/// A clock that goes on when it is moved.
pub struct HandClock(AtomicI64);

impl Default for HandClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_795_000_000_000))
    }
}

impl HandClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Chance that repeats itself from run to run (splitmix64).
pub struct Seeded(AtomicU64);

impl Seeded {
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// A number below `most`.
    #[must_use]
    pub fn below(&self, most: usize) -> usize {
        usize::try_from(self.number() % most.max(1) as u64).unwrap_or(0)
    }
}

impl Chance for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            chunk.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

#[must_use]
pub fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("a name")
}

#[must_use]
pub fn lane(name: &str) -> LaneId {
    LaneId::new(name).expect("a name")
}

fn controller() -> ControllerId {
    ControllerId::new("default").expect("a name")
}

fn manifest(id: &'static str) -> Manifest {
    let step = Step {
        id: StepId::named("erase"),
        class: EffectClass::NaturallyIdempotent,
        batch_items: 100,
        batch_bytes: 1 << 20,
    };
    let erase = ActionCard {
        action: TaskAction::Erase,
        steps: vec![step],
        keyed_by: vec![IdentifierKind::Email],
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: true,
    };
    Manifest {
        id,
        title: id,
        category: "test",
        actions: vec![erase],
        suppress_order: SuppressOrder::Before,
        look_up: None,
        finds: false,
        recalls: true,
        receives: false,
        does_nothing_at: &[],
        pace: Pace { calls_per_second: 10.0, calls_in_flight: 2 },
        quota: None,
        hosts: &[],
        body_cap_bytes: 1 << 20,
        keeps: &[],
        scopes: &[],
        documentation: "",
        read_on: "2026-01-01",
    }
}

/// Two accounts, `mail` and `shop`, each with a lane of its own; both erase by e-mail.
#[must_use]
pub fn directory() -> Directory {
    let spec = |id: &'static str| AccountSpec {
        id: account(id),
        connector: ConnectorId::new(id).expect("a name"),
        controller: controller(),
        lane: lane(id),
        manifest: Arc::new(manifest(id)),
        keyed_by: vec![],
        people_per_day: 100,
        time_scale: 1.0,
    };
    let guard = GuardList::default();
    let rules =
        ControllerRules { zone: jiff::tz::TimeZone::UTC, default_phone_region: None, guard };
    Directory {
        controllers: [(controller(), rules)].into(),
        accounts: vec![spec("mail"), spec("shop")],
        policy: Policy { cooling_off: Duration::ZERO, ..Policy::default() },
        ..Directory::default()
    }
}

/// A released request about one person.
#[must_use]
pub fn erase(name: &str) -> NewRequest {
    let proof = Provenance::Proved { how: "account login".into(), by: "tester".into() };
    let address = format!("{name}@example.org");
    let who = Identifier::parse(IdentifierKind::Email, &address, proof, None).expect("an address");
    NewRequest {
        proof: Some(Proof { how: "account login".into(), by: "tester".into() }),
        release_by: Some("tester".into()),
        ..NewRequest::new(controller(), RequestAction::Erase, vec![who], "tester")
    }
}

/// Filed and under way: its task at `mail`, which is ready.
pub(super) async fn start(rig: &dyn Rig, name: &str) -> Task {
    start_new(rig, erase(name)).await
}

pub(super) async fn start_new(rig: &dyn Rig, new: NewRequest) -> Task {
    let id = rig.file(new).await;
    for due in rig.store().due_follow_ups(rig.now(), 100).await.expect("follow-ups") {
        let unit = started(rig, &due);
        rig.store().commit(unit).await.expect("started");
    }
    let rows = rig.tasks_of(id).await;
    rows.into_iter().map(|r| r.task).find(|t| t.account == account("mail")).expect("a task")
}

/// What the owner of the requests lane writes when a request starts.
pub(super) fn started(rig: &dyn Rig, due: &efface_store::DueFollowUp) -> Unit {
    let mut unit = Unit { followed: vec![(due.request.id, due.seq)], ..Unit::default() };
    let mut changes = vec![];
    for row in &due.tasks {
        let (write, change) = happen(rig, &row.task, &Event::CauseGone);
        unit.tasks.push(write);
        changes.push(change);
    }
    let next = request::apply(&due.request, &request::Event::Started, rig.now()).expect("starts");
    let about = About::RequestMoved {
        event: "started".into(),
        after: Box::new(next.clone()),
        commitments: vec![],
    };
    unit.entries.push(entry(rig, about, &changes));
    unit.requests.push(RequestWrite {
        read_version: due.request.version,
        request: next,
        dossier: None,
        nobody_found_decided: false,
    });
    unit
}

/// Holds a request without a word to its tasks.
pub(super) async fn hold_alone(rig: &dyn Rig, id: RequestId) {
    let ask = efface_store::FollowUp { request: id, due_at: rig.now() };
    rig.store().commit(Unit { follow_ups: vec![ask], ..Unit::default() }).await.expect("asked");
    let due = rig.store().due_follow_ups(rig.now(), 9).await.expect("read").remove(0);
    let event = request::Event::Held { by: "tester".into(), reason: "lawsuit".into() };
    let request = request::apply(&due.request, &event, rig.now()).expect("held");
    let write = RequestWrite {
        read_version: due.request.version,
        request,
        dossier: None,
        nobody_found_decided: false,
    };
    rig.store().commit(Unit { requests: vec![write], ..Unit::default() }).await.expect("held");
}

pub(super) fn entry(rig: &dyn Rig, about: About, changes: &[TaskChange]) -> EntryRow {
    let now = rig.now();
    let id = EntryId::new(now, rig.chance());
    EntryRow { entry: Entry::new(id, now, "tester", about, changes), request: None }
}

/// A task after an event, as the rules have it.
pub(super) fn happen(rig: &dyn Rig, task: &Task, event: &Event) -> (TaskWrite, TaskChange) {
    let rules = rig.store().directory().rules(task, None);
    let moved = task::apply(task, event, &rules, rig.now(), 1).expect("a move").task;
    let change = TaskChange::of(&moved, event.word());
    (TaskWrite::new(task.version, moved), change)
}

pub(super) fn order_of(rig: &dyn Rig, tasks: &[Task], number: u64) -> Order {
    let now = rig.now();
    let first = tasks.first().expect("somebody");
    Order {
        id: OrderId::new(now, rig.chance()),
        lane: lane(first.account.as_str()),
        number,
        account: first.account.clone(),
        action: first.action,
        step: first.step.clone(),
        class: EffectClass::NaturallyIdempotent,
        items: tasks.iter().map(|t| t.id).collect(),
        key: "key".into(),
        body_digest: "digest".into(),
        first_sent_at: now,
        repeats: 0,
        recoveries: 0,
        recovered_at: vec![],
        state: OrderState::Sending,
    }
}

/// Commits an order over ready tasks.
pub(super) async fn order(
    rig: &dyn Rig,
    fence: Option<Lease>,
    tasks: &[Task],
    number: u64,
) -> Order {
    let order = order_of(rig, tasks, number);
    let mut unit = Unit { fence, new_orders: vec![order.clone()], ..Unit::default() };
    let mut changes = vec![];
    for task in tasks {
        let event = Event::Ordered { order: order.id, changing: true };
        let (write, change) = happen(rig, task, &event);
        unit.tasks.push(write);
        changes.push(change);
    }
    let about = About::OrderSent { order: Box::new(order.clone()) };
    unit.entries.push(entry(rig, about, &changes));
    rig.store().commit(unit).await.expect("ordered");
    order
}

pub(super) fn receipt_of(rig: &dyn Rig, order: &Order, poll_after: Duration) -> StoredReceipt {
    let now = rig.now();
    StoredReceipt {
        id: ReceiptId::new(now, rig.chance()),
        order: order.id,
        lane: order.lane.clone(),
        account: order.account.clone(),
        format: 1,
        body: "job 1".into(),
        polls: 0,
        poll_after,
        next_poll: now.plus(poll_after),
        bound_at: now.plus(Duration::from_secs(86_400)),
        slow_told: false,
        done: false,
        asked_back: None,
    }
}

pub(super) fn desk_open(rig: &dyn Rig, subject: Subject, reason: Reason) -> DeskOpen {
    let opened_at = rig.now();
    let id = DeskId::new(opened_at, rig.chance());
    DeskOpen { item: DeskItem { id, subject, reason, opened_at, closed: None }, sealed: None }
}

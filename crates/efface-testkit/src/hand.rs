//! What a test of a store holds in its hand: a clock, chance that repeats itself, and the plainest
//! card, order and receipt.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use efface_core::{
    AccountId, ControllerId, DeskId, EvidenceLevel, IdentifierKind, LaneId, Manifest, OrderId,
    ReceiptId, TaskAction, Timestamp,
    desk::{DeskItem, Reason, Subject},
    manifest::{
        ActionCard, EffectClass, Latency, Lists, Pace, Reversibility, Step, StepId, SuppressOrder,
    },
    order::{Order, OrderState, StoredReceipt},
    outside::{Chance, Clock},
    task::Task,
};
use efface_store::DeskOpen;

/// A clock that goes on when it is moved.
pub struct HandClock {
    now: AtomicI64,
    /// How far each look moves it, in milliseconds.
    tick: i64,
}

impl Default for HandClock {
    fn default() -> Self {
        Self { now: AtomicI64::new(1_795_000_000_000), tick: 0 }
    }
}

impl HandClock {
    /// Each look moves it by a millisecond, so that ids made one after the other sort so.
    #[must_use]
    pub fn ticking() -> Self {
        Self { tick: 1, ..Self::default() }
    }

    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        self.now.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now.fetch_add(self.tick, Ordering::SeqCst))
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

/// # Panics
/// When it is no name, here and below: names are written by tests.
#[must_use]
pub fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("a name")
}

#[must_use]
pub fn lane(name: &str) -> LaneId {
    LaneId::new(name).expect("a name")
}

#[must_use]
pub fn controller(name: &str) -> ControllerId {
    ControllerId::new(name).expect("a name")
}

/// A step of up to a hundred people, which may be repeated.
#[must_use]
pub const fn step(name: &'static str) -> Step {
    Step {
        id: StepId::named(name),
        class: EffectClass::NaturallyIdempotent,
        batch_items: 100,
        batch_bytes: 1 << 20,
    }
}

/// An action that cannot be undone, and is confirmed by e-mail.
#[must_use]
pub fn card(action: TaskAction, steps: Vec<Step>) -> ActionCard {
    ActionCard {
        action,
        steps,
        keyed_by: vec![IdentifierKind::Email],
        stops: None,
        side_effects: vec![],
        reversibility: Reversibility::Irreversible,
        latency: Latency::AT_ONCE,
        highest: EvidenceLevel::Confirmed,
        verified_by_look_up: false,
        tells_absence: true,
    }
}

/// A vendor without look-up that takes back what it was asked.
#[must_use]
pub const fn manifest(id: &'static str, actions: Vec<ActionCard>) -> Manifest {
    Manifest {
        id,
        title: id,
        category: "test",
        actions,
        suppress_order: SuppressOrder::Before,
        look_up: None,
        lists: Lists::Cannot("made up"),
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

/// An order over these tasks, the first of which says where it goes.
///
/// # Panics
/// When there is nobody in it.
#[must_use]
pub fn order_of(now: Timestamp, chance: &dyn Chance, tasks: &[Task], number: u64) -> Order {
    let first = tasks.first().expect("somebody");
    Order {
        id: OrderId::new(now, chance),
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

/// The promise an order got, to be asked about.
#[must_use]
pub fn receipt_of(
    now: Timestamp,
    chance: &dyn Chance,
    order: &Order,
    poll_after: Duration,
) -> StoredReceipt {
    StoredReceipt {
        id: ReceiptId::new(now, chance),
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

#[must_use]
pub fn desk_open(
    now: Timestamp,
    chance: &dyn Chance,
    subject: Subject,
    reason: Reason,
) -> DeskOpen {
    let id = DeskId::new(now, chance);
    DeskOpen { item: DeskItem { id, subject, reason, opened_at: now, closed: None }, sealed: None }
}

//! A journal in which two people's requests run side by side, and the pack of one of them.

use std::{sync::LazyLock, time::Duration};

use efface_core::{
    AccountId, ControllerId, EntryId, EvidenceLevel, OrderId, Outcome, RequestAction, RequestId,
    TaskAction, TaskId, Timestamp,
    journal::{About, Commitment, Entry, TaskChange, commitment},
    manifest::StepId,
    plan::Phase,
    request::{Ending, Request, RequestState},
    subject::{Relation, Value},
    task::{Cause, Task, TaskState},
};
use efface_ledger::{
    Frontier, Pack,
    pack::{Opening, PackedLeaf},
    tree::inclusion_proof,
};
use uuid::Uuid;

use crate::{
    checkpoints::{ORIGIN, signer},
    trees::{Shelf, grown},
};

pub const ADA: &str = "ada@example.org";
pub const OPENING: [u8; 32] = [9; 32];

pub fn at(minute: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + minute * 60_000)
}

fn request(id: u128, version: u32, state: RequestState) -> Request {
    Request {
        id: RequestId(Uuid::from_u128(id)),
        version,
        controller: ControllerId::new("default").expect("name"),
        action: RequestAction::Erase,
        scope: None,
        relation: Relation::Oneself,
        received_on: jiff::civil::date(2027, 1, 1),
        due_on: jiff::civil::date(2027, 1, 31),
        due_at: at(40_000),
        filed_at: at(0),
        filed_by: "tester".into(),
        regime: None,
        channel: None,
        import: None,
        state,
        told: None,
        hold: None,
        held_for: Duration::ZERO,
        proof_missed_at: None,
        breached_at: None,
        in_error: None,
        forgotten_at: None,
        listed: None,
    }
}

fn task(id: u128, request: u128) -> Task {
    Task {
        id: TaskId(Uuid::from_u128(id)),
        request: RequestId(Uuid::from_u128(request)),
        account: AccountId::new("mail").expect("name"),
        action: TaskAction::Erase,
        scope: None,
        generation: 1,
        version: 1,
        step: StepId::named("delete"),
        failures: 0,
        evidence: EvidenceLevel::None,
        sent: false,
        cancel_marked: false,
        state: TaskState::Blocked { cause: Cause::Phase(Phase::Erase) },
    }
}

/// The task as it stands after `version`, changed by `event`.
fn moved(task: &Task, version: u32, event: &str, state: TaskState) -> TaskChange {
    TaskChange::of(&Task { version, state, ..task.clone() }, event)
}

pub fn ada() -> Request {
    request(2, 5, RequestState::Closed { ending: Ending::Completed, at: at(11) })
}

/// The entries, from which tests may leave out, alter, swap or invent.
pub fn entries() -> Vec<Entry> {
    let (first, second, other) = (task(11, 2), task(12, 2), task(13, 3));
    let order = OrderId(Uuid::from_u128(50));
    let sending = || TaskState::Sending { order };
    let settled =
        || TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Confirmed };
    let ready = || TaskState::Ready { due: at(5) };
    let blocked = TaskState::Blocked {
        cause: Cause::Vendor { blocker: "busy".into(), hint: "later".into(), recheck_at: at(8) },
    };
    let commitments = |value: &str| {
        vec![
            Commitment { kind: "phone".into(), hash: hex::encode([3; 32]) },
            Commitment {
                kind: "email".into(),
                hash: hex::encode(commitment(&OPENING, "email", value)),
            },
        ]
    };
    let filed = |request, value: &str| About::RequestFiled {
        request: Box::new(request),
        commitments: commitments(value),
    };
    let goes = |version, event: &str, state| About::RequestMoved {
        event: event.into(),
        after: Box::new(request(2, version, state)),
        commitments: vec![],
    };
    let tasks = |cause: &str| About::TasksMoved { cause: cause.into() };
    let note = |text: &str| About::Note { text: text.into() };
    let birth = |task: &Task| TaskChange::birth(task, "planned");
    let released = RequestState::Released { by: "t".into(), at: at(3), cooling_until: at(4) };
    let mut told = vec![
        (note("the log begins"), vec![]),
        (filed(request(2, 1, RequestState::Received), ADA), vec![birth(&first), birth(&second)]),
        (filed(request(3, 1, RequestState::Received), "eve@example.org"), vec![birth(&other)]),
        (goes(2, "identified", RequestState::Identified), vec![]),
        (goes(3, "released", released), vec![]),
        // one leaf, two events, and another person's task with ours
        (
            goes(4, "started", RequestState::Running { since: at(5) }),
            vec![
                moved(&first, 2, "cause gone", ready()),
                moved(&other, 2, "cause gone", ready()),
                moved(&second, 2, "cause gone", ready()),
            ],
        ),
        (
            tasks("ordered"),
            vec![moved(&other, 3, "ordered", sending()), moved(&first, 3, "ordered", sending())],
        ),
        (
            About::OrderAnswered { order, status: Some(200), evidence: vec![] },
            vec![
                moved(&other, 4, "confirmed", settled()),
                moved(&first, 4, "confirmed", settled()),
            ],
        ),
        (tasks("the vendor blocks"), vec![moved(&second, 3, "vendor blocks", blocked)]),
        // the end of the block and the order in one change
        (tasks("ordered"), vec![moved(&second, 5, "ordered", sending())]),
        (tasks("answered"), vec![moved(&second, 6, "confirmed", settled())]),
        (goes(5, "closed", ada().state), vec![]),
    ];
    told.extend((0..300).map(|n| (note(&format!("later {n}")), vec![])));
    told.into_iter()
        .zip(0..)
        .map(|((about, changes), n)| {
            Entry::new(EntryId(Uuid::from_u128(1000 + n)), at(n as i64), "tester", about, &changes)
        })
        .collect()
}

/// Positions of Ada's leaves.
pub const HERS: [u64; 10] = [1, 3, 4, 5, 6, 7, 8, 9, 10, 11];

pub struct Journal {
    pub entries: Vec<Entry>,
    pub frontier: Frontier,
    pub shelf: Shelf,
}

impl Journal {
    pub fn of(entries: Vec<Entry>) -> Self {
        let hashes: Vec<_> = entries.iter().map(Entry::leaf_hash).collect();
        let (frontier, shelf) = grown(&hashes);
        Self { entries, frontier, shelf }
    }

    pub fn leaf(&self, index: u64) -> PackedLeaf {
        let proof = inclusion_proof(&self.shelf, index, self.frontier.size()).expect("in it");
        let Entry { body, items, .. } = &self.entries[index as usize];
        let hers = |change: &TaskChange| [11, 12].map(Uuid::from_u128).contains(&change.task.0);
        PackedLeaf::new(index, proof, body, items, hers).expect("reads")
    }

    /// Ada's pack, of these leaves.
    pub fn pack(&self, leaves: &[u64]) -> Pack {
        Pack {
            checkpoint: signer(ORIGIN, 1).sign(self.frontier.size(), &self.frontier.root()),
            request: serde_json::json!({ "request": ada(), "made_for": "a test" }).to_string(),
            leaves: leaves.iter().map(|index| self.leaf(*index)).collect(),
            opening: Some(Opening {
                position: 1,
                kind: "email".into(),
                value: Value::new(ADA),
                opening: OPENING,
            }),
            record: "<!doctype html><title>Record of request and vendor answers</title>".into(),
            paper: Some(b"%PDF-1.7 the same".to_vec()),
        }
    }
}

pub fn journal() -> &'static Journal {
    static JOURNAL: LazyLock<Journal> = LazyLock::new(|| Journal::of(entries()));
    &JOURNAL
}

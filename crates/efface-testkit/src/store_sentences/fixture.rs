//! What the sentences are said with: two vendors' cards and the smallest owner of a lane.

use std::{sync::Arc, time::Duration};

use efface_core::{
    ConnectorId, EntryId, Identifier, IdentifierKind, Provenance, RequestAction, RequestId,
    TaskAction,
    brakes::GuardList,
    journal::{About, Entry, TaskChange},
    order::Order,
    request,
    task::{self, Event, Task},
};
use efface_store::{
    AccountSpec, ControllerRules, Directory, EntryRow, Lease, LeaseTerms, NewRequest, Policy,
    Proof, RequestWrite, TaskWrite, Unit,
};

use super::Rig;
use crate::hand::{account, card, controller, lane, manifest, order_of, step};

/// Longer than any test.
pub(super) const LONG: LeaseTerms = LeaseTerms { ttl: Duration::from_secs(600) };

/// Two accounts, `mail` and `shop`, each with a lane of its own; both erase by e-mail.
#[must_use]
pub fn directory() -> Directory {
    let spec = |id: &'static str| AccountSpec {
        id: account(id),
        connector: ConnectorId::new(id).expect("a name"),
        controller: controller("default"),
        lane: lane(id),
        manifest: Arc::new(manifest(id, vec![card(TaskAction::Erase, vec![step("erase")])])),
        keyed_by: vec![],
        people_per_day: 100,
        time_scale: 1.0,
    };
    let guard = GuardList::default();
    let rules =
        ControllerRules { zone: jiff::tz::TimeZone::UTC, default_phone_region: None, guard };
    Directory {
        controllers: [(controller("default"), rules)].into(),
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
        ..NewRequest::new(controller("default"), RequestAction::Erase, vec![who], "tester")
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

/// Commits an order over ready tasks.
pub(super) async fn order(
    rig: &dyn Rig,
    fence: Option<Lease>,
    tasks: &[Task],
    number: u64,
) -> Order {
    let order = order_of(rig.now(), rig.chance(), tasks, number);
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

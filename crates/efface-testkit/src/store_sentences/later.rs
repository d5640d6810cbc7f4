//! What happens after a request is over: watches look, records end.

use std::{sync::Arc, time::Duration};

use efface_core::{
    EvidenceLevel, IdentifierKind, Outcome,
    desk::{Reason, Subject},
    task::{Seen, Task, TaskState},
    watch::{self, Days, Watchable},
};
use efface_store::{
    DeskClose, Error, FollowUp, InTheWay, LEDGER_LANE, NewWatch, RecordEnd, RecordOf, Unit,
    WatchWrite,
};

use super::{
    Rig,
    fixture::{LONG, order, start},
    units::fails,
};
use crate::hand::{account, desk_open, lane};

pub(super) async fn a_watch_is_due_on_its_day_and_outlives_whom_its_request_forgot(
    rig: Arc<dyn Rig>,
) {
    const DAY: Duration = Duration::from_secs(86_400);
    let task = start(&*rig, "a").await;
    let store = rig.store();
    let begun = rig.now();
    let state = TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Confirmed };
    let erased = Task { state, ..task.clone() };
    let bound = Some(Watchable { bound: Duration::ZERO });
    let watch = watch::begin(&erased, begun, bound, Days::DEFAULT, begun).expect("watched");
    let new =
        |kinds: Vec<IdentifierKind>| NewWatch { watch: watch.clone(), lane: lane("mail"), kinds };
    let unit = Unit { new_watches: vec![new(vec![IdentifierKind::Email])], ..Unit::default() };
    store.commit(unit.clone()).await.expect("begun");
    store.commit(unit).await.expect_err("one watch for a task");
    // its own key: the request's may go
    store.commit(Unit { forgets: vec![task.request], ..Unit::default() }).await.expect("forgotten");
    let due = async |at| store.due_watches(&account("mail"), at, 9).await.expect("reads");
    let week = begun.plus(7 * DAY);
    assert!(due(begun.plus(6 * DAY)).await.is_empty());
    assert!(store.due_watches(&account("shop"), week, 9).await.expect("reads").is_empty());
    assert_eq!(store.next_wake(&lane("mail")).await.expect("reads"), Some(week));
    let found = due(week).await.remove(0);
    assert_eq!(found.watch, watch);
    let known: Vec<&str> = found.identifiers.iter().map(|i| i.normal.expose()).collect();
    assert_eq!(known, ["a@example.org"]);
    let looked = |watch: &watch::Watch, seen| {
        let event = watch::Event::Looked { seen };
        watch::apply(watch, &event, week).expect("looks").watch
    };
    let once = looked(&watch, Seen::Absent);
    let write = |read_version, watch: &watch::Watch| Unit {
        watches: vec![WatchWrite { read_version, watch: watch.clone() }],
        ..Unit::default()
    };
    store.commit(write(1, &once)).await.expect("looked");
    let stale = fails(&*rig, write(1, &once)).await;
    assert!(matches!(stale, Error::Stale { ref tasks } if tasks == &[task.id]), "{stale}");
    assert!(due(week).await.is_empty());
    let month = begun.plus(30 * DAY);
    assert_eq!(due(month).await.len(), 1);
    let again = looked(&once, Seen::Present);
    store.commit(write(2, &again)).await.expect("seen");
    assert!(due(month).await.is_empty(), "it looks no more");
    assert_eq!(store.next_wake(&lane("mail")).await.expect("reads"), None);
}

pub(super) async fn a_record_ends_with_what_is_its_alone(rig: Arc<dyn Rig>) {
    let (a, b) = (start(&*rig, "a").await, start(&*rig, "b").await);
    let both = order(&*rig, None, &[a.clone(), b.clone()], 1).await;
    let store = rig.store();
    let record = async |task: &Task| store.record_of(task.request).await.expect("reads");
    assert_eq!(record(&a).await.in_the_way, Some(InTheWay::Unplaced));
    let lease =
        store.take_lanes("one", &[lane(LEDGER_LANE)], LONG).await.expect("taken").remove(0).0;
    while store.place_leaves(&lease, 100).await.expect("placed") > 0 {}
    let subject = Subject::Task(b.id);
    let open = desk_open(rig.now(), rig.chance(), subject.clone(), Reason::Slow);
    store.commit(Unit { desk_opens: vec![open], ..Unit::default() }).await.expect("opened");
    assert_eq!(record(&b).await.in_the_way, Some(InTheWay::Desk));
    let end = async |task: &Task| {
        let asked = FollowUp { request: task.request, due_at: rig.now() };
        store.commit(Unit { follow_ups: vec![asked], ..Unit::default() }).await.expect("asked");
        let due = store.due_follow_ups(rig.now(), 9).await.expect("reads");
        let of = due.into_iter().find(|d| d.request.id == task.request).expect("due");
        let entries = record(task).await.entries;
        assert_eq!(entries.len(), 1, "its filing; the others speak of two");
        RecordEnd { request: of.request, entries, at: rig.now() }
    };
    let ends = end(&a).await;
    let mut another = ends.clone();
    another.request.version += 1;
    let stale = fails(&*rig, Unit { ends: vec![another], ..Unit::default() }).await;
    assert!(matches!(stale, Error::Stale { .. }), "{stale}");
    let leaves = rig.leaves().await;
    store.commit(Unit { ends: vec![ends], ..Unit::default() }).await.expect("ended");
    assert_eq!(rig.leaves().await, leaves - 1);
    assert_eq!(record(&a).await, RecordOf::default(), "nothing is left to end");
    let open = store.open_orders(&lane("mail")).await.expect("reads").remove(0);
    assert_eq!((open.order.id, open.items.len()), (both.id, 1), "it is the other's too");
    let close =
        DeskClose { subject, reason: None, by: "tester".into(), how: "seen".into(), at: rig.now() };
    store.commit(Unit { desk_closes: vec![close], ..Unit::default() }).await.expect("closed");
    let ends = end(&b).await;
    store.commit(Unit { ends: vec![ends], ..Unit::default() }).await.expect("ended");
    assert!(store.open_orders(&lane("mail")).await.expect("reads").is_empty());
    assert!(store.due_follow_ups(rig.now(), 9).await.expect("reads").is_empty());
}

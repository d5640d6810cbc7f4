//! Lanes: one owner each, by the database's clock, fenced by the epoch.

use std::time::Duration;

use efface_core::task::{Event, Queue};
use efface_store::{Error, Lease, LeaseTerms, Store, Unit};

use crate::common::{lane::TTL, *};

const SHORT: LeaseTerms = LeaseTerms { ttl: Duration::from_millis(40) };

pub async fn a_lane_is_taken_kept_and_given_back(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let lanes = [lane("mail"), lane("shop")];
    let taken = w.store.take_lanes("one", &lanes, TTL).await.expect("taken");
    assert_eq!(
        taken.iter().map(|(l, last)| (l.epoch, *last)).collect::<Vec<_>>(),
        [(1, 0), (1, 0)]
    );
    assert_eq!(other.take_lanes("two", &lanes, TTL).await.expect("asked"), vec![]);
    let leases: Vec<Lease> = taken.into_iter().map(|(l, _)| l).collect();
    assert_eq!(w.store.renew(&leases, TTL).await.expect("renewed"), leases);
    let held = w.store.lanes_held().await.expect("held");
    assert_eq!(held, [("mail".into(), "one".into()), ("shop".into(), "one".into())]);
    w.store.give_back(&leases[..1]).await.expect("given back");
    let taken = other.take_lanes("two", &lanes, TTL).await.expect("taken");
    assert_eq!(
        taken.iter().map(|(l, _)| (l.lane.as_str(), l.epoch)).collect::<Vec<_>>(),
        [("mail", 2)]
    );
    assert_eq!(w.store.renew(&leases, TTL).await.expect("renewed"), leases[1..]);
    // what is another's cannot be given back
    w.store.give_back(&leases[..1]).await.expect("nothing happens");
    assert_eq!(w.store.take_lanes("one", &lanes[..1], TTL).await.expect("asked"), vec![]);
}

pub async fn a_lease_ends_by_the_databases_clock(bench: Bench) {
    let w = bench.world().await;
    let mail = [lane("mail")];
    let lease = w.store.take_lanes("one", &mail, SHORT).await.expect("taken").remove(0).0;
    // our own clock has no say in it
    w.clock.advance(Duration::from_secs(9_999));
    let other = w.another().await;
    let taken = loop {
        let taken = other.take_lanes("two", &mail, TTL).await.expect("asked");
        if !taken.is_empty() {
            break taken;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(taken[0].0.epoch, 2);
    assert_eq!(w.store.renew(&[lease], TTL).await.expect("asked"), vec![]);
}

pub async fn the_same_name_retakes_at_once_with_a_higher_epoch(bench: Bench) {
    let w = bench.world().await;
    let mail = [lane("mail")];
    let first = w.store.take_lanes("one", &mail, TTL).await.expect("taken").remove(0).0;
    let second = w.store.take_lanes("one", &mail, TTL).await.expect("taken").remove(0).0;
    assert_eq!((first.epoch, second.epoch), (1, 2));
    assert_eq!(w.store.renew(&[first, second.clone()], TTL).await.expect("renewed"), vec![second]);
}

pub async fn a_write_under_an_old_epoch_is_refused_and_writes_nothing(bench: Bench) {
    let w = bench.world().await;
    let id = w.start(erase(vec![email("jane")])).await;
    let task = w.task(id, "mail").await;
    let old = w.lease("mail").await;
    let new = w.lease("mail").await;
    let before: Vec<i64> = counts(&w).await;
    let refused =
        w.order(Some(old.clone()), std::slice::from_ref(&task), 1).await.expect_err("refused");
    assert!(matches!(&refused, Error::LaneLost { lane } if lane == "mail"), "{refused}");
    assert_eq!(counts(&w).await, before);
    assert_eq!(w.now_of(task.id).await, task);
    // a unit that only fences is refused too
    let empty = Unit { fence: Some(old), ..Unit::default() };
    assert!(matches!(w.store.commit(empty).await, Err(Error::LaneLost { .. })));
    w.order(Some(new), &[task], 1).await.expect("the new owner writes");
}

async fn counts(w: &World) -> Vec<i64> {
    let mut all = vec![];
    for table in ["orders", "journal", "exchange", "follow_up", "desk"] {
        all.push(w.raw.count(table).await);
    }
    all
}

pub async fn order_numbers_rise_over_owners(bench: Bench) {
    let w = bench.world().await;
    let mut tasks = vec![];
    for name in ["a", "b", "c"] {
        let id = w.start(erase(vec![email(name)])).await;
        tasks.push(w.task(id, "mail").await);
    }
    let mail = [lane("mail")];
    let (lease, last) = w.store.take_lanes("one", &mail, TTL).await.expect("taken").remove(0);
    assert_eq!(last, 0);
    w.order(Some(lease.clone()), &tasks[..1], 1).await.expect("ordered");
    w.order(Some(lease.clone()), &tasks[1..2], 2).await.expect("ordered");
    w.store.give_back(&[lease]).await.expect("given back");
    let (lease, last) =
        w.another().await.take_lanes("two", &mail, TTL).await.expect("taken").remove(0);
    assert_eq!(last, 2);
    // a number that falls behind changes nothing for the next owner
    w.order(Some(lease), &tasks[2..], 1).await.expect("ordered");
    let (_, last) = w.another().await.take_lanes("two", &mail, TTL).await.expect("taken").remove(0);
    assert_eq!(last, 2);
    assert_eq!(w.store.due_tasks(&account("mail"), Queue::Submit, 9).await.expect("due").len(), 0);
    w.move_tasks(None, &[w.now_of(tasks[0].id).await], &Event::OutcomeUnknown)
        .await
        .expect("unfenced doors still work");
}

//! Whose a lane is.

use super::Rig;
use super::fixture::{LONG, order, start};
use super::units::{fails, moved};
use crate::hand::lane;
use efface_store::{Attendance, Error, LeaseTerms, Unit};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn a_lane_has_one_owner_and_every_taking_a_higher_epoch(rig: Arc<dyn Rig>) {
    let both = [lane("shop"), lane("mail")];
    let taken = rig.store().take_lanes("one", &both, LONG).await.expect("taken");
    let told: Vec<_> = taken.iter().map(|(l, last)| (l.lane.as_str(), l.epoch, *last)).collect();
    assert_eq!(told, [("mail", 1, 0), ("shop", 1, 0)]);
    assert!(rig.store().take_lanes("two", &both, LONG).await.expect("asked").is_empty());
    let leases: Vec<_> = taken.into_iter().map(|(l, _)| l).collect();
    assert_eq!(rig.store().renew(&leases, LONG).await.expect("renewed"), leases);
    rig.store().give_back(&leases[..1]).await.expect("given back");
    let other = rig.store().take_lanes("two", &both, LONG).await.expect("taken");
    assert_eq!(
        other.iter().map(|(l, _)| (l.lane.as_str(), l.epoch)).collect::<Vec<_>>(),
        [("mail", 2)]
    );
    assert_eq!(rig.store().renew(&leases, LONG).await.expect("renewed"), leases[1..]);
    // what is another's cannot be given back
    rig.store().give_back(&leases[..1]).await.expect("nothing happens");
    assert!(rig.store().take_lanes("one", &both[1..], LONG).await.expect("asked").is_empty());
    // under the same name it is taken at once
    let again = rig.store().take_lanes("one", &both, LONG).await.expect("taken");
    assert_eq!(
        again.iter().map(|(l, _)| (l.lane.as_str(), l.epoch)).collect::<Vec<_>>(),
        [("shop", 2)]
    );
    assert!(rig.store().renew(&leases, LONG).await.expect("asked").is_empty());
}

pub(super) async fn a_lease_that_ran_out_can_be_taken(rig: Arc<dyn Rig>) {
    let mail = [lane("mail")];
    let short = LeaseTerms { ttl: Duration::from_millis(30) };
    let lease = rig.store().take_lanes("one", &mail, short).await.expect("taken").remove(0).0;
    // our own clock has no say in it
    rig.clock().advance(Duration::from_secs(9_999));
    let taken = loop {
        let taken = rig.store().take_lanes("two", &mail, LONG).await.expect("asked");
        if !taken.is_empty() {
            break taken;
        }
        rig.wait(Duration::from_millis(5)).await;
    };
    assert_eq!(taken[0].0.epoch, 2);
    assert!(rig.store().renew(&[lease], LONG).await.expect("asked").is_empty());
}

pub(super) async fn workers_see_one_another_and_who_holds_what(rig: Arc<dyn Rig>) {
    let names = |house: &Attendance| -> Vec<(String, u32)> {
        house.workers.iter().map(|w| (w.name.clone(), w.serves)).collect()
    };
    let store = rig.store();
    let house = store.attend("two", 5, LONG).await.expect("there");
    assert_eq!((names(&house), house.lanes.len()), (vec![("two".into(), 5)], 0));
    let mail = [lane("mail")];
    let lease = store.take_lanes("two", &mail, LONG).await.expect("taken").remove(0).0;
    let house = store.attend("one", 7, LONG).await.expect("there");
    assert_eq!(names(&house), [("one".into(), 7), ("two".into(), 5)]);
    let held = &house.lanes[0];
    assert_eq!((held.lane.as_str(), held.owner.as_deref()), ("mail", Some("two")));
    assert!(!held.runs_out_in.is_zero() && held.runs_out_in <= LONG.ttl, "{held:?}");

    // who is silent is gone when its time is over, by the database's clock
    let short = LeaseTerms { ttl: Duration::from_millis(30) };
    store.attend("two", 5, short).await.expect("there");
    rig.clock().advance(Duration::from_secs(9_999));
    while names(&store.attend("one", 7, LONG).await.expect("there")).len() > 1 {
        rig.wait(Duration::from_millis(5)).await;
    }
    // it holds its lane all the same, until that lease is over
    assert_eq!(store.attend("one", 7, LONG).await.expect("there").lanes[0].owner, held.owner);

    store.attend("two", 5, LONG).await.expect("there");
    store.leave("two").await.expect("left");
    store.give_back(&[lease]).await.expect("given back");
    let house = store.attend("one", 7, LONG).await.expect("there");
    assert_eq!(names(&house), [("one".into(), 7)]);
    assert_eq!((house.lanes[0].owner.clone(), house.lanes[0].runs_out_in), (None, Duration::ZERO));
}

pub(super) async fn a_write_under_an_old_epoch_is_refused_and_writes_nothing(rig: Arc<dyn Rig>) {
    let task = start(&*rig, "a").await;
    let mail = [lane("mail")];
    let mut taken = vec![];
    for _ in 0..2 {
        taken.push(rig.store().take_lanes("one", &mail, LONG).await.expect("taken").remove(0).0);
    }
    let unit = |n: usize| Unit {
        fence: Some(taken[n].clone()),
        tasks: vec![moved(&*rig, &task)],
        ..Unit::default()
    };
    let refused = fails(&*rig, unit(0)).await;
    assert!(matches!(&refused, Error::LaneLost { lane } if lane == "mail"), "{refused:?}");
    assert_eq!(rig.task(&task).await, task);
    // a unit that only fences is refused too
    let empty = Unit { fence: Some(taken[0].clone()), ..Unit::default() };
    assert!(matches!(rig.store().commit(empty).await, Err(Error::LaneLost { .. })));
    rig.store().commit(unit(1)).await.expect("the owner writes");
    // and who gave it back writes no more
    rig.store().give_back(&taken[1..]).await.expect("given back");
    let empty = Unit { fence: Some(taken[1].clone()), ..Unit::default() };
    assert!(matches!(rig.store().commit(empty).await, Err(Error::LaneLost { .. })));
}

pub(super) async fn order_numbers_rise_over_owners(rig: Arc<dyn Rig>) {
    let mail = [lane("mail")];
    for (owner, number, last) in [("one", 2, 0), ("two", 1, 2), ("three", 5, 2)] {
        let task = start(&*rig, owner).await;
        let (lease, told) =
            rig.store().take_lanes(owner, &mail, LONG).await.expect("taken").remove(0);
        assert_eq!(told, last, "{owner}");
        order(&*rig, Some(lease.clone()), &[task], number).await;
        rig.store().give_back(&[lease]).await.expect("given back");
    }
    let (_, told) = rig.store().take_lanes("four", &mail, LONG).await.expect("taken").remove(0);
    assert_eq!(told, 5);
}

//! An order that is not full may wait a little for company.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use efface_core::RequestAction;
use efface_tests::{
    on_both_databases,
    world::{Place, Plan, World, stopwatch},
};

const LONG: Duration = Duration::from_secs(30);

on_both_databases! {
    whoever_comes_while_an_order_lingers_travels_along,
    a_full_order_does_not_linger,
}

async fn world(place: &Place, linger: Duration, batch_items: Option<u32>) -> World {
    World::build(Plan { linger, batch_items, ..Plan::new(&place.url, &["amplitude"]) }).await
}

async fn whoever_comes_while_an_order_lingers_travels_along(place: Place) {
    let world = world(&place, Duration::from_millis(1_500), None).await;
    let first = world.file(RequestAction::Erase, 0..1).await;
    let second = AtomicBool::new(false);
    let closed = world.run_until(LONG, async || {
        let ready = world.tasks(&first).await.iter().all(|t| t.state.word() == "ready");
        if ready && !second.swap(true, Relaxed) {
            world.file(RequestAction::Erase, 1..3).await;
        }
        second.load(Relaxed)
            && world.store.closed_and_open().await.is_ok_and(|counts| counts == (3, 0))
    });
    assert!(closed.await);
    let orders = world.peek().await.orders().await;
    let [order] = orders.as_slice() else { panic!("{orders:?}") };
    assert_eq!(order.items.len(), 3);
}

async fn a_full_order_does_not_linger(place: Place) {
    let world = world(&place, LONG, Some(2)).await;
    let start = stopwatch();
    world.file(RequestAction::Erase, 0..4).await;
    assert_eq!(world.run_until_closed(LONG).await, (4, 0));
    assert!(stopwatch() - start < LONG / 2);
    assert_eq!(world.peek().await.orders().await.len(), 2);
}

//! A question asked of a lane whose worker is not there: whoever answers it sends nothing else.

use std::time::Duration;

use efface_core::{AccountId, LaneId, RequestAction, desk::Reason, task::Task};
use efface_store::{ErrandKind, ErrandState, LeaseTerms, REQUESTS_LANE, Store as _};
use efface_tests::{
    on_both_databases,
    vendors::person,
    world::{Place, Plan, World, proved},
};
use efface_worker::{Error, Options};

const LONG: Duration = Duration::from_secs(30);
/// Long enough for orders to leave, if any could.
const A_WHILE: Duration = Duration::from_millis(400);

on_both_databases! {
    an_errand_is_carried_out_and_no_order_leaves,
    an_errand_waits_its_turn_for_a_lane_that_is_held,
    an_amplitude_key_is_known_again_though_it_names_no_account,
    a_mixpanel_key_is_known_again_though_it_names_no_account,
}

fn lane(name: &str) -> LaneId {
    LaneId::new(name).expect("name")
}

fn errands_only() -> Options {
    Options { name: "errand".into(), only_errands: true, ..Options::default() }
}

/// Six people whose erasures are due, and nobody there to send them.
async fn due(world: &World) -> Vec<efface_core::RequestId> {
    let filed = world.file(RequestAction::Erase, 0..6).await;
    let ready = |tasks: &[Task]| tasks.iter().all(|t| t.state.word() == "ready");
    let opened = async || ready(&world.tasks(&filed).await);
    let lanes = [lane(REQUESTS_LANE)];
    assert!(world.run_worker_until(world.worker(), Some(&lanes), LONG, opened).await);
    filed
}

async fn an_errand_is_carried_out_and_no_order_leaves(place: Place) {
    let world = World::build(Plan::new(&place.url, &["mailchimp"])).await;
    let filed = due(&world).await;
    let before = world.tasks(&filed).await;
    let account = AccountId::new("mailchimp").expect("name");
    let people =
        (0..2).map(|n| person(n).into_iter().map(|(kind, text)| proved(kind, &text)).collect());
    let people = people.collect::<Vec<_>>();
    let probe = world.store.send_errand(&account, &ErrandKind::Probe, &[]).await.expect("asked");
    let rehearse = world.store.send_errand(&account, &ErrandKind::Rehearse, &people).await;
    let asked = [probe, rehearse.expect("asked")];
    let answered = async |id| matches!(world.store.errand(id).await, Ok(ErrandState::Done(answer)) if !answer.contains("failed"));
    let (worker, lanes) = (world.worker_with(errands_only()), [lane("mailchimp")]);
    let both = async || answered(asked[0]).await && answered(asked[1]).await;
    assert!(world.run_worker_until(worker, Some(&lanes), LONG, both).await);
    // nor does it, with nothing left to answer
    let worker = world.worker_with(errands_only());
    world.run_worker_until(worker, Some(&lanes), A_WHILE, async || false).await;
    assert!(world.peek().await.orders().await.is_empty(), "an order left");
    assert_eq!(world.tasks(&filed).await, before, "a task moved");
    assert_eq!(world.fakes["mailchimp"].fake().people(), 6, "somebody is gone");

    // the lane was given back: a worker goes on with it
    assert_eq!(world.run_until_closed(LONG).await, (6, 0));
    world.expect_sound(&filed).await;
}

async fn an_amplitude_key_is_known_again_though_it_names_no_account(place: Place) {
    known_again(&place, "amplitude").await;
}

async fn a_mixpanel_key_is_known_again_though_it_names_no_account(place: Place) {
    known_again(&place, "mixpanel").await;
}

async fn known_again(place: &Place, vendor: &'static str) {
    let world = World::build(Plan::new(&place.url, &[vendor])).await;
    let account = AccountId::new(vendor).expect("name");
    let probe = world.store.send_errand(&account, &ErrandKind::Probe, &[]).await.expect("asked");
    let answered = async || matches!(world.store.errand(probe).await, Ok(ErrandState::Done(_)));
    assert!(world.run_until(LONG, answered).await);
    let ErrandState::Done(answer) = world.store.errand(probe).await.expect("errand") else {
        panic!("answered")
    };
    let answer: serde_json::Value = serde_json::from_str(&answer).expect("an answer");
    let pin = answer["pin"].as_str().expect("a pin");
    assert!(pin.starts_with("key:") && answer["account_id"].is_null(), "{answer}");
    let names = world.fakes[vendor].fake().settings("demo-key");
    let names = names.as_object().expect("settings").values().filter_map(|v| v.as_str());
    assert!(names.into_iter().all(|name| !answer.to_string().contains(name)), "{answer}");

    // enabled under another project's key
    let enable = async |pin| world.store.enable_account(&account, Some(pin), "test").await;
    enable("key:0123456789").await.expect("enabled");
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let told = world.run_until(LONG, async || {
        world.store.desk(true, 10).await.is_ok_and(|desk| !desk.is_empty())
    });
    assert!(told.await, "{vendor}");
    let desk = world.store.desk(true, 10).await.expect("desk");
    let reason = &desk[0].item.reason;
    assert!(matches!(reason, Reason::OtherAccount { answers_as, .. } if answers_as == pin));
    let condition = world.store.account(&account).await.expect("account").condition;
    let wrong = condition.settings_wrong.expect("told what to do");
    assert!(wrong.contains(&format!("efface connector enable {vendor}")), "{wrong}");
    assert!(world.peek().await.orders().await.is_empty(), "an order left");
    // a person has looked at it
    enable(pin).await.expect("enabled again");
    assert!(world.store.desk(true, 10).await.expect("desk").is_empty());
    let leaves = async || !world.peek().await.orders().await.is_empty();
    assert!(world.run_until(LONG, leaves).await, "{vendor}");
    world.store.cancel(filed[0], "test").await.expect("cancelled");
}

async fn an_errand_waits_its_turn_for_a_lane_that_is_held(place: Place) {
    let world = World::build(Plan::new(&place.url, &["mailchimp"])).await;
    let terms = LeaseTerms { ttl: Duration::from_secs(30) };
    let held = world.store.take_lanes("another", &[lane("mailchimp")], terms).await.expect("held");
    assert_eq!(held.len(), 1);
    let worker = world.worker_with(errands_only());
    let refused = worker.run_lanes(&[lane("mailchimp")], async {}).await;
    assert!(matches!(refused, Err(Error::LaneBusy { .. })), "{refused:?}");
}

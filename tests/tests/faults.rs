//! Vendors that fail, fall silent, talk nonsense or lie.

use std::time::Duration;

use efface_connector::fake::Fault;
use efface_core::{
    AccountId, RequestAction,
    desk::{Reason, Subject},
    manifest::EffectClass,
    task::TaskState,
};
use efface_tests::{
    on_both_databases,
    vendors::person,
    world::{Place, Plan, World},
};

const LONG: Duration = Duration::from_secs(40);

on_both_databases! {
    a_storm_of_refusals_and_failures_costs_nobody_the_erasure,
    an_idempotent_order_whose_answer_was_lost_is_sent_again_as_it_was,
    a_wasteful_order_whose_answer_was_lost_is_repeated_once_and_then_put_before_a_person,
    an_answer_that_breaks_off_or_makes_no_sense_is_never_success,
    why_names_what_the_vendor_last_answered,
    a_redirect_is_followed_by_nobody_and_told_to_a_person_once,
    a_vendor_that_lies_is_found_out_and_after_three_tries_told_to_a_person,
}

async fn world(place: &Place, vendors: &[&'static str]) -> World {
    let plan = Plan { call_timeout: Duration::from_millis(250), ..Plan::new(&place.url, vendors) };
    World::build(plan).await
}

async fn expect_all_gone(world: &World, people: u64) {
    assert_eq!(world.run_until_closed(LONG).await, (people, 0));
    for (vendor, fake) in &world.fakes {
        assert_eq!(fake.fake().people(), 0, "{vendor} still holds somebody");
    }
}

async fn a_storm_of_refusals_and_failures_costs_nobody_the_erasure(place: Place) {
    let world = world(&place, &["mailchimp", "sendgrid"]).await;
    for fake in world.fakes.values() {
        fake.faults().every(5, Fault::limited("retry-after", "0"));
        fake.faults().every(4, Fault::status(500));
        fake.faults().every(7, Fault::status(503));
    }
    let filed = world.file(RequestAction::Erase, 0..15).await;
    expect_all_gone(&world, 15).await;
    world.expect_sound(&filed).await;
}

async fn why_names_what_the_vendor_last_answered(place: Place) {
    let world = world(&place, &["mailchimp"]).await;
    world.fakes["mailchimp"].faults().next_changing([Fault::limited("retry-after", "3")]);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let want = "1 try failed, the vendor's last answer was HTTP 429";
    let told = async || {
        let lines = world.store.why(filed[0]).await.expect("why");
        lines.iter().any(|line| line.reason.contains(want))
    };
    assert!(world.run_until(LONG, told).await, "{:?}", world.store.why(filed[0]).await);
    expect_all_gone(&world, 1).await;
}

async fn an_idempotent_order_whose_answer_was_lost_is_sent_again_as_it_was(place: Place) {
    let world = world(&place, &["mailchimp"]).await;
    world.fakes["mailchimp"].faults().next_changing([Fault::SilenceAfter, Fault::SilenceAfter]);
    let filed = world.file(RequestAction::Erase, 0..1).await;
    expect_all_gone(&world, 1).await;
    let tally = world.expect_sound(&filed).await;
    assert!(tally.unknown_orders > 0 && tally.repeats["naturally idempotent"].1 > 0, "{tally:?}");
    let calls = world.changing("mailchimp");
    assert_eq!(calls[0].path, calls[1].path, "the same call again");
}

async fn a_wasteful_order_whose_answer_was_lost_is_repeated_once_and_then_put_before_a_person(
    place: Place,
) {
    let plan =
        Plan { call_timeout: Duration::from_millis(250), ..Plan::new(&place.url, &["mixpanel"]) };
    let world = World::build(plan.together(3)).await;
    // the first is a question: who the key belongs to
    let lost = [Fault::None, Fault::SilenceAfter, Fault::SilenceAfter];
    world.fakes["mixpanel"].faults().next_changing(lost);
    let filed = world.file(RequestAction::Erase, 0..3).await;
    let store = &world.store;
    let asked =
        world.run_until(LONG, async || store.desk(true, 10).await.is_ok_and(|d| !d.is_empty()));
    assert!(asked.await, "a person is asked");
    let desk = world.store.desk(true, 10).await.expect("desk");
    let [row] = desk.as_slice() else { panic!("one entry for the order: {desk:?}") };
    assert!(matches!(row.item.subject, Subject::Order(_)), "{row:?}");
    assert_eq!(row.item.reason, Reason::UnknownOutcome);
    let orders = world.peek().await.orders().await;
    let wasteful: Vec<_> = orders.iter().filter(|o| o.class == EffectClass::Wasteful).collect();
    assert!(wasteful.iter().all(|o| o.repeats == 1), "{wasteful:?}");
    assert_eq!(
        world.changing("mixpanel").iter().filter(|l| !l.effects.is_empty()).count(),
        2 * wasteful.len()
    );
    world.expect_sound(&filed).await;
}

async fn an_answer_that_breaks_off_or_makes_no_sense_is_never_success(place: Place) {
    let world = world(&place, &["mailchimp", "sendgrid", "segment"]).await;
    for fake in world.fakes.values() {
        fake.faults().next_changing([
            Fault::GarbageAfter,
            Fault::None,
            Fault::BreakAfter,
            Fault::Reply { status: 200, headers: vec![], body: "[]".into() },
        ]);
    }
    let filed = world.file(RequestAction::Erase, 0..5).await;
    expect_all_gone(&world, 5).await;
    let tally = world.expect_sound(&filed).await;
    assert!(tally.unknown_orders > 0, "{tally:?}");
}

async fn a_redirect_is_followed_by_nobody_and_told_to_a_person_once(place: Place) {
    let world = world(&place, &["mailchimp", "sendgrid"]).await;
    let (vendor, trap) = (&world.fakes["mailchimp"], &world.fakes["sendgrid"]);
    let location = ("location".to_owned(), format!("{}/3.0/", trap.base_url()));
    let moved = Fault::Reply { status: 307, headers: vec![location], body: String::new() };
    vendor.faults().always(Some(moved));
    let before = trap.calls();
    let filed = world.file(RequestAction::Erase, 0..8).await;
    let store = &world.store;
    let account = AccountId::new("mailchimp").expect("name");
    let told = world.run_until(LONG, async || {
        let desk = store.desk(true, 10).await.unwrap_or_default();
        let waits =
            matches!(&desk[..], [row] if row.item.subject == Subject::Account(account.clone()));
        // the other vendor's part is done meanwhile
        waits && trap.fake().people() == 0
    });
    assert!(told.await, "{:?}", store.desk(true, 10).await);
    let desk = store.desk(true, 10).await.expect("desk");
    assert!(matches!(desk[0].item.reason, Reason::SettingsWrong { .. }), "{desk:?}");
    assert!(vendor.calls() <= 8, "{} calls: the account was to wait", vendor.calls());
    assert!(trap.calls() > before);
    let strayed = trap.log().into_iter().filter(|line| line.path.starts_with("/3.0/"));
    assert_eq!(strayed.count(), 0, "somebody followed");

    vendor.faults().always(None);
    store.resume_account(&account, "test").await.expect("resumed");
    expect_all_gone(&world, 8).await;
    world.expect_sound(&filed).await;
}

async fn a_vendor_that_lies_is_found_out_and_after_three_tries_told_to_a_person(place: Place) {
    let world = world(&place, &["mailchimp"]).await;
    let lied_about = person(0).into_iter().map(|(_, text)| text).collect();
    world.fakes["mailchimp"].tune(|t| t.lies_about = lied_about);
    let filed = world.file(RequestAction::Erase, 0..2).await;
    let store = &world.store;
    let told = world.run_until(LONG, async || {
        let open = store.closed_and_open().await.is_ok_and(|(_, open)| open == 1);
        open && store.desk(true, 10).await.is_ok_and(|d| !d.is_empty())
    });
    assert!(told.await, "a person is told");
    let tasks = world.tasks(&filed[..1]).await;
    let [task] = tasks.as_slice() else { panic!("{tasks:?}") };
    assert_eq!(
        (&task.state, task.generation),
        (&TaskState::Desk { reason: Reason::StillPresent }, 3)
    );
    world.expect_sound(&filed).await;
}

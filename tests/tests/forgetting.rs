//! What is over is forgotten: its key goes, and with it everything personal; what remains names nobody.

use std::{sync::Arc, time::Duration};

use efface_core::{Outcome, RequestAction, RequestId, outside::Clock, request::Keeping};
use efface_store::{Error, LiftBegun, Policy};
use efface_tests::{
    on_both_databases,
    outside::MovedClock,
    vendors::person,
    world::{Place, Plan, WallClock, World},
};

const LONG: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(700);

on_both_databases! {
    what_is_over_and_answered_is_forgotten_and_the_rest_still_verifies,
    what_nobody_answered_is_kept_longer,
    what_was_filed_in_error_is_kept,
    what_suppressed_somebody_is_forgotten_and_the_list_gives_back_what_was_before,
    a_clock_that_was_set_forward_forgets_nobody,
}

async fn world(place: &Place, keeping: Keeping, clock: Arc<dyn Clock>) -> World {
    let plan = Plan::new(&place.url, &["mailchimp", "segment"]);
    let policy = Policy { keeping, ..plan.policy };
    World::build(Plan { policy, clock, ..plan }).await
}

async fn forgotten(world: &World, id: RequestId) -> bool {
    world.store.request(id).await.expect("request").request.forgotten_at.is_some()
}

const KEEPING: Keeping = Keeping { after_answer: SOON, unanswered: Duration::from_secs(3600) };

async fn what_is_over_and_answered_is_forgotten_and_the_rest_still_verifies(place: Place) {
    let world = world(&place, KEEPING, Arc::new(WallClock)).await;
    let filed = world.file(RequestAction::Erase, 0..2).await;
    assert_eq!(world.run_until_closed(LONG).await, (2, 0));
    for id in &filed {
        assert!(!world.store.dossier(*id).await.expect("kept").identifiers.is_empty());
        world.store.answered(*id, "told by e-mail", "test").await.expect("answered");
    }
    let all = async || forgotten(&world, filed[0]).await && forgotten(&world, filed[1]).await;
    assert!(world.run_until(LONG, all).await);
    for (n, id) in (0..).zip(&filed) {
        let gone = world.store.dossier(*id).await.expect_err("nothing is kept");
        assert!(matches!(gone, Error::Forgotten(which) if which == *id), "{gone}");
        assert_eq!(world.store.dossier_if_kept(*id).await.expect("answers"), None);
        let (_, email) = person(n).remove(0);
        let opens = world.store.opening(*id, &email).await;
        assert!(matches!(opens, Err(Error::Forgotten(_))), "{opens:?}");
    }
    let peek = world.peek().await;
    assert_eq!(peek.kept_secrets().await, 0, "a key, a dossier or a memo is kept");
    // outcomes and evidence stand as before
    world.expect_sound(&filed).await;
    let told = world.store.history(filed[0]).await.expect("history");
    assert!(format!("{told:?}").contains("forgotten"), "{told:?}");
}

async fn what_nobody_answered_is_kept_longer(place: Place) {
    let keeping = Keeping { after_answer: Duration::ZERO, unanswered: SOON };
    let world = world(&place, keeping, Arc::new(WallClock)).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    assert_eq!(world.run_until_closed(LONG).await, (1, 0));
    assert!(world.store.dossier_if_kept(filed[0]).await.expect("reads").is_some());
    assert!(world.run_until(LONG, async || forgotten(&world, filed[0]).await).await);
}

async fn what_was_filed_in_error_is_kept(place: Place) {
    let keeping = Keeping { after_answer: Duration::ZERO, unanswered: Duration::ZERO };
    let world = world(&place, keeping, Arc::new(WallClock)).await;
    let error = world.file(RequestAction::Erase, 0..1).await[0];
    world.store.mark_in_error(error, "not this one", "test").await.expect("marked");
    world.store.cancel(error, "test").await.expect("cancelled");
    let plain = world.file(RequestAction::Erase, 2..3).await[0];
    // it is looked at before
    assert!(world.run_until(LONG, async || forgotten(&world, plain).await).await);
    assert_eq!(world.run_until_closed(LONG).await, (2, 0));
    assert!(!forgotten(&world, error).await);
    assert!(world.store.dossier_if_kept(error).await.expect("reads").is_some());
}

async fn what_suppressed_somebody_is_forgotten_and_the_list_gives_back_what_was_before(
    place: Place,
) {
    let keeping = Keeping { after_answer: Duration::ZERO, unanswered: Duration::ZERO };
    let world = world(&place, keeping, Arc::new(WallClock)).await;
    let suppressed = world.file(RequestAction::Suppress, 1..2).await[0];
    assert!(world.run_until(LONG, async || forgotten(&world, suppressed).await).await);
    let listed = world.store.request(suppressed).await.expect("request").request.listed;
    let entry = listed.expect("the request knows its entry").entry;
    let view = world.store.suppression(entry).await.expect("entry");
    let told = view.accounts.iter().filter(|a| a.observed.is_told()).count();
    // the other vendor offers nothing that fits the scope
    assert_eq!((told, view.drift()), (1, 0), "{:?}", view.accounts);
    let begun = world.store.lift(entry, "sign-up form 7", "test").await.expect("lifts");
    let LiftBegun::By(lift) = begun else { panic!("{begun:?}") };
    let lifted = async || world.store.request(lift).await.expect("request").request.state.is_over();
    assert!(world.run_until(LONG, lifted).await);
    let view = world.store.suppression(entry).await.expect("entry");
    assert_eq!(view.entry.state.word(), "lifted");
    assert_eq!(world.store.listed_person(entry).await.expect("reads"), []);
    let given_back = world.store.request(lift).await.expect("request").tasks;
    let words: Vec<_> = given_back
        .iter()
        .map(|t| (t.row.task.account.to_string(), t.row.task.state.outcome().cloned()))
        .collect();
    assert!(words.iter().any(|(_, o)| *o == Some(Outcome::Lifted)), "{words:?}");
}

async fn a_clock_that_was_set_forward_forgets_nobody(place: Place) {
    let clock = Arc::new(MovedClock::default());
    let world = world(&place, KEEPING, clock.clone()).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    let tried = world
        .while_working(async {
            while world.store.closed_and_open().await.expect("counts").0 == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            clock.set(WallClock.now().plus(Duration::from_secs(2 * 3600)));
            let told = world.store.answered(filed[0], "told", "test").await;
            tokio::time::sleep(3 * SOON).await;
            told.expect("answered");
            forgotten(&world, filed[0]).await
        })
        .await;
    assert!(!tried, "the clock stepped two hours while the worker ran");
    // a worker that starts now believes the clock; it is asked again an hour after
    clock.set(WallClock.now().plus(Duration::from_secs(4 * 3600)));
    assert!(world.run_until(LONG, async || forgotten(&world, filed[0]).await).await);
}

//! How many people a day may cost.

use super::*;

on_both_databases! {
    the_daily_ceiling_parks_the_account_until_a_person_raises_it,
    a_whole_export_to_be_suppressed_parks_the_account_at_its_ceiling,
    a_whole_export_to_be_erased_and_suppressed_parks_the_account_at_its_ceiling,
    who_is_suppressed_and_erased_is_one_person_to_the_ceiling_and_who_is_lifted_is_none,
    an_account_parked_at_its_ceiling_stays_parked_over_midnight,
    a_person_with_two_requests_is_one_to_the_ceiling_and_a_new_identifier_counts_again,
}

async fn the_daily_ceiling_parks_the_account_until_a_person_raises_it(place: Place) {
    the_ceiling_parks(&place, RequestAction::Erase).await;
}

async fn a_whole_export_to_be_suppressed_parks_the_account_at_its_ceiling(place: Place) {
    the_ceiling_parks(&place, RequestAction::Suppress).await;
}

async fn a_whole_export_to_be_erased_and_suppressed_parks_the_account_at_its_ceiling(place: Place) {
    the_ceiling_parks(&place, RequestAction::EraseAndSuppress).await;
}

async fn who_is_suppressed_and_erased_is_one_person_to_the_ceiling_and_who_is_lifted_is_none(
    place: Place,
) {
    let plan = Plan { people_per_day: 5, ..Plan::new(&place.url, &["sendgrid"]) };
    let world = World::build(plan).await;
    world.file(RequestAction::EraseAndSuppress, 0..2).await;
    world.file(RequestAction::Suppress, 2..5).await;
    assert_eq!(world.run_until_closed(LONG).await, (5, 0));
    let used = async || {
        let rows = world.store.accounts().await.expect("accounts");
        rows[0].condition.ceiling.used
    };
    assert_eq!(used().await, 5);
    world.file(RequestAction::Lift, 2..5).await;
    assert_eq!(world.run_until_closed(LONG).await, (8, 0));
    assert_eq!(used().await, 5);
}

async fn a_person_with_two_requests_is_one_to_the_ceiling_and_a_new_identifier_counts_again(
    place: Place,
) {
    let world = World::build(Plan::new(&place.url, &["sendgrid"])).await;
    let used = async || {
        let rows = world.store.accounts().await.expect("accounts");
        rows[0].condition.ceiling.used
    };
    let closed = async |want: u64| {
        let end = stopwatch() + LONG;
        while !world.store.closed_and_open().await.is_ok_and(|(closed, _)| closed == want) {
            assert!(stopwatch() < end, "{want} requests are closed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let scene = async {
        world.file(RequestAction::Suppress, 0..2).await;
        closed(2).await;
        assert_eq!(used().await, 2);
        world.file(RequestAction::Erase, 0..2).await;
        closed(4).await;
        assert_eq!(used().await, 2, "the same two people");
        // whom the new address belongs to, nobody can tell
        let more = proved(IdentifierKind::Email, "somebody@else.example");
        let mut who: Vec<_> = person(0).into_iter().map(|(k, text)| proved(k, &text)).collect();
        who.push(more);
        world
            .store
            .file(vec![released(RequestAction::Suppress, who)])
            .await
            .remove(0)
            .expect("filed");
        closed(5).await;
        assert_eq!(used().await, 3);
    };
    world.while_working(scene).await;
}

async fn the_ceiling_parks(place: &Place, action: RequestAction) {
    let plan = Plan { people_per_day: 3, ..Plan::new(&place.url, &["mailchimp"]) };
    let world = World::build(plan).await;
    let filed = world.file(action, 0..5).await;
    let store = &world.store;
    let parked = world.run_until(LONG, async || {
        let all_that_may = store.closed_and_open().await.is_ok_and(|(closed, _)| closed == 3);
        all_that_may && store.desk(true, 10).await.is_ok_and(|d| !d.is_empty())
    });
    assert!(parked.await);
    world.run_until(A_WHILE, async || false).await;
    let desk = world.store.desk(true, 10).await.expect("desk");
    let [row] = desk.as_slice() else { panic!("{desk:?}") };
    assert_eq!(row.item.reason, Reason::CeilingReached { people: 3 });
    assert_eq!(
        world.fakes["mailchimp"].fake().people(),
        2 * world.fakes["mailchimp"].fake().people() / 2
    );
    assert_eq!(world.store.closed_and_open().await.expect("counts"), (3, 2));
    let tasks = world.tasks(&filed).await;
    let reached: HashSet<RequestId> = tasks.iter().filter(|t| t.sent).map(|t| t.request).collect();
    assert_eq!(reached.len(), 3, "nobody else has been touched");

    world.store.resume_account(&account("mailchimp"), "test").await.expect("raised");
    assert_eq!(world.run_until_closed(LONG).await, (5, 0));
    world.expect_sound(&filed).await;
}

async fn an_account_parked_at_its_ceiling_stays_parked_over_midnight(place: Place) {
    let clock = Arc::new(MovedClock::default());
    let plan = Plan::new(&place.url, &["mailchimp"]);
    let world = World::build(Plan { people_per_day: 3, clock: clock.clone(), ..plan }).await;
    let filed = world.file(RequestAction::Erase, 0..8).await;
    let closed = async |want: u64| {
        world.store.closed_and_open().await.is_ok_and(|(closed, _)| closed == want)
    };
    let parked =
        async || closed(3).await && world.store.desk(true, 10).await.is_ok_and(|d| !d.is_empty());
    assert!(world.run_until(LONG, parked).await);
    for days in 1..=3 {
        clock.set(WallClock.now().plus(days * DAY));
        world.run_until(A_WHILE, async || false).await;
        assert!(closed(3).await, "day {days}: nobody has decided");
    }
    // a new day's number, and no more
    world.store.resume_account(&account("mailchimp"), "test").await.expect("resumed");
    assert!(world.run_until(LONG, async || closed(6).await).await);
    world.run_until(A_WHILE, async || false).await;
    assert!(closed(6).await);
    world.store.resume_account(&account("mailchimp"), "test").await.expect("raised");
    assert_eq!(world.run_until_closed(LONG).await, (8, 0));
    world.expect_sound(&filed).await;
}

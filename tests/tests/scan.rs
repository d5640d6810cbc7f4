//! A vendor's own list of people, held against the suppression list: page by page, by the account's
//! lane, and without sending anything that changes somebody.

use std::{sync::Arc, time::Duration};

use efface_connector::fake::Fault;
use efface_core::{
    AccountId, IdentifierKind, RequestAction, Scope,
    desk::{Choice, Reason, Subject},
    outside::Clock,
    scan::{Scan, ScanState, Tally},
    suppression::Kind,
};
use efface_store::{ErrandKind, ErrandState, NewSuppression};
use efface_tests::{
    on_both_databases,
    outside::MovedClock,
    vendors::person,
    world::{Place, Plan, WallClock, World, controller, proved},
};
use uuid::Uuid;

const LONG: Duration = Duration::from_secs(60);
/// Two audiences; a thousand members on a page.
const VENDOR: &str = "mailchimp";
const PEOPLE: u64 = 10_000;
const PAGES: u64 = 20;

on_both_databases! {
    who_stands_on_the_list_is_found_among_ten_thousand_and_put_before_a_person,
    a_scan_whose_worker_is_killed_goes_on_with_the_next_page,
    a_page_that_fails_is_asked_for_again_and_a_pause_holds_a_scan,
    a_vendor_that_lists_nobody_says_so,
}

fn account() -> AccountId {
    AccountId::new(VENDOR).expect("name")
}

fn address(n: u64) -> String {
    format!("p{n}@example.org")
}

async fn world(place: &Place, people: u64) -> World {
    let world = World::build(Plan::new(&place.url, &[VENDOR])).await;
    crowd(&world, people);
    world
}

fn crowd(world: &World, people: u64) {
    for n in 0..people {
        world.fakes[VENDOR].fake().put(&[(IdentifierKind::Email, address(n))]);
    }
}

async fn suppress(world: &World, n: u64, scope: Scope) -> efface_core::SuppressionId {
    let new = NewSuppression {
        controller: controller(),
        scope,
        identifiers: vec![proved(IdentifierKind::Email, &address(n))],
        reason: efface_core::suppression::Reason::Added,
        note: None,
        legal_basis: None,
        expires_at: None,
        by: "ada".into(),
    };
    world.store.suppress(new).await.expect("listed").id()
}

async fn asked(world: &World, scope: Scope) -> Uuid {
    let kind = ErrandKind::Scan { scope, by: "ada".into() };
    world.store.send_errand(&account(), &kind, &[]).await.expect("asked")
}

async fn answer(world: &World, id: Uuid) -> Option<Scan> {
    match world.store.errand(id).await.expect("errand") {
        ErrandState::Waiting => None,
        ErrandState::Done(answer) => Some(serde_json::from_str(&answer).expect("a scan")),
    }
}

async fn scanned(world: &World, scope: Scope) -> Scan {
    let id = asked(world, scope).await;
    assert!(world.run_until(LONG, async || answer(world, id).await.is_some()).await);
    answer(world, id).await.expect("done")
}

async fn who_stands_on_the_list_is_found_among_ten_thousand_and_put_before_a_person(place: Place) {
    let world = world(&place, PEOPLE).await;
    let filed = world.file(RequestAction::Erase, 0..1).await;
    assert_eq!(world.run_until_closed(LONG).await, (1, 0));
    let changing = world.changing(VENDOR).len();
    let sealed = suppress(&world, 7, Scope::AllProcessing).await;
    let lifted = suppress(&world, 9, Scope::AllProcessing).await;
    world.store.lift(lifted, "form 7", "ada").await.expect("lifted");
    suppress(&world, 11, Scope::Marketing).await;
    // erased, of which hashes alone are kept, and there again
    world.fakes[VENDOR].fake().put(&person(0));

    let first = scanned(&world, Scope::AllProcessing).await;
    assert_eq!(first.state.word(), "ended");
    // each is in both audiences, and goes to the desk once
    let want = Tally { people: 2 * (PEOPLE + 1), hits: 4, opened: 2, on_desk: 2, ..first.tally };
    assert_eq!((first.tally, first.pages), (want, PAGES + 2));
    let desk = world.store.desk(true, 9).await.expect("desk");
    assert_eq!(desk.len(), 2, "{desk:?}");
    let erased = |reason: &Reason| {
        matches!(reason, Reason::OnTheList { kind: Kind::HashOnly, verified_before: true, .. })
    };
    let hash_only = desk.iter().find(|row| erased(&row.item.reason)).expect("who was erased");
    let other = desk.iter().find(|row| row.item.id != hash_only.item.id).expect("the other");
    assert_eq!(other.item.subject, Subject::Listed { entry: sealed, account: account() });
    assert_eq!(other.account, Some(account()));
    assert_eq!(world.changing(VENDOR).len(), changing, "a scan only looks");

    // what is kept tells nobody
    let peek = world.peek().await;
    let told = peek.text("SELECT body FROM journal WHERE body LIKE '%list_scanned%' LIMIT 1").await;
    assert!(told.contains(&sealed.to_string()) || told.contains("found"), "{told}");
    let bodies =
        peek.text("SELECT CAST(count(*) AS TEXT) FROM journal WHERE body LIKE '%example.org%'");
    assert_eq!(bodies.await, "0");
    let bodies = peek.text("SELECT CAST(count(*) AS TEXT) FROM desk WHERE body LIKE '%p7@%'");
    assert_eq!(bodies.await, "0");

    // who is on the desk is put there once, and who came back by their own act not again
    let again = scanned(&world, Scope::AllProcessing).await.tally;
    assert_eq!((again.hits, again.opened, again.on_desk), (4, 0, 4));
    let store = &world.store;
    store.decide(other.item.id, Choice::Retry, "", "ada").await.expect_err("no call from here");
    let own = Choice::ReturnedByOwnAct;
    store.decide(other.item.id, own, "a new contract", "ada").await.expect("explained");
    store.decide(hash_only.item.id, Choice::ReImported, "May", "ada").await.expect("explained");
    let last = scanned(&world, Scope::AllProcessing).await.tally;
    assert_eq!((last.explained, last.opened, last.on_desk), (2, 1, 1), "{last:?}");
    // another scope is another list
    let marketing = scanned(&world, Scope::Marketing).await.tally;
    assert_eq!((marketing.hits, marketing.opened), (2, 1));
    assert_eq!(world.changing(VENDOR).len(), changing);
    world.expect_sound(&filed).await;
}

async fn a_scan_whose_worker_is_killed_goes_on_with_the_next_page(place: Place) {
    let world = world(&place, PEOPLE).await;
    suppress(&world, 7, Scope::AllProcessing).await;
    let server = &world.fakes[VENDOR];
    server.faults().latency(Duration::from_millis(40));
    let id = asked(&world, Scope::AllProcessing).await;
    for more in [3, 4] {
        let enough = server.calls() + more;
        assert!(world.run_and_kill(LONG, async || server.calls() >= enough).await);
        assert_eq!(answer(&world, id).await, None, "killed in the middle");
    }
    server.faults().latency(Duration::ZERO);
    assert!(world.run_until(LONG, async || answer(&world, id).await.is_some()).await);
    let scan = answer(&world, id).await.expect("done");
    assert_eq!((scan.pages, scan.tally.people), (PAGES, 2 * PEOPLE), "each page counts once");
    let asked = server.log().iter().filter(|line| line.path.contains("/members?")).count();
    assert!(asked as u64 <= PAGES + 2, "{asked} pages were asked for: it began anew");
    assert_eq!(scan.tally.opened, 1);
    assert_eq!(world.store.desk(true, 9).await.expect("desk").len(), 1);
}

async fn a_page_that_fails_is_asked_for_again_and_a_pause_holds_a_scan(place: Place) {
    let clock = Arc::new(MovedClock::default());
    let plan = Plan::new(&place.url, &[VENDOR]);
    let world = World::build(Plan { clock: clock.clone(), ..plan }).await;
    crowd(&world, 3);
    let server = &world.fakes[VENDOR];
    world.store.pause_account(&account(), "vacation", "ada").await.expect("paused");
    let id = asked(&world, Scope::AllProcessing).await;
    let a_while = Duration::from_millis(400);
    world.run_until(a_while, async || false).await;
    assert_eq!(server.calls(), 0, "paused");
    world.store.resume_account(&account(), "ada").await.expect("resumed");
    server.faults().next([Fault::status(500)]);
    world.run_until(a_while, async || answer(&world, id).await.is_some()).await;
    assert_eq!((server.calls(), answer(&world, id).await), (1, None), "not at once again");
    clock.set(WallClock.now().plus(Duration::from_secs(60)));
    assert!(world.run_until(LONG, async || answer(&world, id).await.is_some()).await);
    let scan = answer(&world, id).await.expect("done");
    assert_eq!((scan.tally.people, scan.failures, scan.state.word()), (6, 0, "ended"));
}

async fn a_vendor_that_lists_nobody_says_so(place: Place) {
    let world = World::build(Plan::new(&place.url, &["sendgrid"])).await;
    let sendgrid = AccountId::new("sendgrid").expect("name");
    let kind = ErrandKind::Scan { scope: Scope::AllProcessing, by: "ada".into() };
    let id = world.store.send_errand(&sendgrid, &kind, &[]).await.expect("asked");
    assert!(world.run_until(LONG, async || answer(&world, id).await.is_some()).await);
    let ScanState::GivenUp { why, .. } = answer(&world, id).await.expect("done").state else {
        panic!("given up")
    };
    assert!(why.contains("no list"), "{why}");
}

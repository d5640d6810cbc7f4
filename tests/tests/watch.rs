//! After a request is closed its vendors are looked at again, on the days of the settings: with a key of
//! the watch's own, by the account's lane, and without ever sending anything that changes somebody.

use std::{sync::Arc, time::Duration};

use efface_connector::fake::Fault;
use efface_core::{
    RequestAction, RequestId,
    account::Mode,
    desk::{Choice, Reason},
    outside::Clock,
    request::Keeping,
    task::Seen,
    watch::{Days, Explanation, Found, Watch, WatchState},
};
use efface_ledger::{
    Checkpoint, Pack,
    pack::{self, PackedLeaf},
};
use efface_store::Policy;
use efface_tests::{
    on_both_databases,
    outside::MovedClock,
    vendors::person,
    world::{Place, Plan, WallClock, World},
};

const LONG: Duration = Duration::from_secs(30);
const VENDOR: &str = "mailchimp";

on_both_databases! {
    whoever_stays_away_is_looked_for_twice_and_then_nothing_is_kept,
    whoever_comes_back_is_put_before_a_person_and_nothing_is_sent,
    a_watch_outlives_whom_its_request_forgot,
    a_vendor_that_is_down_is_asked_again_the_next_day,
    a_look_that_a_worker_took_with_it_is_asked_again,
    a_paused_account_is_not_looked_at_and_a_watch_nobody_can_look_at_ends,
    a_pack_tells_every_look_and_notices_one_that_is_missing,
    no_days_no_watch,
}

struct Scene {
    world: World,
    clock: Arc<MovedClock>,
    id: RequestId,
}

impl Scene {
    /// One person, erased and verified; the request is closed.
    async fn closed(place: &Place, policy: impl FnOnce(Policy) -> Policy) -> Self {
        let clock = Arc::new(MovedClock::default());
        // segment cannot be looked at: nothing of it is watched
        let plan = Plan::new(&place.url, &[VENDOR, "segment"]);
        let policy = policy(plan.policy);
        let world = World::build(Plan { policy, clock: clock.clone(), ..plan }).await;
        let id = world.file(RequestAction::Erase, 0..1).await[0];
        assert_eq!(world.run_until_closed(LONG).await, (1, 0));
        Self { world, clock, id }
    }

    async fn watches(&self) -> Vec<Watch> {
        self.world.store.request(self.id).await.expect("request").watches
    }

    async fn watch(&self) -> Watch {
        self.watches().await.remove(0)
    }

    fn day(&self, n: u64) {
        let later = Duration::from_secs(n * 86_400 + 3600);
        self.clock.set(WallClock.now().plus(later));
    }

    /// Works on this day until the watch stands so.
    async fn until(&self, day: u64, so: impl Fn(&Watch) -> bool) {
        self.day(day);
        let stands = self.world.run_until(LONG, async || so(&self.watch().await)).await;
        assert!(stands, "day {day}: {:?}", self.watch().await);
    }

    async fn seen(&self) -> Vec<Seen> {
        self.watch().await.looks.iter().map(|l| l.seen).collect()
    }

    async fn keys(&self) -> i64 {
        self.world.peek().await.watch_keys().await
    }

    fn come_back(&self) {
        self.world.fakes[VENDOR].fake().put(&person(0));
    }

    fn changing(&self) -> usize {
        self.world.changing(VENDOR).len()
    }
}

fn is_over(watch: &Watch) -> bool {
    watch.next().is_none()
}

async fn whoever_stays_away_is_looked_for_twice_and_then_nothing_is_kept(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    let begun = scene.watches().await;
    assert_eq!(begun.len(), 1, "{begun:?}");
    assert!(begun[0].verified && begun[0].looks.is_empty());
    assert_eq!(scene.keys().await, 1);
    let changing = scene.changing();
    scene.until(7, |w| w.looks.len() == 1).await;
    assert!(!is_over(&scene.watch().await));
    let why = scene.world.store.why(scene.id).await.expect("why");
    assert!(why.len() == 1 && why[0].reason.contains("nobody there"), "{why:?}");
    scene.until(30, is_over).await;
    assert_eq!(scene.seen().await, [Seen::Absent, Seen::Absent]);
    let WatchState::Ended { found: Found::Absent, .. } = scene.watch().await.state else {
        panic!("{:?}", scene.watch().await)
    };
    assert_eq!(scene.keys().await, 0, "the key goes with the last look");
    assert_eq!(scene.changing(), changing, "a watch only looks");
    assert!(scene.world.store.why(scene.id).await.expect("why").is_empty());
    assert!(scene.world.store.desk(true, 9).await.expect("desk").is_empty());
    let told = format!("{:?}", scene.world.store.history(scene.id).await.expect("history"));
    assert!(told.contains("watch begun") && told.contains("looked again: absent"), "{told}");
    scene.world.expect_sound(&[scene.id]).await;
}

async fn whoever_comes_back_is_put_before_a_person_and_nothing_is_sent(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    let changing = scene.changing();
    scene.until(7, |w| w.looks.len() == 1).await;
    scene.day(10);
    scene.come_back();
    scene.until(30, is_over).await;
    let desk = scene.world.store.desk(true, 9).await.expect("desk");
    let item = &desk[0].item;
    assert_eq!(item.reason, Reason::SeenAgain { verified_before: true });
    assert_eq!(desk[0].request, Some(scene.id));
    assert_eq!(scene.keys().await, 0);
    let store = &scene.world.store;
    store.decide(item.id, Choice::Retry, "", "ada").await.expect_err("no call from here");
    store.decide(item.id, Choice::ReImported, "list of May", "ada").await.expect("explained");
    let WatchState::SeenAgain { explained: Some(told), .. } = scene.watch().await.state else {
        panic!("{:?}", scene.watch().await)
    };
    assert_eq!((told.explanation, told.by.as_str()), (Explanation::ReImported, "ada"));
    assert!(store.desk(true, 9).await.expect("desk").is_empty());
    store.decide(item.id, Choice::ReImported, "", "ada").await.expect_err("it is closed");
    // whatever a person says of it, nothing follows by itself
    scene.day(60);
    scene.world.run_until(Duration::from_secs(1), async || false).await;
    assert_eq!(scene.changing(), changing);
    assert!(scene.world.fakes[VENDOR].fake().holds(&person(0)[0].0, &person(0)[0].1));
    let told = format!("{:?}", store.history(scene.id).await.expect("history"));
    assert!(told.contains("looked again: present") && told.contains("re-imported"), "{told}");
}

async fn a_watch_outlives_whom_its_request_forgot(place: Place) {
    let keeping = Keeping { after_answer: Duration::from_secs(86_400), ..Keeping::DEFAULT };
    let scene = Scene::closed(&place, |p| Policy { keeping, ..p }).await;
    let store = &scene.world.store;
    store.answered(scene.id, "told by e-mail", "test").await.expect("answered");
    scene.day(2);
    let forgotten =
        async || store.request(scene.id).await.expect("request").request.forgotten_at.is_some();
    assert!(scene.world.run_until(LONG, forgotten).await);
    let peek = scene.world.peek().await;
    assert_eq!((peek.kept_secrets().await, scene.keys().await), (0, 1));
    scene.come_back();
    scene.until(7, is_over).await;
    assert_eq!(scene.seen().await, [Seen::Present]);
    assert_eq!(scene.keys().await, 0);
}

async fn a_vendor_that_is_down_is_asked_again_the_next_day(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    let faults = scene.world.fakes[VENDOR].faults();
    faults.always(Some(Fault::status(503)));
    scene.until(7, |w| w.failures == 1).await;
    faults.always(None);
    // not before its time
    scene.world.run_until(Duration::from_millis(500), async || false).await;
    assert!(scene.watch().await.looks.is_empty());
    scene.until(8, |w| w.looks.len() == 1).await;
    assert_eq!(scene.seen().await, [Seen::Absent]);
    assert_eq!(scene.watch().await.failures, 0);
    assert_eq!(scene.keys().await, 1, "day 30 is still to come");
}

async fn a_look_that_a_worker_took_with_it_is_asked_again(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    let server = &scene.world.fakes[VENDOR];
    server.faults().latency(Duration::from_millis(400));
    let calls = server.calls();
    scene.day(7);
    assert!(scene.world.run_and_kill(LONG, async || server.calls() > calls).await);
    assert!(scene.watch().await.looks.is_empty(), "its answer was never written");
    server.faults().latency(Duration::ZERO);
    scene.until(7, |w| w.looks.len() == 1).await;
    scene.world.expect_sound(&[scene.id]).await;
}

async fn a_paused_account_is_not_looked_at_and_a_watch_nobody_can_look_at_ends(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    let store = &scene.world.store;
    let account = scene.watch().await.account;
    store.pause_account(&account, "vacation", "test").await.expect("paused");
    let calls = scene.world.fakes[VENDOR].calls();
    scene.day(8);
    scene.world.run_until(Duration::from_secs(1), async || false).await;
    assert_eq!(scene.world.fakes[VENDOR].calls(), calls);
    let why = store.why(scene.id).await.expect("why");
    assert!(why[0].reason.contains("vacation"), "{why:?}");
    scene.until(61, is_over).await;
    assert_eq!(scene.world.fakes[VENDOR].calls(), calls);
    let WatchState::Ended { found: Found::NotAsked, .. } = scene.watch().await.state else {
        panic!("{:?}", scene.watch().await)
    };
    assert_eq!(scene.keys().await, 0);
    let desk = store.desk(true, 9).await.expect("desk");
    assert!(desk.iter().any(|d| d.item.reason == Reason::WatchBlind), "{desk:?}");
    let row = efface_store::Store::account(&**store, &account).await.expect("account");
    assert_eq!(row.condition.mode, Mode::Live);
}

async fn a_pack_tells_every_look_and_notices_one_that_is_missing(place: Place) {
    let scene = Scene::closed(&place, |p| p).await;
    scene.until(7, |w| w.looks.len() == 1).await;
    scene.until(30, is_over).await;
    let store = &scene.world.store;
    let placed = async || store.log_status().await.is_ok_and(|log| log.unplaced == 0);
    assert!(scene.world.run_until(LONG, placed).await);
    let row = efface_store::Store::sign_checkpoint(&**store).await.expect("signed").expect("one");
    let key = store.verifier_key().await.expect("key");
    let signed = Checkpoint::open(&row.note, &key).expect("ours");
    let leaves = store.packed_leaves(scene.id, &signed).await.expect("read").expect("placed");
    let request = store.request(scene.id).await.expect("request").request;
    let request = serde_json::json!({ "request": request }).to_string();
    let verified = |leaves: Vec<PackedLeaf>| {
        let (checkpoint, request) = (row.note.clone(), request.clone());
        let pack =
            Pack { checkpoint, request, leaves, opening: None, record: String::new(), paper: None };
        pack::verify(&pack, &key)
    };
    let report = verified(leaves.clone());
    assert!(report.is_verified(), "{report}");
    let mut looks = leaves.iter().filter(|l| l.body.contains("looked again: absent"));
    let first = looks.next().expect("a look").index;
    assert_eq!(looks.count(), 1);
    let without = leaves.into_iter().filter(|l| l.index != first).collect();
    let report = verified(without);
    assert!(
        !report.is_verified() && report.to_string().contains("the watch over task"),
        "{report}"
    );
}

async fn no_days_no_watch(place: Place) {
    let scene = Scene::closed(&place, |p| Policy { watch: Days::NONE, ..p }).await;
    assert!(scene.watches().await.is_empty());
    assert_eq!(scene.keys().await, 0);
}

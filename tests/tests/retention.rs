//! The record of a request that is over and forgotten ends when its months are: its rows go, of its
//! entries the hash stays, and the journal still verifies.

use std::{sync::Arc, time::Duration};

use efface_core::{RequestAction, RequestId, outside::Clock, request::Keeping};
use efface_ledger::{Checkpoint, log::Verdict};
use efface_store::{Asked, Audited, Error, Policy, Store};
use efface_tests::{
    on_both_databases,
    outside::MovedClock,
    world::{Place, Plan, WallClock, World},
};

const LONG: Duration = Duration::from_secs(30);

on_both_databases! {
    a_record_ends_when_its_months_are_over_and_the_journal_still_verifies,
    what_somebody_has_a_reason_to_keep_does_not_end,
    who_is_suppressed_stays_on_the_list_when_the_record_ends,
    an_entry_that_was_emptied_without_a_word_is_damage,
}

struct Scene {
    world: World,
    clock: Arc<MovedClock>,
    filed: Vec<RequestId>,
}

impl Scene {
    /// These many people erased in one order, told, and forgotten after a day.
    async fn forgotten(place: &Place, people: u32) -> Self {
        let clock = Arc::new(MovedClock::default());
        let plan = Plan::new(&place.url, &["mailchimp", "amplitude"]).together(people);
        let keeping = Keeping { after_answer: Duration::from_secs(3600), ..Keeping::DEFAULT };
        let policy = Policy { keeping, ..plan.policy };
        let world = World::build(Plan { policy, clock: clock.clone(), ..plan }).await;
        let filed = world.file(RequestAction::Erase, 0..people).await;
        assert_eq!(world.run_until_closed(LONG).await, (people.into(), 0));
        for id in &filed {
            world.store.answered(*id, "told by e-mail", "test").await.expect("answered");
        }
        let scene = Self { world, clock, filed };
        // past the last look of the watch
        scene.day(40);
        assert!(scene.world.run_until(LONG, async || scene.all_are_quiet().await).await);
        scene
    }

    fn day(&self, n: u64) {
        self.clock.set(WallClock.now().plus(Duration::from_secs(n * 86_400)));
    }

    async fn all_are_quiet(&self) -> bool {
        for id in &self.filed {
            let view = self.world.store.request(*id).await.expect("request");
            let is_watched = view.watches.iter().any(|w| w.next().is_some());
            if is_watched || view.request.forgotten_at.is_none() {
                return false;
            }
        }
        let log = self.world.store.log_status().await.expect("status");
        log.unplaced == 0
    }

    async fn has_ended(&self, id: RequestId) -> bool {
        matches!(self.world.store.request(id).await, Err(Error::Ended { id: of, .. }) if of == id)
    }

    async fn audit(&self) -> Result<Audited, Error> {
        let store = &self.world.store;
        let row = store.last_checkpoint().await.expect("read").expect("a checkpoint");
        let key = store.verifier_key().await.expect("key");
        store.audit(&Checkpoint::open(&row.note, &key).expect("ours"), |_| {}).await
    }

    async fn sign(&self) {
        let placed =
            async || self.world.store.log_status().await.is_ok_and(|log| log.unplaced == 0);
        assert!(self.world.run_until(LONG, placed).await);
        Store::sign_checkpoint(&*self.world.store).await.expect("signed").expect("a checkpoint");
    }
}

async fn a_record_ends_when_its_months_are_over_and_the_journal_still_verifies(place: Place) {
    let scene = Scene::forgotten(&place, 2).await;
    let store = &scene.world.store;
    let (ends, stays) = (scene.filed[0], scene.filed[1]);
    // before anything ends
    scene.sign().await;
    let before = store.last_checkpoint().await.expect("read").expect("a checkpoint");
    store.mark_in_error(stays, "another person", "test").await.expect_err("it is forgotten");
    let peek = scene.world.peek().await;
    let (orders, exchanges) = (peek.count("orders").await, peek.count("exchange").await);
    // three years are over for both, and something waits on the desk for the second
    let task = store.request(stays).await.expect("request").tasks[0].row.task.id;
    peek.open_desk_item(task).await;
    scene.day(1140);
    assert!(scene.world.run_until(LONG, async || scene.has_ended(ends).await).await);
    assert!(!scene.has_ended(stays).await);
    let gone = store.request(ends).await.expect_err("its record ended");
    assert!(gone.to_string().contains("ended on") && gone.to_string().contains("retention"));
    assert!(store.dossier(ends).await.is_err());
    assert_eq!(peek.rows_of(ends).await, 0, "rows of it are left");
    // an order of both stays for the other, and whoever has none left has none
    assert!(peek.count("orders").await <= orders && peek.count("exchange").await <= exchanges);
    assert!(peek.count("orders").await > 0);
    assert!(!store.history(stays).await.expect("history").is_empty());
    let counts = store.ended_counts().await.expect("counts");
    assert_eq!(counts, [("default".into(), "erase".into(), "closed".into(), 1)]);
    // against the checkpoint that was signed over the leaves that are empty now, and a new one
    for row in [Some(before), None] {
        if row.is_none() {
            scene.sign().await;
        }
        let key = store.verifier_key().await.expect("key");
        let note = match row {
            Some(row) => row.note,
            None => store.last_checkpoint().await.expect("read").expect("one").note,
        };
        let signed = Checkpoint::open(&note, &key).expect("ours");
        let Audited { verdict, ended } = store.audit(&signed, |_| {}).await.expect("audited");
        assert!(matches!(verdict, Verdict::Whole { .. }), "{verdict}");
        assert!(ended > 3, "{ended} leaves ended");
    }
    // the other's desk is cleared: theirs ends too, and the shared order with it
    let item = store.desk(true, 9).await.expect("desk").remove(0).item;
    store.decide(item.id, efface_core::desk::Choice::Dismiss, "", "ada").await.expect("dismissed");
    scene.day(1150);
    assert!(scene.world.run_until(LONG, async || scene.has_ended(stays).await).await);
    assert_eq!((peek.count("orders").await, peek.count("task").await), (0, 0));
    scene.sign().await;
    assert!(matches!(scene.audit().await.expect("audited").verdict, Verdict::Whole { .. }));
}

async fn what_somebody_has_a_reason_to_keep_does_not_end(place: Place) {
    let scene = Scene::forgotten(&place, 1).await;
    scene.day(1000);
    scene.world.run_until(Duration::from_secs(1), async || false).await;
    assert!(!scene.has_ended(scene.filed[0]).await, "its three years are not over");
    let wrong = scene.world.file(RequestAction::Erase, 5..6).await[0];
    assert_eq!(scene.world.run_until_closed(LONG).await.1, 0);
    scene.world.store.mark_in_error(wrong, "another person", "test").await.expect("marked");
    scene.day(1200);
    let ended = scene.world.run_until(LONG, async || scene.has_ended(scene.filed[0]).await).await;
    assert!(ended);
    scene.day(3000);
    scene.world.run_until(Duration::from_secs(1), async || false).await;
    assert!(!scene.has_ended(wrong).await, "somebody has to look into it");
}

async fn who_is_suppressed_stays_on_the_list_when_the_record_ends(place: Place) {
    let scene = Scene::forgotten(&place, 1).await;
    let store = &scene.world.store;
    let id = scene.world.file(RequestAction::Suppress, 5..6).await[0];
    assert_eq!(scene.world.run_until_closed(LONG).await.1, 0);
    store.answered(id, "told", "test").await.expect("answered");
    let request = store.request(id).await.expect("request").request;
    let entry = request.listed.expect("on the list").entry;
    scene.day(3000);
    assert!(scene.world.run_until(LONG, async || scene.has_ended(id).await).await);
    let person = store.listed_person(entry).await.expect("opens");
    let asked: Vec<Asked> = person.into_iter().map(Asked::Plain).collect();
    assert!(!asked.is_empty());
    let found = store.check_list(&request.controller, &asked).await.expect("checked");
    assert!(found.iter().all(|verdicts| verdicts.iter().any(|v| v.entry == entry)), "{found:?}");
}

async fn an_entry_that_was_emptied_without_a_word_is_damage(place: Place) {
    let scene = Scene::forgotten(&place, 1).await;
    scene.sign().await;
    assert_eq!(scene.audit().await.expect("audited").ended, 0);
    scene.world.peek().await.empty_an_entry(scene.filed[0]).await;
    let damage = scene.audit().await.expect_err("nobody says that it ended").to_string();
    assert!(damage.contains("is empty"), "{damage}");
}

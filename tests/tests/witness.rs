//! The log is kept while the work goes on: each entry gets its position, checkpoints are signed, and
//! copies of them lie outside.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::Ordering::Relaxed},
    time::Duration,
};

use efface_core::RequestAction;
use efface_ledger::{
    Checkpoint,
    log::Verdict,
    pack::{self, Pack},
};
use efface_store::Follows;
use efface_tests::{
    on_both_databases,
    world::{Place, Plan, World},
};
use efface_worker::{Anchor, LedgerOptions, Options};

const LONG: Duration = Duration::from_secs(30);
const PEOPLE: u32 = 20;

on_both_databases! {
    a_main_job_ends_with_a_signed_log_and_a_pack_for_each_person,
    a_copy_that_cannot_be_kept_is_kept_later,
}

/// A place outside that fails at first.
#[derive(Debug, Default)]
struct Outside {
    works: AtomicBool,
    copies: Mutex<BTreeMap<String, String>>,
}

impl Outside {
    fn copies(&self) -> BTreeMap<String, String> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Anchor for Outside {
    fn keep(&self, name: &str, note: &str, _saved: &str) -> io::Result<()> {
        if !self.works.load(Relaxed) {
            return Err(io::Error::other("the place does not answer"));
        }
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(name.to_owned(), note.to_owned());
        Ok(())
    }
}

fn options(outside: &Arc<Outside>) -> Options {
    let ledger = LedgerOptions {
        checkpoint_leaves: 50,
        checkpoint_every: Duration::from_millis(300),
        anchor: Some(outside.clone()),
    };
    Options { name: "test".into(), drain: Duration::from_secs(2), ledger, ..Options::default() }
}

async fn a_main_job_ends_with_a_signed_log_and_a_pack_for_each_person(place: Place) {
    let world = World::build(Plan::new(&place.url, &["amplitude", "mailchimp"])).await;
    let filed = world.file(RequestAction::Erase, 0..PEOPLE).await;
    let outside = Arc::new(Outside { works: true.into(), ..Outside::default() });
    let worker = world.worker_with(options(&outside));
    let enough = async || {
        let closed = world.store.closed_and_open().await.is_ok_and(|c| c == (PEOPLE.into(), 0));
        let log = world.store.log_status().await.expect("status");
        let signed = log.checkpoint.as_ref().map_or(0, |c| c.size);
        closed && log.unplaced == 0 && signed == log.size && outside.copies().len() > 1
    };
    assert!(world.run_worker_until(worker, None, LONG, enough).await);
    let key = world.store.verifier_key().await.expect("key");
    let last = world.store.last_checkpoint().await.expect("read").expect("a checkpoint");
    let signed = Checkpoint::open(&last.note, &key).expect("ours");
    let whole = world.store.audit(&signed, |_| {}).await.expect("audited").verdict;
    assert!(matches!(whole, Verdict::Whole { .. }), "{whole:?}");
    for note in outside.copies().values() {
        let copy = Checkpoint::open(note, &key).expect("ours");
        assert_eq!(world.store.follows(&copy).await.expect("compared"), Follows::Yes);
    }
    for id in filed {
        let leaves = world.store.packed_leaves(id, &signed).await.expect("read").expect("placed");
        let request = world.store.request(id).await.expect("request").request;
        let request = serde_json::json!({ "request": request }).to_string();
        let (checkpoint, record) = (last.note.clone(), String::new());
        let pack = Pack { checkpoint, request, leaves, opening: None, record, paper: None };
        let report = pack::verify(&pack, &key);
        assert!(report.is_verified(), "{report}");
    }
}

async fn a_copy_that_cannot_be_kept_is_kept_later(place: Place) {
    let world = World::build(Plan::new(&place.url, &["amplitude"])).await;
    world.file(RequestAction::Erase, 0..3).await;
    let outside = Arc::new(Outside::default());
    let worker = world.worker_with(options(&outside));
    let enough = async || {
        let waiting = efface_store::Store::not_anchored(&*world.store).await.expect("read");
        if !waiting.is_empty() && !outside.works.swap(true, Relaxed) {
            assert!(outside.copies().is_empty());
            // something new, so that there is a next time
            world.file(RequestAction::Erase, 3..4).await;
        }
        outside.works.load(Relaxed) && waiting.is_empty()
    };
    assert!(world.run_worker_until(worker, None, LONG, enough).await);
    let kept = outside.copies();
    let last = world.store.last_checkpoint().await.expect("read").expect("a checkpoint");
    assert_eq!(kept.values().last(), Some(&last.note));
}

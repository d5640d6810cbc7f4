//! The log over the journal: positions, checkpoints, packs, and what an alteration comes to.

use efface_core::{RequestAction, RequestId};
use efface_ledger::{
    Checkpoint,
    log::{Kind, Verdict},
    pack::{self, Pack},
};
use efface_store::{Error, Follows, LEDGER_LANE, Lease, SqlStore, Store};

use crate::common::*;

/// Gives every entry its position.
async fn place_all(store: &SqlStore, lease: &Lease, most: u32) {
    while store.place_leaves(lease, most).await.expect("placed") > 0 {}
}

pub async fn signed(w: &World) -> Checkpoint {
    let lease = w.lease(LEDGER_LANE).await;
    place_all(&w.store, &lease, 7).await;
    let row = w.store.sign_checkpoint().await.expect("signed").expect("a checkpoint");
    let key = w.store.verifier_key().await.expect("key");
    Checkpoint::open(&row.note, &key).expect("our key signed it")
}

/// A request's pack, as it would be handed out.
pub async fn packed(w: &World, id: RequestId, signed: &Checkpoint, note: &str) -> Pack {
    let leaves = w.store.packed_leaves(id, signed).await.expect("leaves").expect("all are placed");
    let view = w.store.request(id).await.expect("request");
    let request = serde_json::json!({ "request": view.request }).to_string();
    Pack {
        checkpoint: note.to_owned(),
        request,
        leaves,
        opening: None,
        record: String::new(),
        paper: None,
    }
}

async fn some_people(w: &World, from: usize, count: usize) -> Vec<RequestId> {
    let mut ids = vec![];
    for n in from..from + count {
        let id = w.start(erase(vec![email(&format!("person{n}"))])).await;
        w.finish(id).await;
        ids.push(id);
    }
    ids
}

pub async fn each_entry_gets_one_position_whoever_writes_meanwhile(bench: Bench) {
    let w = bench.world().await;
    let other = w.another().await;
    let lease = w.lease(LEDGER_LANE).await;
    let filing = async {
        for round in 0..5 {
            let new = |n: usize| wish(RequestAction::Erase, vec![email(&format!("r{round}n{n}"))]);
            let (a, b) = tokio::join!(
                w.store.file((0..20).map(new).collect()),
                other.file((20..40).map(new).collect())
            );
            assert!(a.iter().chain(&b).all(Result::is_ok));
        }
    };
    let placing = async {
        for _ in 0..40 {
            w.store.place_leaves(&lease, 13).await.expect("placed");
        }
    };
    tokio::join!(filing, placing);
    place_all(&w.store, &lease, 13).await;
    let status = w.store.log_status().await.expect("status");
    let entries = u64::try_from(w.raw.count("journal").await).expect("some");
    assert_eq!((status.size, status.unplaced), (entries, 0));
    let checkpoint = signed(&w).await;
    assert_eq!(checkpoint.size, entries);
    let verdict = w.store.audit(&checkpoint, |_| {}).await.expect("audited").verdict;
    assert_eq!(verdict, Verdict::Whole { signed: entries, unsigned: 0 });
}

pub async fn an_owner_whose_lane_was_taken_places_nothing(bench: Bench) {
    let w = bench.world().await;
    w.file_new(erase(vec![email("a")])).await;
    let old = w.lease(LEDGER_LANE).await;
    let new = w.lease(LEDGER_LANE).await;
    let refused = w.store.place_leaves(&old, 10).await;
    assert!(matches!(refused, Err(Error::LaneLost { .. })), "{refused:?}");
    assert_eq!(w.store.log_status().await.expect("status").size, 0);
    assert!(w.store.place_leaves(&new, 10).await.expect("placed") > 0);
}

pub async fn a_checkpoint_leads_to_every_later_one_and_to_no_other_log(bench: Bench) {
    let w = bench.world().await;
    assert_eq!(w.store.log_status().await.expect("status").size, 0);
    let ids = some_people(&w, 0, 3).await;
    let first = signed(&w).await;
    assert_eq!(signed(&w).await, first, "nothing was written since");
    some_people(&w, 3, 2).await;
    let second = signed(&w).await;
    assert!(second.size > first.size);
    let follows = async |c: &Checkpoint| w.store.follows(c).await.expect("compared");
    assert_eq!(follows(&first).await, Follows::Yes);
    assert_eq!(follows(&second).await, Follows::Yes);
    let longer = Checkpoint { size: second.size + 1, ..second.clone() };
    assert_eq!(follows(&longer).await, Follows::Behind { size: second.size });
    let foreign = Checkpoint { root: [7; 32], ..first.clone() };
    assert_eq!(follows(&foreign).await, Follows::OtherHistory);
    // what came after a checkpoint is not proven by it
    let later = w.file_new(erase(vec![email("later")])).await;
    assert!(w.store.packed_leaves(later, &second).await.expect("read").is_none());
    assert!(w.store.packed_leaves(ids[0], &first).await.expect("read").is_some());
    // waiting copies are told of once
    let waiting = w.store.not_anchored().await.expect("read");
    assert_eq!(waiting.iter().map(|c| c.size).collect::<Vec<_>>(), [first.size, second.size]);
    w.store.anchored(&waiting[0]).await.expect("noted");
    let waiting = w.store.not_anchored().await.expect("read");
    assert_eq!(waiting.iter().map(|c| c.size).collect::<Vec<_>>(), [second.size]);
}

pub async fn a_pack_verifies_and_opens_for_the_person_alone(bench: Bench) {
    let w = bench.world().await;
    let ids = some_people(&w, 0, 4).await;
    let checkpoint = signed(&w).await;
    let note = w.store.last_checkpoint().await.expect("read").expect("one").note;
    let key = w.store.verifier_key().await.expect("key");
    for id in &ids {
        let report = pack::verify(&packed(&w, *id, &checkpoint, &note).await, &key);
        assert!(report.is_verified(), "{report}");
    }
    let mut opened = packed(&w, ids[1], &checkpoint, &note).await;
    let typed = email("person1").typed.expose().to_uppercase();
    opened.opening = w.store.opening(ids[1], &typed).await.expect("read");
    assert!(opened.opening.is_some());
    let report = pack::verify(&opened, &key);
    assert!(report.is_verified() && report.subject.is_some(), "{report}");
    let mut of_another = packed(&w, ids[2], &checkpoint, &note).await;
    of_another.opening = opened.opening.clone();
    assert!(!pack::verify(&of_another, &key).is_verified());
    assert!(w.store.opening(ids[2], &typed).await.expect("read").is_none());
}

pub async fn whatever_is_changed_in_the_journal_afterwards_is_found(bench: Bench) {
    let w = bench.world().await;
    some_people(&w, 0, 4).await;
    let checkpoint = signed(&w).await;
    let audit = async || w.store.audit(&checkpoint, |_| {}).await.expect("audited").verdict;
    let whole = Verdict::Whole { signed: checkpoint.size, unsigned: 0 };
    assert_eq!(audit().await, whole);
    let at = |n: i64| {
        if w.bench.is_postgres() {
            format!("id = (SELECT entry_id FROM leaf WHERE position = {n})")
        } else {
            format!("rowid = {}", n + 1)
        }
    };
    let change = |from: &str, to: &str| {
        format!("UPDATE journal SET body = replace(body, '{from}', '{to}') WHERE {}", at(5))
    };
    w.raw.exec(&change("\"actor\":\"t", "\"actor\":\"T")).await;
    let Verdict::Differs(found) = audit().await else { panic!("an altered leaf passed") };
    assert_eq!((found.kind, found.first), (Kind::Altered, Some(5)));
    w.raw.exec(&change("\"actor\":\"T", "\"actor\":\"t")).await;
    assert_eq!(audit().await, whole);
    // the outcomes stand in the items, under the leaf's sub-root
    w.raw.exec("UPDATE journal SET items = replace(items, 'planned', 'blanned')").await;
    let refused = w.store.audit(&checkpoint, |_| {}).await.expect_err("altered items pass");
    assert!(refused.to_string().contains("sub-root"), "{refused}");
    w.raw.exec("UPDATE journal SET items = replace(items, 'blanned', 'planned')").await;
    w.raw.exec("UPDATE tile SET hashes = substr(hashes, 1, 32 * 3) WHERE level = 0").await;
    assert_eq!(
        audit().await,
        whole,
        "the verdict rests on the leaves, not on what is stored of them"
    );
    w.raw.exec(&format!("DELETE FROM journal WHERE {}", at(8))).await;
    let Verdict::Differs(found) = audit().await else { panic!("a deleted leaf passed") };
    assert_eq!(found.found, checkpoint.size - 1);
}

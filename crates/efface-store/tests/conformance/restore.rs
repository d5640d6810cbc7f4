//! A database that was set back to an older copy: the log goes on under a new name and both hold, what
//! is saved is applied step by step, and nothing goes on before the release.

use efface_core::{
    Identifier, Scope, SuppressionId, Timestamp,
    journal::leaf_hash,
    manifest::EffectClass,
    request::Ending,
    restore::{Ended, FORMAT, Fate, LastOrder, Saved},
    suppression::{Kind, Reason},
    task::TaskState,
};
use efface_ledger::{Checkpoint, log::Verdict, pack};
use efface_store::{
    Asked, EntriesAgain, Follows, LeaseTerms, LostHistory, NewSuppression, RESTORE_PAUSE,
    RestoreStage, Store, Verdict as Listed,
};

use super::log::{packed, signed};
use crate::common::*;

const TTL: LeaseTerms = LeaseTerms { ttl: std::time::Duration::from_secs(30) };

/// A newest checkpoint ten leaves beyond what there is, and what it saved.
fn lost(before: &Checkpoint, note: String, saved: Saved) -> LostHistory {
    let size = before.size + 10;
    let checkpoint = Checkpoint { size, root: leaf_hash(b"lost"), ..before.clone() };
    LostHistory { checkpoint, note, saved, uncovered: vec![] }
}

async fn note(w: &World) -> String {
    w.store.last_checkpoint().await.expect("read").expect("one").note
}

pub async fn a_checkpoint_saves_what_its_own_leaves_tell(bench: Bench) {
    let w = bench.world().await;
    let closed = w.start(erase(vec![email("a")])).await;
    w.finish(closed).await;
    let first = signed(&w).await;
    let open = w.start(erase(vec![email("b")])).await;
    w.store.hold(open, "court", "test").await.expect("held");
    let second = signed(&w).await;
    let rows = w.store.not_anchored().await.expect("read");
    let (a, b) = (&rows[0], &rows[1]);
    let (a, b) = (w.store.saved(a).await.expect("read"), w.store.saved(b).await.expect("read"));
    assert_eq!((a.from, a.size, b.from, b.size), (0, first.size, first.size, second.size));
    assert_eq!((a.filed.as_slice(), b.filed.as_slice()), (&[closed][..], &[open][..]));
    assert!(matches!(a.requests[&closed].ended, Some(Ended::Closed { .. })), "{a:?}");
    assert_eq!(b.requests[&open], Fate { held: true, ..Fate::default() });
    assert!(!a.orders.is_empty() && b.orders.is_empty(), "{a:?} {b:?}");
    let text = a.to_text(|bytes| w.store.digest(bytes));
    assert_eq!(Saved::read(&text, |bytes| w.store.digest(bytes)).expect("reads"), a);
    for personal in ["example.org", "court", "test"] {
        assert!(!text.contains(personal), "{text}");
    }
}

pub async fn a_database_that_was_set_back_goes_on_step_by_step_under_a_new_name(bench: Bench) {
    let mut rules = directory();
    for spec in rules.accounts.iter_mut().filter(|a| a.id == account("shop")) {
        let mut manifest = (*spec.manifest).clone();
        for step in manifest.actions.iter_mut().flat_map(|a| &mut a.steps) {
            step.class = EffectClass::AtMostOnce;
        }
        spec.manifest = manifest.into();
    }
    let w = bench.world_with(rules).await;
    let over = w.start(erase(vec![email("a")])).await;
    w.finish(over).await;
    let ended = w.start(erase(vec![email("b")])).await;
    let held = w.start(erase(vec![email("c")])).await;
    let open = w.start(erase(vec![email("d")])).await;
    let old = signed(&w).await;
    let old_note = note(&w).await;
    let old_key = w.store.verifier_key().await.expect("key");

    let end = Ended::Closed { ending: Ending::Completed, at: Timestamp::from_millis(7) };
    let mut saved = Saved { format: FORMAT, size: old.size + 10, at: w.now(), ..Saved::default() };
    saved.requests.insert(ended, Fate { ended: Some(end), forgotten: true, ..Fate::default() });
    saved.requests.insert(over, Fate { forgotten: true, ..Fate::default() });
    saved.requests.insert(held, Fate { held: true, ..Fate::default() });
    let order = efface_core::OrderId(uuid::Uuid::from_u128(5));
    let last = LastOrder { number: 900, order, sent_at: w.now() };
    for account in w.store.accounts().await.expect("read") {
        saved.orders.insert(account.lane, last.clone());
    }
    let lost = lost(&old, old_note.clone(), saved.clone());
    assert!(w.store.open_restore().await.expect("read").is_none());
    w.store.begin_restore(&lost, "somebody").await.expect("begun");
    refused(w.store.begin_restore(&lost, "somebody").await, &["under way"]);
    refused(w.store.release_restore("somebody").await, &["interrupted"]);
    for account in w.store.accounts().await.expect("read") {
        assert_eq!(account.condition.pause.map(|p| p.reason).as_deref(), Some(RESTORE_PAUSE));
        refused(w.store.resume_account(&account.id, "x").await, &["restore --release"]);
        refused(w.store.enable_account(&account.id, None, "x").await, &["restore --release"]);
        let taken = w.store.take_lanes("t", &[account.lane], TTL).await.expect("taken");
        assert_eq!(taken[0].1, 900, "an order's number is never given twice");
    }

    // another process goes on with what this one had begun
    let first = w.store.restore_some(&saved, 1, "somebody").await.expect("one");
    assert_eq!((first.stage, first.progress.done_to), (RestoreStage::Begun, Some(over)));
    let other = w.another_with(w.store.directory().clone()).await.expect("another");
    let mut row = first;
    while row.stage == RestoreStage::Begun {
        row = other.restore_some(&saved, 1, "somebody").await.expect("one more");
    }
    let again = w.store.restore_some(&saved, 1, "somebody").await.expect("nothing to do");
    assert_eq!(again.progress, row.progress);
    assert_eq!((row.progress.ended, row.progress.forgotten, row.progress.held), (1, 2, 1));
    assert_eq!(w.state(ended).await, "closed");
    assert!(w.tasks(ended).await.iter().all(|t| t.state.is_settled()));
    for id in [ended, over] {
        assert!(w.store.dossier_if_kept(id).await.expect("read").is_none());
    }
    assert!(w.store.request(held).await.expect("read").request.hold.is_some());
    let on_desk = |t: &efface_core::task::Task| matches!(t.state, TaskState::Desk { .. });
    let tasks = [w.tasks(open).await, w.tasks(held).await].concat();
    let desk = tasks.iter().filter(|t| on_desk(t)).count() as u64;
    assert_eq!((row.progress.desk, row.progress.harmless), (desk, tasks.len() as u64 - desk));
    assert!(desk > 0 && row.progress.harmless > 0, "{:?}", row.progress);

    // the old name signs nothing; the new one signs what follows from it
    let new = signed(&w).await;
    let new_key = w.store.verifier_key().await.expect("key");
    assert_ne!(new_key.name(), old_key.name());
    assert!(new.size > old.size && Checkpoint::open(&old_note, &new_key).is_err());
    assert_eq!(w.store.past_keys().await.expect("read"), std::slice::from_ref(&old_key));
    assert_eq!(w.store.follows(&old).await.expect("compared"), Follows::Yes);
    let whole = Verdict::Whole { signed: new.size, unsigned: 0 };
    assert_eq!(w.store.audit(&new, |_| {}).await.expect("audited").verdict, whole);
    let new_note = note(&w).await;
    for id in [over, ended, held, open] {
        let report = pack::verify(&packed(&w, id, &new, &new_note).await, &new_key);
        assert!(report.is_verified(), "{report}");
    }

    w.store.release_restore("somebody").await.expect("released");
    refused(w.store.release_restore("somebody").await, &["no restoration"]);
    for account in w.store.accounts().await.expect("read") {
        assert_eq!(account.condition.pause, None);
    }
}

async fn listed(w: &World, who: Vec<Identifier>) -> SuppressionId {
    let new = NewSuppression {
        controller: controller("default"),
        scope: Scope::Marketing,
        identifiers: who,
        reason: Reason::Added,
        note: Some("canary, asked at the fair".into()),
        legal_basis: None,
        expires_at: None,
        by: "canary".into(),
    };
    w.store.suppress(new).await.expect("listed").id()
}

async fn found(w: &World, who: Identifier) -> Vec<Listed> {
    let both = [Asked::hashed(&who).expect("a hash"), Asked::Plain(who)];
    let mut found = w.store.check_list(&controller("default"), &both).await.expect("checked");
    assert_eq!(found[0], found[1], "by hash as in the clear");
    found.remove(0)
}

pub async fn entries_of_the_list_come_back_by_their_tags_and_lifted_ones_stay_lifted(bench: Bench) {
    let w = bench.world().await;
    let ada = listed(&w, vec![email("ada")]).await;
    let bob = listed(&w, vec![email("bob")]).await;
    let eve = listed(&w, vec![email("eve")]).await;
    let old = signed(&w).await;
    let row = w.store.last_checkpoint().await.expect("read").expect("one");
    let mut saved = w.store.saved(&row).await.expect("read");
    assert_eq!(saved.entries.len(), 3);
    assert_eq!(saved.entries[&ada].tags.len(), 2, "of the address and of its hash");
    let text = saved.to_text(|bytes| w.store.digest(bytes));
    assert!(!text.contains("example") && !text.contains("canary"), "{text}");
    assert_eq!(Saved::read(&text, |bytes| w.store.digest(bytes)).expect("reads"), saved);

    // the older copy does not know Ada, has Bob as he stood before his lift, and Eve by less
    w.store.lift(ada, "form 7", "test").await.expect("lifted");
    let lost_entry = saved.entries.remove(&ada).expect("saved");
    let new = SuppressionId(uuid::Uuid::from_u128(7));
    saved.entries.insert(new, lost_entry);
    let of_bob = saved.entries.get_mut(&bob).expect("saved");
    (of_bob.lifted, of_bob.tags) = (true, vec![]);
    let zoe = listed(&w, vec![email("zoe")]).await;
    signed(&w).await;
    let row = w.store.last_checkpoint().await.expect("read").expect("one");
    let more = w.store.saved(&row).await.expect("read").entries[&zoe].tags.clone();
    w.store.lift(zoe, "form 8", "test").await.expect("lifted");
    saved.entries.get_mut(&eve).expect("saved").tags.extend(more);
    for gone in ["ada", "zoe"] {
        assert!(found(&w, email(gone)).await.is_empty(), "{gone}");
    }

    refused(w.store.restore_entries(&saved, "somebody").await, &["no restoration"]);
    let note = note(&w).await;
    w.store.begin_restore(&lost(&old, note, saved.clone()), "somebody").await.expect("begun");
    let again = w.store.restore_entries(&saved, "somebody").await.expect("applied");
    assert_eq!(again, EntriesAgain { written: 1, lifted: 1, completed: 1 });
    let back = found(&w, email("ada")).await;
    assert_eq!((back.len(), back[0].entry, back[0].kind), (1, new, Kind::HashOnly));
    assert_eq!((back[0].scope, back[0].reason), (Scope::Marketing, Reason::Added));
    assert!(w.store.listed_person(new).await.expect("read").is_empty(), "what was sealed is lost");
    assert!(found(&w, email("bob")).await.is_empty(), "lifted is lifted");
    let eves = found(&w, email("zoe")).await;
    assert_eq!((eves.len(), eves[0].entry), (1, eve));
    assert_eq!(w.store.listed_person(eve).await.expect("read").len(), 1);
    // whoever was killed begins anew
    let again = w.store.restore_entries(&saved, "somebody").await.expect("nothing to do");
    assert_eq!(again, EntriesAgain::default());
    // what is back can be lifted
    w.store.lift(new, "form 9", "test").await.expect("lifted");
    assert!(found(&w, email("ada")).await.is_empty());
    // a file of an older version has no entries
    let before = Saved { entries: std::collections::BTreeMap::new(), ..saved };
    let text = before.to_text(|bytes| w.store.digest(bytes));
    assert!(!text.contains("\"entries\""), "{text}");
    let read = Saved::read(&text, |bytes| w.store.digest(bytes)).expect("reads");
    let again = w.store.restore_entries(&read, "somebody").await.expect("nothing to do");
    assert_eq!(again, EntriesAgain::default());
}

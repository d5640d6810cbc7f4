//! Sentences about the suppression list.

use std::sync::Arc;

use efface_core::{
    Scope, SuppressionId,
    request::Request,
    suppression::{EntryState, Kind, Observed, Reason, Stand, Suppression},
};
use efface_store::{Error, Listing, Unit};

use super::{Rig, fixture::erase, units::fails};
use crate::hand::account;

async fn filed(rig: &dyn Rig, name: &str) -> Request {
    let id = rig.file(erase(name)).await;
    let due = rig.store().due_follow_ups(rig.now(), 100).await.expect("follow-ups");
    due.into_iter().map(|d| d.request).find(|r| r.id == id).expect("it is looked at")
}

fn listing(rig: &dyn Rig, request: &Request) -> Listing {
    let now = rig.now();
    let entry = Suppression {
        id: SuppressionId::new(now, rig.chance()),
        version: 1,
        controller: request.controller.clone(),
        scope: Scope::AllProcessing,
        kind: Kind::HashOnly,
        reason: Reason::Erased,
        note: None,
        legal_basis: None,
        source: Some(request.id),
        since: now,
        by: "tester".into(),
        expires_at: None,
        state: EntryState::InForce,
    };
    let observed = Observed::Confirmed;
    let stand = Stand { account: account("mail"), observed, since: now, task: None };
    Listing {
        read_version: 0,
        entry,
        from: Some(request.id),
        identifiers: vec![],
        stands: vec![stand],
        is_empty: false,
    }
}

fn unit(listing: Listing) -> Unit {
    Unit { listings: vec![listing], ..Unit::default() }
}

pub(super) async fn an_entry_is_found_by_its_person_and_written_by_its_version(rig: Arc<dyn Rig>) {
    let (one, other) = (filed(&*rig, "a").await, filed(&*rig, "b").await);
    let new = listing(&*rig, &one);
    rig.store().commit(unit(new.clone())).await.expect("listed");
    let found = rig.store().entry_for(&one).await.expect("read");
    assert_eq!(found.as_ref(), Some(&new.entry));
    assert_eq!(rig.store().entry_for(&other).await.expect("read"), None, "another person");
    let next = |read_version, version| Listing {
        read_version,
        entry: Suppression { version, ..new.entry.clone() },
        ..new.clone()
    };
    let stale = fails(&*rig, unit(next(4, 5))).await;
    assert!(matches!(stale, Error::Stale { .. }), "{stale}");
    rig.store().commit(unit(next(1, 2))).await.expect("the version that stands");
    assert_eq!(rig.store().entry_for(&one).await.expect("read").map(|e| e.version), Some(2));
    // lifted, it finds nobody any more
    let (at, by, consent) = (rig.now(), "tester".into(), "form 7".into());
    let mut last = next(2, 3);
    last.entry.state = EntryState::Lifted { at, by, consent };
    last.is_empty = true;
    rig.store().commit(unit(last)).await.expect("lifted");
    assert_eq!(rig.store().entry_for(&one).await.expect("read"), None);
}

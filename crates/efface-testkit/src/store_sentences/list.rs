//! Sentences about the suppression list.

use std::sync::Arc;

use efface_core::{
    RequestAction, Scope, SuppressionId,
    request::Request,
    suppression::{EntryState, Kind, Observed, Reason, Stand, Suppression},
};
use efface_store::{Error, Listing, NewRequest, OnList, Unit};

use super::{Rig, fixture::erase, units::fails};
use crate::hand::account;

async fn filed(rig: &dyn Rig, name: &str) -> Request {
    filed_as(rig, erase(name)).await
}

async fn filed_as(rig: &dyn Rig, new: NewRequest) -> Request {
    let id = rig.file(new).await;
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

async fn known(rig: &dyn Rig, request: &Request) -> OnList {
    let found = rig.store().on_list(std::slice::from_ref(request)).await.expect("read");
    found.into_iter().next().expect("an answer for each")
}

fn unit(listing: Listing) -> Unit {
    Unit { listings: vec![listing], ..Unit::default() }
}

pub(super) async fn an_entry_is_found_by_its_person_and_written_by_its_version(rig: Arc<dyn Rig>) {
    let (one, other) = (filed(&*rig, "a").await, filed(&*rig, "b").await);
    let new = listing(&*rig, &one);
    rig.store().commit(unit(new.clone())).await.expect("listed");
    assert_eq!(known(&*rig, &one).await, OnList::entry(new.entry.clone()));
    assert_eq!(known(&*rig, &other).await, OnList::Absent, "another person");
    let next = |read_version, version| Listing {
        read_version,
        entry: Suppression { version, ..new.entry.clone() },
        ..new.clone()
    };
    let stale = fails(&*rig, unit(next(4, 5))).await;
    assert!(matches!(stale, Error::Stale { .. }), "{stale}");
    rig.store().commit(unit(next(1, 2))).await.expect("the version that stands");
    let OnList::Entry(second) = known(&*rig, &one).await else { panic!("it is found") };
    assert_eq!(second.version, 2);
    // lifted, it finds nobody any more
    let (at, by, consent) = (rig.now(), "tester".into(), "form 7".into());
    let mut last = next(2, 3);
    last.entry.state = EntryState::Lifted { at, by, consent };
    last.is_empty = true;
    rig.store().commit(unit(last)).await.expect("lifted");
    assert_eq!(known(&*rig, &one).await, OnList::Absent);
}

pub(super) async fn of_two_requests_of_one_person_the_second_waits_for_the_first(
    rig: Arc<dyn Rig>,
) {
    let suppress = NewRequest {
        action: RequestAction::Suppress,
        scope: Some(Scope::AllProcessing),
        ..erase("a")
    };
    let both = NewRequest { action: RequestAction::EraseAndSuppress, ..suppress.clone() };
    let one = filed_as(&*rig, suppress).await;
    let same = filed_as(&*rig, both).await;
    let other = filed(&*rig, "b").await;
    let again = one.clone();
    let asked = [one, other, again, same];
    let found = rig.store().on_list(&asked).await.expect("read");
    let absent = || OnList::Absent;
    assert_eq!(found, [absent(), absent(), absent(), OnList::AfterAnother]);
}

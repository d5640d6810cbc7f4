//! Sentences about the suppression list.

use std::sync::Arc;

use efface_core::{
    RequestAction, Scope, SuppressionId,
    desk::{Reason as DeskReason, Subject},
    request::Request,
    suppression::{EntryState, Kind, Observed, Reason, Stand, Suppression},
    watch::Explanation,
};
use efface_store::{DeskClose, Error, ListHit, Listing, NewRequest, OnList, Unit};

use super::{Rig, fixture::erase, units::fails};
use crate::hand::{account, desk_open};

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
        tags: vec![],
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
    // one that has ended by its date finds nobody any more, and neither does one that is lifted
    let mut ended = next(2, 3);
    ended.entry.expires_at = Some(rig.now());
    rig.store().commit(unit(ended)).await.expect("ended");
    assert_eq!(known(&*rig, &one).await, OnList::Absent);
    let (at, by, consent) = (rig.now(), "tester".into(), "form 7".into());
    let mut last = next(3, 4);
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

pub(super) async fn who_stands_on_the_list_is_found_among_a_vendors_people(rig: Arc<dyn Rig>) {
    let (one, other) = (filed(&*rig, "a").await, filed(&*rig, "b").await);
    let (mail, shop) = (account("mail"), account("shop"));
    let (a, b) = (erase("a").identifiers, erase("b").identifiers);
    let people = [b.clone(), vec![], a.clone(), b];
    let found = async |at| {
        let hits = rig.store().list_hits(at, Scope::AllProcessing, &people).await;
        hits.expect("read")
    };
    assert_eq!(found(&mail).await, [], "nobody is listed");
    let new = listing(&*rig, &one);
    rig.store().commit(unit(new.clone())).await.expect("listed");
    let hits = found(&mail).await;
    let [ListHit { person: 2, known }] = hits.as_slice() else { panic!("{hits:?}") };
    assert_eq!((&known.entry, known.observed), (&new.entry, Some(Observed::Confirmed)));
    assert_eq!((known.on_desk, known.explained, &known.watch), (false, None, &None));
    assert_eq!(found(&shop).await[0].known.observed, None, "another account was told nothing");
    let marketing = rig.store().list_hits(&mail, Scope::Marketing, &people).await.expect("read");
    assert_eq!(marketing, [], "another scope");

    // on the desk of that account alone, and explained once somebody has
    let subject = Subject::Listed { entry: new.entry.id, account: mail.clone() };
    let kind = Kind::HashOnly;
    let reason = DeskReason::OnTheList { kind, verified_before: false, shown: vec![] };
    let open = desk_open(rig.now(), rig.chance(), subject.clone(), reason);
    let opened = Unit { desk_opens: vec![open], ..Unit::default() };
    rig.store().commit(opened).await.expect("opened");
    assert!(found(&mail).await[0].known.on_desk && !found(&shop).await[0].known.on_desk);
    let (by, how) = ("tester".into(), "re-imported".into());
    let close = DeskClose { subject, reason: None, by, how, at: rig.now() };
    let closed = Unit { desk_closes: vec![close], ..Unit::default() };
    rig.store().commit(closed).await.expect("closed");
    let known = found(&mail).await.remove(0).known;
    assert_eq!((known.on_desk, known.explained), (false, Some(Explanation::ReImported)));

    // of two entries about one person the older speaks, and none that is lifted or has ended
    let second = listing(&*rig, &other);
    rig.store().commit(unit(second.clone())).await.expect("listed");
    let who: Vec<usize> = found(&mail).await.iter().map(|hit| hit.person).collect();
    assert_eq!(who, [0, 2, 3]);
    let (at, by, consent) = (rig.now(), "tester".into(), "form 7".into());
    let state = EntryState::Lifted { at, by, consent };
    let entry = Suppression { version: 2, state, ..new.entry.clone() };
    let lifted = Listing { read_version: 1, entry, is_empty: true, from: None, ..new };
    rig.store().commit(unit(lifted)).await.expect("lifted");
    let entry = Suppression { version: 2, expires_at: Some(rig.now()), ..second.entry.clone() };
    let ended = Listing { read_version: 1, entry, from: None, ..second };
    rig.store().commit(unit(ended)).await.expect("ended");
    assert_eq!(found(&mail).await, []);
}

//! A scan's rules: how it walks, and what a hit means.

use uuid::Uuid;

use super::*;
use crate::{
    RequestId, SuppressionId, TaskId,
    suppression::{EntryState, Reason as ListReason},
    watch::Days,
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn account() -> AccountId {
    AccountId::new("crm").expect("name")
}

fn controller() -> ControllerId {
    ControllerId::new("default").expect("name")
}

fn scan() -> Scan {
    Scan::begin(account(), controller(), Scope::AllProcessing, "ada", NOW)
}

fn failed(hopeless: bool, retry_after: Option<Duration>) -> Event {
    Event::Failed { why: "no answer".into(), retry_after, hopeless }
}

fn page(more: bool) -> Event {
    Event::Page { tally: Tally { people: 100, hits: 2, opened: 1, ..Tally::default() }, more }
}

#[test]
fn a_scan_walks_until_the_last_page_and_refuses_the_rest() {
    let one = apply(&scan(), &page(true), NOW).expect("walks");
    let two = apply(&one, &page(false), NOW).expect("ends");
    assert_eq!((two.pages, two.tally.people, two.tally.hits, two.tally.opened), (2, 200, 4, 2));
    assert_eq!((two.state.word(), two.next()), ("ended", None));
    let refused = apply(&two, &page(false), NOW).expect_err("over").to_string();
    assert!(refused.contains("ended") && refused.contains("page"), "{refused}");
}

#[test]
fn a_page_that_fails_is_asked_for_again_later_each_time_and_a_bound_ends_it() {
    let mut scan = scan();
    let mut waits = vec![];
    while let Some(next) = scan.next() {
        waits.push(next.since(NOW).as_secs());
        scan = apply(&scan, &failed(false, None), NOW).expect("walks");
    }
    assert_eq!(waits, [0, 30, 60, 120, 240, 480, 960, 1920]);
    assert_eq!(scan.state.word(), "given up");
    // the vendor's own wish is a floor, and a good page starts anew
    let later = Duration::from_secs(7200);
    let waits = apply(&self::scan(), &failed(false, Some(later)), NOW).expect("walks");
    assert_eq!(waits.next(), Some(NOW.plus(later)));
    assert_eq!(apply(&waits, &page(true), NOW).expect("walks").failures, 0);
    let hopeless = apply(&self::scan(), &failed(true, None), NOW).expect("ends");
    assert_eq!(hopeless.state.word(), "given up");
}

#[test]
fn a_scan_reads_back_in_every_state() {
    for scan in [
        scan(),
        apply(&scan(), &page(false), NOW).expect("ends"),
        apply(&scan(), &failed(true, None), NOW).expect("ends"),
    ] {
        let text = serde_json::to_string(&scan).expect("JSON");
        assert_eq!(serde_json::from_str::<Scan>(&text).expect("reads"), scan);
    }
}

fn known(kind: Kind) -> Known {
    let entry = Suppression {
        id: SuppressionId(Uuid::from_u128(1)),
        version: 1,
        controller: controller(),
        scope: Scope::AllProcessing,
        kind,
        reason: ListReason::Erased,
        note: None,
        legal_basis: None,
        source: None,
        since: NOW,
        by: "test".into(),
        expires_at: None,
        state: EntryState::InForce,
    };
    Known { entry, observed: None, watch: None, on_desk: false, explained: None }
}

fn watched(state: WatchState, verified: bool, bound_until: Option<Timestamp>) -> Option<Watch> {
    Some(Watch {
        task: TaskId(Uuid::from_u128(2)),
        request: RequestId(Uuid::from_u128(3)),
        account: account(),
        version: 1,
        since: NOW,
        days: Days::DEFAULT,
        verified,
        bound_until,
        looks: vec![],
        failures: 0,
        state,
    })
}

fn seen_again(explanation: Option<Explanation>) -> WatchState {
    let told =
        |explanation| Explained { at: NOW, by: "ada".into(), explanation, note: String::new() };
    WatchState::SeenAgain { at: NOW, explained: explanation.map(told) }
}

#[test]
fn being_there_is_news_unless_something_known_makes_it_none() {
    let erased = || known(Kind::HashOnly);
    let sealed = || known(Kind::Sealed);
    let news = |kind, verified_before| Weight::News(Sighting { kind, verified_before });
    let own = Some(Explanation::ReturnedByOwnAct);
    let later = Some(NOW.plus(TRY_AGAIN));
    let watching = || WatchState::Watching { next: NOW };
    for (known, want) in [
        (erased(), news(Kind::HashOnly, false)),
        (sealed(), news(Kind::Sealed, false)),
        (Known { observed: Some(Observed::NotTold), ..sealed() }, news(Kind::Sealed, false)),
        (Known { observed: Some(Observed::NotHeld), ..sealed() }, news(Kind::Sealed, false)),
        (Known { observed: Some(Observed::Confirmed), ..sealed() }, Weight::Expected),
        // nobody is told of somebody who was erased
        (Known { observed: Some(Observed::Confirmed), ..erased() }, news(Kind::HashOnly, false)),
        (Known { on_desk: true, ..erased() }, Weight::OnDesk),
        (Known { explained: own, ..erased() }, Weight::Explained),
        (
            Known { explained: Some(Explanation::ReImported), ..erased() },
            news(Kind::HashOnly, false),
        ),
        (Known { watch: watched(watching(), false, later), ..erased() }, Weight::NotYet),
        (
            Known { watch: watched(watching(), false, Some(NOW)), ..erased() },
            news(Kind::HashOnly, false),
        ),
        (Known { watch: watched(watching(), true, None), ..erased() }, news(Kind::HashOnly, true)),
        (Known { watch: watched(seen_again(None), true, None), ..erased() }, Weight::OnDesk),
        (Known { watch: watched(seen_again(own), true, None), ..erased() }, Weight::Explained),
    ] {
        assert_eq!(weigh(&known, NOW), want, "{known:?}");
    }
}

#[test]
fn the_desk_offers_the_three_explanations_and_nothing_that_calls() {
    for kind in Kind::ALL.iter().copied() {
        for verified_before in [true, false] {
            let reason = Sighting { kind, verified_before }.reason(vec!["a…@e….com".into()]);
            assert!(reason.choices().iter().all(|c| c.explanation().is_some()), "{reason:?}");
            assert_eq!(reason.choices().len(), Explanation::ALL.len());
            assert!(reason.sentence().contains("a…@e….com"));
        }
    }
}

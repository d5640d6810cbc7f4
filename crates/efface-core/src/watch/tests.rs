//! Which erasures are watched, and what a look makes of a watch.

use super::*;
use crate::{TaskAction, evidence::Observation};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const BOUND: Watchable = Watchable { bound: Duration::from_secs(10 * 86_400) };

fn day(n: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(n * 86_400))
}

fn settled(action: TaskAction, outcome: Outcome, evidence: EvidenceLevel) -> Task {
    let state = TaskState::Settled { outcome, evidence };
    Task { action, state, ..crate::task::tests::sample() }
}

fn verified() -> Watch {
    let task = settled(TaskAction::Erase, Outcome::Erased, EvidenceLevel::Verified);
    begin(&task, NOW, Some(BOUND), Days::DEFAULT, NOW).expect("watched")
}

fn confirmed() -> Watch {
    let task = settled(TaskAction::Erase, Outcome::Erased, EvidenceLevel::Confirmed);
    begin(&task, NOW, Some(BOUND), Days::DEFAULT, NOW).expect("watched")
}

#[test]
fn what_was_erased_where_a_look_tells_is_watched_and_nothing_else() {
    use TaskAction as A;
    let waived = Outcome::Waived { by: "ada".into(), reason: "gone".into() };
    let exempt = Outcome::Exempt { reason: "tax".into(), until: None };
    for (action, outcome, watched) in [
        (A::Erase, Outcome::Erased, true),
        (A::EraseAndSuppress, Outcome::Erased, true),
        (A::Erase, Outcome::Anonymised, true),
        (A::Erase, Outcome::told(false, None), true),
        (A::Erase, Outcome::told(true, Some(day(45))), true),
        // nobody was there: whoever comes later was never erased here
        (A::Erase, Outcome::NotFound, false),
        (A::Erase, Outcome::NotHeld, false),
        (A::Erase, Outcome::NotSupported, false),
        (A::Erase, waived, false),
        (A::Erase, exempt, false),
        (A::Erase, Outcome::Cancelled, false),
        (A::Erase, Outcome::Superseded, false),
        (A::Erase, Outcome::Recalled, false),
        (A::LookUp, Outcome::Observed(Observation::WouldAct), false),
        (A::Suppress, Outcome::Suppressed, false),
        (A::Lift, Outcome::Lifted, false),
    ] {
        let task = settled(action, outcome.clone(), EvidenceLevel::Confirmed);
        let watch = begin(&task, NOW, Some(BOUND), Days::DEFAULT, NOW);
        assert_eq!(watch.is_some(), watched, "{action} {outcome:?}");
        assert_eq!(
            begin(&task, NOW, None, Days::DEFAULT, NOW),
            None,
            "an account that cannot tell"
        );
        assert_eq!(begin(&task, NOW, Some(BOUND), Days::NONE, NOW), None, "the watch is off");
    }
    let open = crate::task::tests::sample();
    assert_eq!(begin(&open, NOW, Some(BOUND), Days::DEFAULT, NOW), None);
}

#[test]
fn a_watch_knows_what_is_known_when_it_begins() {
    let promise = Some(day(45));
    for (outcome, evidence, is_verified, bound_until) in [
        (Outcome::Erased, EvidenceLevel::Verified, true, None),
        (Outcome::Erased, EvidenceLevel::Confirmed, false, Some(day(10))),
        (Outcome::told(false, promise), EvidenceLevel::Accepted, false, promise),
        (Outcome::told(false, Some(NOW)), EvidenceLevel::Accepted, false, None),
    ] {
        let task = settled(TaskAction::Erase, outcome, evidence);
        let watch = begin(&task, NOW, Some(BOUND), Days::DEFAULT, NOW).expect("watched");
        assert_eq!((watch.verified, watch.bound_until), (is_verified, bound_until));
        assert_eq!(watch.next(), Some(day(7)));
    }
}

/// Looks at these days; where the watch stands then, and the desk's word after the last look.
fn check(mut watch: Watch, looks: &[(u64, Seen)], state: WatchState, desk: Option<&str>) -> Watch {
    let mut told = None;
    for (at, seen) in looks {
        assert!(watch.next().is_some_and(|next| next <= day(*at)), "day {at}: {:?}", watch.state);
        let moved = apply(&watch, &Event::Looked { seen: *seen }, day(*at)).expect("looks");
        assert_eq!(moved.watch.version, watch.version + 1);
        (watch, told) = (moved.watch, moved.desk);
    }
    assert_eq!(watch.state, state, "{looks:?}");
    assert_eq!(told.as_ref().map(Reason::word), desk, "{looks:?}");
    watch
}

fn watching(n: u64) -> WatchState {
    WatchState::Watching { next: day(n) }
}

fn ended(n: u64, found: Found) -> WatchState {
    WatchState::Ended { at: day(n), found }
}

fn again(n: u64) -> WatchState {
    WatchState::SeenAgain { at: day(n), explained: None }
}

#[test]
fn what_an_answer_makes_of_a_watch() {
    use Seen::{Absent, Ambiguous, CannotTell, Failed, Present};
    check(verified(), &[(7, Absent)], watching(30), None);
    check(verified(), &[(7, Absent), (30, Absent)], ended(30, Found::Absent), None);
    check(verified(), &[(7, Absent), (31, Present)], again(31), Some("seen_again"));
    check(verified(), &[(7, Present)], again(7), Some("seen_again"));
    for noted in [Ambiguous, CannotTell] {
        check(verified(), &[(7, noted)], watching(30), None);
        check(verified(), &[(7, noted), (30, noted)], ended(30, Found::NotTold), None);
    }
    // whoever slept over a day looks once for both
    check(verified(), &[(40, Absent)], ended(40, Found::Absent), None);
    // a vendor that does not answer is asked the next day, and not for ever
    check(verified(), &[(7, Failed)], watching(8), None);
    check(verified(), &[(7, Failed), (8, Absent)], watching(30), None);
    let week = [(7, Failed), (8, Failed), (9, Failed), (10, Failed), (11, Failed)];
    check(verified(), &week, watching(30), None);
    let end = [(40, Failed), (41, Failed), (42, Failed), (43, Failed), (44, Failed)];
    check(verified(), &end, ended(44, Found::NotAsked), Some("watch_blind"));
}

#[test]
fn whom_the_vendor_may_still_hold_by_its_own_word_is_no_news() {
    use Seen::{Absent, Present};
    check(confirmed(), &[(7, Present)], watching(30), None);
    check(confirmed(), &[(7, Present), (30, Present)], again(30), Some("seen_again"));
    // one look after the bound, where that is later than every day
    let task =
        settled(TaskAction::Erase, Outcome::told(false, Some(day(45))), EvidenceLevel::Accepted);
    let promised = begin(&task, NOW, Some(BOUND), Days::DEFAULT, NOW).expect("watched");
    check(promised.clone(), &[(7, Present), (30, Present)], watching(45), None);
    let late = [(7, Present), (30, Present), (45, Absent)];
    check(promised.clone(), &late, ended(45, Found::Absent), None);
    let late = [(7, Present), (30, Present), (45, Present)];
    check(promised.clone(), &late, again(45), Some("seen_again"));
    // gone before the bound and there again: it was erased
    check(promised, &[(7, Absent), (30, Present)], again(30), Some("seen_again"));
}

#[test]
fn the_likely_explanations_come_first_and_all_three_are_offered() {
    use crate::desk::Choice as C;
    for (verified_before, first) in [(true, C::ReturnedByOwnAct), (false, C::NeverErased)] {
        let choices = Reason::SeenAgain { verified_before }.choices();
        assert_eq!(choices.first(), Some(&first));
        let mut all = choices.to_vec();
        all.sort_unstable();
        assert_eq!(all, [C::ReturnedByOwnAct, C::ReImported, C::NeverErased]);
    }
    let found = |watch: Watch| {
        let seen = Event::Looked { seen: Seen::Present };
        apply(&watch, &seen, day(20)).expect("looks").desk
    };
    assert_eq!(found(verified()), Some(Reason::SeenAgain { verified_before: true }));
    assert_eq!(found(confirmed()), Some(Reason::SeenAgain { verified_before: false }));
}

#[test]
fn a_watch_is_explained_once_and_looks_no_more_when_it_is_over() {
    let looked = Event::Looked { seen: Seen::Absent };
    let told = Event::Explained {
        explanation: Explanation::ReImported,
        by: "ada".into(),
        note: "list of May".into(),
    };
    assert!(apply(&verified(), &told, day(7)).is_err(), "nothing to explain yet");
    let seen = check(verified(), &[(7, Seen::Present)], again(7), Some("seen_again"));
    assert!(apply(&seen, &looked, day(30)).is_err());
    assert_eq!(seen.next(), None);
    let explained = apply(&seen, &told, day(9)).expect("explained").watch;
    let WatchState::SeenAgain { explained: Some(why), .. } = &explained.state else {
        panic!("{:?}", explained.state)
    };
    assert_eq!((why.explanation, why.by.as_str()), (Explanation::ReImported, "ada"));
    assert!(apply(&explained, &told, day(9)).is_err());
}

#[test]
fn what_nobody_can_look_at_is_given_up_a_month_after_its_last_day() {
    let watch = verified();
    assert_eq!(watch.given_up_at(), Some(day(60)));
    let moved = apply(&watch, &Event::GivenUp, day(60)).expect("ends");
    assert_eq!(moved.watch.state, ended(60, Found::NotAsked));
    assert_eq!(moved.desk, Some(Reason::WatchBlind));
    assert_eq!(moved.watch.given_up_at(), None);
}

#[test]
fn days_rise_and_stay_within_their_bounds() {
    for (days, fits) in [
        (&[][..], true),
        (&[7, 30], true),
        (&[1, 90], true),
        (&[0], false),
        (&[91], false),
        (&[30, 7], false),
        (&[7, 7], false),
        (&[1, 2, 3, 4, 5, 6, 7, 8], true),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9], false),
    ] {
        assert_eq!(Days::new(days).is_ok(), fits, "{days:?}");
    }
    let text = serde_json::to_string(&verified()).expect("writes");
    assert_eq!(serde_json::from_str::<Watch>(&text).expect("reads"), verified());
}

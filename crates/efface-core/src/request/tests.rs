//! The request machine, its follow-ups and its endings.

use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    AccountId, EvidenceLevel, Outcome, ReceiptId, TaskAction, TaskId,
    desk::Reason,
    manifest::StepId,
    plan::Phase,
    task::{Cause, Recall, Task, TaskState, WaitsOn, tests::sample as sample_task},
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub(crate) fn sample(state: RequestState) -> Request {
    Request {
        id: RequestId(Uuid::from_u128(2)),
        version: 1,
        controller: ControllerId::new("default").expect("name"),
        action: RequestAction::EraseAndSuppress,
        scope: None,
        relation: Relation::Oneself,
        received_on: date(2027, 1, 1),
        due_on: date(2027, 1, 31),
        due_at: NOW.plus(Duration::from_secs(30 * 86_400)),
        filed_at: NOW,
        filed_by: "test".into(),
        regime: None,
        channel: None,
        import: None,
        state,
        told: None,
        hold: None,
        held_for: Duration::ZERO,
        proof_missed_at: None,
        breached_at: None,
        in_error: None,
        forgotten_at: None,
        listed: None,
    }
}

fn task(n: u128, account: &str, action: TaskAction, state: TaskState) -> Task {
    Task {
        id: TaskId(Uuid::from_u128(n)),
        account: AccountId::new(account).expect("name"),
        action,
        step: StepId::named("s"),
        state,
        ..sample_task()
    }
}

fn settled(n: u128, outcome: Outcome) -> Task {
    task(n, "a", TaskAction::Erase, TaskState::Settled { outcome, evidence: EvidenceLevel::None })
}

fn by() -> String {
    "ada".into()
}

#[test]
fn a_request_ends_by_what_its_tasks_came_to() {
    let waived = || Outcome::Waived { by: by(), reason: "x".into() };
    let told = || Outcome::told(false, None);
    for (outcomes, want) in [
        (vec![Outcome::Erased, Outcome::NotFound], Some(Ending::Completed)),
        (vec![Outcome::Erased, waived()], Some(Ending::Partly { met: 1, of: 2 })),
        (vec![Outcome::Erased, Outcome::NotSupported], Some(Ending::Partly { met: 1, of: 2 })),
        (vec![Outcome::NotFound, Outcome::NotFound], None),
        (vec![Outcome::NotFound, Outcome::NotSupported], None),
        (vec![Outcome::NotFound, waived()], Some(Ending::Partly { met: 1, of: 2 })),
        (vec![Outcome::NotSupported], Some(Ending::Partly { met: 0, of: 1 })),
        (vec![told()], Some(Ending::Completed)),
        (vec![Outcome::Observed(crate::evidence::Observation::WouldAct)], Some(Ending::Observed)),
    ] {
        let tasks: Vec<Task> =
            outcomes.iter().cloned().zip(1..).map(|(o, n)| settled(n, o)).collect();
        assert_eq!(ending(&tasks, |_| true), want, "{outcomes:?}");
    }
}

#[test]
fn a_vendor_that_never_tells_an_absence_is_no_witness() {
    let tasks = [settled(1, Outcome::NotFound), settled(2, Outcome::Erased)];
    assert_eq!(ending(&tasks, |_| true), Some(Ending::Completed));
    assert_eq!(ending(&tasks, |t| t.id == tasks[0].id), None);
}

#[test]
fn the_door_refuses_with_both_sides_and_a_hint() {
    let release = Event::Released { by: by(), cooling_until: NOW };
    let refusal = apply(&sample(RequestState::Received), &release, NOW).expect_err("refused");
    assert_eq!(
        refusal.to_string(),
        "a request that is received cannot be released: nothing proves who the person is; use `request identify` first"
    );
    let cooling = RequestState::Released {
        by: by(),
        at: NOW,
        cooling_until: NOW.plus(Duration::from_secs(1)),
    };
    assert!(apply(&sample(cooling.clone()), &Event::Started, NOW).is_err());
    assert!(apply(&sample(cooling), &Event::Started, NOW.plus(Duration::from_secs(1))).is_ok());
    let closed = RequestState::Closed { ending: Ending::Completed, at: NOW };
    for event in
        [Event::Cancelled { by: by() }, Event::Amended { by: by() }, Event::Started, release]
    {
        assert!(apply(&sample(closed.clone()), &event, NOW).is_err(), "{event:?}");
    }
}

#[test]
fn whoever_amends_after_release_releases_again() {
    let running = sample(RequestState::Running { since: NOW });
    let amended = apply(&running, &Event::Amended { by: by() }, NOW).expect("amended");
    assert_eq!(amended.state, RequestState::Identified);
}

fn look(request: &Request, tasks: &[Task], now: Timestamp) -> Advance {
    let phase =
        |t: &Task| if t.action == TaskAction::Suppress { Phase::Suppress } else { Phase::Erase };
    advance(request, tasks, phase, |_| true, Duration::from_secs(3600), false, now)
}

#[test]
fn nothing_opens_before_the_cooling_off_ends_or_while_held() {
    let until = NOW.plus(Duration::from_secs(60));
    let mut request = sample(RequestState::Released { by: by(), at: NOW, cooling_until: until });
    let tasks =
        [task(1, "a", TaskAction::Erase, TaskState::Blocked { cause: Cause::Phase(Phase::Erase) })];
    assert_eq!(
        look(&request, &tasks, NOW),
        Advance { look_again: Some(until), ..Advance::default() }
    );
    assert_eq!(look(&request, &tasks, until).open, vec![tasks[0].id]);
    request.hold = Some(Hold { at: NOW, by: by(), reason: "court".into() });
    assert_eq!(look(&request, &tasks, until), Advance::default());
}

#[test]
fn erase_waits_for_the_vendors_own_suppress_but_never_for_a_desk() {
    let request = sample(RequestState::Running { since: NOW });
    let erase =
        task(2, "a", TaskAction::Erase, TaskState::Blocked { cause: Cause::Phase(Phase::Erase) });
    let receipt =
        WaitsOn::Receipt { receipt: ReceiptId(Uuid::from_u128(9)), recall: Recall::NotWanted };
    let order = crate::OrderId(Uuid::from_u128(8));
    for (state, opens) in [
        (TaskState::Ready { due: NOW }, false),
        (TaskState::Sending { order }, false),
        (TaskState::Waiting { order, on: receipt, since: NOW }, true),
        (TaskState::Desk { reason: Reason::AmbiguousMatch }, true),
        (TaskState::Blocked { cause: Cause::MissingIdentifier { needs: vec![] } }, true),
        (
            TaskState::Settled { outcome: Outcome::Suppressed, evidence: EvidenceLevel::Confirmed },
            true,
        ),
    ] {
        let word = state.word();
        let tasks = [task(1, "a", TaskAction::Suppress, state), erase.clone()];
        let out = look(&request, &tasks, NOW);
        assert_eq!(out.open.contains(&erase.id), opens, "{word}");
        // patience is never over a quarter of the time left, and at most the policy's
        let patient = NOW.plus(Duration::from_secs(3600));
        assert!(look(&request, &tasks, patient).open.contains(&erase.id), "{word} after patience");
        let elsewhere =
            [task(1, "b", TaskAction::Suppress, TaskState::Ready { due: NOW }), erase.clone()];
        assert!(
            look(&request, &elsewhere, NOW).open.contains(&erase.id),
            "another vendor's suppress does not count"
        );
    }
}

proptest! {
    #[test]
    fn a_request_that_is_over_stays_over(steps in proptest::collection::vec(0usize..10, 1..30)) {
        let events = [
            Event::Identified { how: "h".into(), by: by() },
            Event::Released { by: by(), cooling_until: NOW },
            Event::Started,
            Event::Amended { by: by() },
            Event::Closed { ending: Ending::Completed },
            Event::Denied { code: DenialCode::Other, note: "n".into(), by: by() },
            Event::Cancelled { by: by() },
            Event::Expired,
            Event::Held { by: by(), reason: "r".into() },
            Event::Told { by: by(), notice: "n".into() },
        ];
        let mut request = sample(RequestState::Received);
        for step in steps {
            let Ok(next) = apply(&request, &events[step], NOW) else { continue };
            prop_assert_eq!(next.version, request.version + 1);
            if request.state.is_over() {
                prop_assert_eq!(&next.state, &request.state);
            }
            // nothing runs that was not released, nothing is released that was not identified
            if matches!(next.state, RequestState::Running { .. }) && !matches!(request.state, RequestState::Running { .. }) {
                prop_assert!(matches!(request.state, RequestState::Released { .. }), "started from {}", request.state.word());
            }
            request = next;
        }
    }
}

const DAY: Duration = Duration::from_secs(86_400);

fn day(days: u32) -> Timestamp {
    NOW.plus(DAY * days)
}

fn after(request: &Request, event: &Event, days: u32) -> Request {
    apply(request, event, day(days)).expect("legal")
}

#[test]
fn an_unproved_request_is_told_of_in_its_last_third_and_then_expires() {
    let patience = Patience::of(DAY * 90);
    let waiting = Request { filed_at: NOW, ..sample(RequestState::Received) };
    let told = after(&waiting, &Event::ProofMissed, 60);
    for (request, days, want) in [
        (&waiting, 0, Unproved::Later(day(60))),
        (&waiting, 59, Unproved::Later(day(60))),
        (&waiting, 60, Unproved::Notice { expires_at: day(90) }),
        (&waiting, 75, Unproved::Notice { expires_at: day(105) }),
        (&waiting, 900, Unproved::Notice { expires_at: day(930) }),
        (&told, 60, Unproved::Told { expires_at: day(90) }),
        (&told, 89, Unproved::Told { expires_at: day(90) }),
        (&told, 90, Unproved::Over),
        (&told, 900, Unproved::Over),
    ] {
        assert_eq!(unproved(request, patience, day(days)), Some(want), "after {days} days");
    }
    let proved = sample(RequestState::Identified);
    let hold = Some(Hold { at: NOW, by: "ada".into(), reason: "court".into() });
    let held = Request { hold, ..waiting.clone() };
    for none in [proved, held] {
        assert_eq!(unproved(&none, patience, day(900)), None);
    }
    assert!(after(&told, &Event::Expired, 90).state.is_over());
    assert!(apply(&told, &Event::ProofMissed, day(61)).is_err(), "told once");
}

#[test]
fn nobody_expires_before_the_notice_has_stood_and_a_hold_counts_for_nothing() {
    let held = Event::Held { by: by(), reason: "court".into() };
    let ended = Event::HoldEnded { by: by() };
    let waiting = Request { filed_at: NOW, ..sample(RequestState::Received) };
    let ninety = Patience::of(DAY * 90);
    // held over its whole time: the clock stands at day 10
    let long_held = after(&after(&waiting, &held, 10), &ended, 200);
    assert_eq!(unproved(&long_held, ninety, day(200)), Some(Unproved::Later(day(250))));
    // held while the notice stood: at day 70 it had stood for ten days of thirty
    let told = after(&waiting, &Event::ProofMissed, 60);
    let told_held = after(&after(&told, &held, 70), &ended, 300);
    assert_eq!(
        unproved(&told_held, ninety, day(300)),
        Some(Unproved::Told { expires_at: day(320) })
    );
    // the settings were made shorter: told late, and for as long as they say
    let ten = Patience::of(DAY * 10);
    assert_eq!(ten, Patience { whole: DAY * 10, notice: LEAST_NOTICE });
    assert_eq!(unproved(&waiting, ten, day(50)), Some(Unproved::Notice { expires_at: day(57) }));
    let told = after(&waiting, &Event::ProofMissed, 50);
    assert_eq!(unproved(&told, ten, day(56)), Some(Unproved::Told { expires_at: day(57) }));
    assert_eq!(unproved(&told, ten, day(57)), Some(Unproved::Over));
    // shorter than any notice: the notice stands all the same
    let two = Patience::of(DAY * 2);
    assert_eq!(unproved(&waiting, two, day(0)), Some(Unproved::Notice { expires_at: day(7) }));
    // whoever amends has cleared the desk
    let amended = after(&told, &Event::Amended { by: by() }, 56);
    assert_eq!(unproved(&amended, ten, day(57)), Some(Unproved::Notice { expires_at: day(64) }));
}

#[test]
fn a_record_ends_its_months_after_the_later_of_end_and_answer() {
    let millis = |text: &str| {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().expect("a time").as_millisecond())
    };
    let closed = millis("2027-01-31T10:00:00Z");
    let answered = millis("2027-02-05T08:00:00Z");
    let state = RequestState::Closed { ending: Ending::Completed, at: closed };
    let told = Told { at: answered, by: by(), notice: "told".into() };
    let over = Request { forgotten_at: Some(answered), ..sample(state) };
    let by_regime = [("eu".to_owned(), 1), ("us-co".to_owned(), 30), ("us-ca".to_owned(), 2)];
    let records = Records { months: 36, by_regime: by_regime.into() };
    let check = |change: &dyn Fn(&mut Request), want: Option<&str>| {
        let mut request = over.clone();
        change(&mut request);
        assert_eq!(ends_at(&request, &records), want.map(millis), "{want:?}");
    };
    let of = |regime: &str| {
        let regime = regime.to_owned();
        move |r: &mut Request| r.regime = Some(regime.clone())
    };
    check(&|_| {}, Some("2030-01-31T10:00:00Z"));
    check(&|r| r.told = Some(told.clone()), Some("2030-02-05T08:00:00Z"));
    // a day that the month does not have is its last
    check(&of("eu"), Some("2027-02-28T10:00:00Z"));
    check(&of("US-CO "), Some("2029-07-31T10:00:00Z"));
    // the law's least, whatever the settings say
    check(&of("us-ca"), Some("2029-01-31T10:00:00Z"));
    check(&|r| r.forgotten_at = None, None);
    check(&|r| r.hold = Some(Hold { at: closed, by: by(), reason: "x".into() }), None);
    check(&|r| r.in_error = Some(InError { at: closed, by: by(), reason: "x".into() }), None);
    check(&|r| r.state = RequestState::Running { since: NOW }, None);
    let kept = Request { forgotten_at: None, ..over.clone() };
    assert_eq!(kept_until(&kept, &records), Some(millis("2030-01-31T10:00:00Z")));
}

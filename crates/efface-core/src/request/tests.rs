//! The request machine, its follow-ups and its endings.

use jiff::civil::date;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::{
    EvidenceLevel, ReceiptId,
    manifest::StepId,
    task::{Recall, tests::sample as sample_task},
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn sample(state: RequestState) -> Request {
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
        breached_at: None,
        in_error: None,
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
    let told = || Outcome::Instructed { forwarded: false };
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

#[test]
fn an_unproved_request_is_told_of_in_its_last_third_and_then_expires() {
    let day = Duration::from_secs(86_400);
    let patience = day * 90;
    let at = |days: u32| NOW.plus(day * days);
    let waiting = Request { filed_at: NOW, ..sample(RequestState::Received) };
    for (days, want) in [
        (0, Unproved::Later(at(60))),
        (59, Unproved::Later(at(60))),
        (60, Unproved::Notice { expires_at: at(90) }),
        (89, Unproved::Notice { expires_at: at(90) }),
        (90, Unproved::Over),
        (900, Unproved::Over),
    ] {
        assert_eq!(unproved(&waiting, patience, at(days)), Some(want), "after {days} days");
    }
    let proved = sample(RequestState::Identified);
    let hold = Some(Hold { at: NOW, by: "ada".into(), reason: "court".into() });
    let held = Request { hold, ..waiting.clone() };
    for none in [proved, held] {
        assert_eq!(unproved(&none, patience, at(900)), None);
    }
    assert!(apply(&waiting, &Event::Expired, at(90)).is_ok_and(|r| r.state.is_over()));
}

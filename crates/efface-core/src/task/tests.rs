//! Walks through the task machine.

mod waiting;

use super::*;
use proptest::prelude::*;
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

pub fn sample() -> Task {
    Task {
        id: TaskId(Uuid::from_u128(1)),
        request: RequestId(Uuid::from_u128(2)),
        account: AccountId::new("mail").expect("name"),
        action: TaskAction::Erase,
        scope: None,
        generation: 1,
        version: 1,
        step: StepId::named("delete"),
        failures: 0,
        evidence: EvidenceLevel::None,
        sent: false,
        cancel_marked: false,
        state: TaskState::Blocked { cause: Cause::Phase(Phase::Erase) },
    }
}

fn rules(floor: EvidenceLevel, look: bool) -> Rules {
    Rules {
        floor,
        verified_by_look_up: look,
        verify_after: Duration::from_secs(60),
        bound: Duration::from_secs(3600),
        retry: RetryPolicy::default(),
        recalls: true,
    }
}

fn order() -> OrderId {
    OrderId(Uuid::from_u128(3))
}

/// Walks `events` one second apart and compares the last state.
fn check(rules: &Rules, events: &[Event], want: &str) -> Task {
    let mut task = sample();
    let mut now = NOW;
    for event in events {
        task = apply(&task, event, rules, now, 0).expect("legal move").task;
        now = now.plus(Duration::from_secs(1));
    }
    assert_eq!(task.state.word(), want, "{:?}", task.state);
    task
}

fn answered(answer: Answered) -> Event {
    Event::Answered { answer }
}

fn sent() -> Vec<Event> {
    vec![Event::CauseGone, Event::Ordered { order: order(), changing: true }]
}

#[test]
fn erased_and_looked_for_in_vain_is_verified() {
    let rules = rules(EvidenceLevel::Verified, true);
    let events = [
        sent(),
        vec![
            answered(Answered::Confirmed { forwarded: false }),
            Event::Looked { seen: Seen::Absent },
        ],
    ]
    .concat();
    let task = check(&rules, &events, "settled");
    assert_eq!(
        task.state,
        TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Verified }
    );
}

#[test]
fn forwarded_is_instructed_and_below_the_floor_it_waits_on_the_desk() {
    let events = [sent(), vec![answered(Answered::Confirmed { forwarded: true })]].concat();
    check(&rules(EvidenceLevel::Confirmed, false), &events, "desk");
    let task = check(&rules(EvidenceLevel::Instructed, false), &events, "settled");
    assert_eq!(
        task.state,
        TaskState::Settled {
            outcome: Outcome::told(true, None),
            evidence: EvidenceLevel::Instructed
        }
    );
}

#[test]
fn a_promise_without_look_up_ends_as_instructed_with_accepted_evidence() {
    let done_by = NOW.plus(Duration::from_secs(9));
    let events =
        [sent(), vec![answered(Answered::AcceptedOnPromise { done_by }), Event::PromiseDue]]
            .concat();
    let task = check(&rules(EvidenceLevel::Accepted, false), &events, "settled");
    assert_eq!(
        task.state,
        TaskState::Settled {
            outcome: Outcome::told(false, Some(done_by)),
            evidence: EvidenceLevel::Accepted
        }
    );
}

#[test]
fn still_there_past_the_bound_begins_anew_twice_and_then_asks_a_person() {
    let rules = Rules { bound: Duration::ZERO, ..rules(EvidenceLevel::Verified, true) };
    let round = vec![
        Event::Ordered { order: order(), changing: true },
        answered(Answered::Confirmed { forwarded: false }),
        Event::Looked { seen: Seen::Present },
    ];
    let once = [vec![Event::CauseGone], round.clone()].concat();
    assert_eq!(check(&rules, &once, "ready").generation, 2);
    let thrice = [once, round.clone(), round].concat();
    check(&rules, &thrice, "desk");
}

#[test]
fn an_account_refusal_is_not_the_tasks_failure() {
    let rules = rules(EvidenceLevel::Verified, true);
    assert_eq!(
        check(&rules, &[sent(), vec![answered(Answered::AccountRefused)]].concat(), "ready")
            .failures,
        0
    );
    assert_eq!(
        check(
            &rules,
            &[sent(), vec![answered(Answered::RetryLater { retry_after: None })]].concat(),
            "ready"
        )
        .failures,
        1
    );
}

#[test]
fn what_is_out_cannot_be_waived_and_what_is_due_later_cannot_be_ordered() {
    let rules = rules(EvidenceLevel::Verified, true);
    let out = check(&rules, &sent(), "sending");
    let waive = Event::Waived { by: "ada".into(), reason: "x".into() };
    let refusal = apply(&out, &waive, &rules, NOW, 0).expect_err("refused");
    assert_eq!(refusal.to_string(), "a task that is sending cannot take the event \"waived\"");
    let later =
        Task { state: TaskState::Ready { due: NOW.plus(Duration::from_secs(5)) }, ..sample() };
    assert!(
        apply(&later, &Event::Ordered { order: order(), changing: true }, &rules, NOW, 0).is_err()
    );
    assert!(apply(&out, &Event::Cancelled, &rules, NOW, 0).is_ok_and(|m| m.task.cancel_marked));
}

#[test]
fn cancelled_while_it_was_only_looked_for_nothing_begins() {
    let rules = rules(EvidenceLevel::Confirmed, false);
    let asked = vec![Event::CauseGone, Event::Ordered { order: order(), changing: false }];
    let next = || answered(Answered::Next { step: StepId::named("delete") });
    let later = || answered(Answered::RetryLater { retry_after: None });
    for answer in [next(), later(), answered(Answered::NotDone)] {
        let task =
            check(&rules, &[asked.clone(), vec![Event::Cancelled, answer]].concat(), "settled");
        assert!(matches!(task.state, TaskState::Settled { outcome: Outcome::Cancelled, .. }));
    }
    check(&rules, &[asked, vec![next()]].concat(), "ready");
    // what has begun runs to its own end
    check(&rules, &[sent(), vec![Event::Cancelled, next()]].concat(), "ready");
    // what definitely did not happen is not tried again
    for answer in [later(), answered(Answered::NotDone), answered(Answered::AccountRefused)] {
        let task = check(&rules, &[sent(), vec![Event::Cancelled, answer]].concat(), "settled");
        assert!(matches!(task.state, TaskState::Settled { outcome: Outcome::Cancelled, .. }));
    }
}

#[test]
fn a_lost_answer_freezes_and_a_late_one_still_counts() {
    let rules = rules(EvidenceLevel::Confirmed, false);
    let lost = [sent(), vec![Event::OutcomeUnknown]].concat();
    check(&rules, &lost, "unknown");
    check(&rules, &[lost.clone(), vec![Event::SentAgain]].concat(), "sending");
    check(
        &rules,
        &[lost.clone(), vec![answered(Answered::Confirmed { forwarded: false })]].concat(),
        "settled",
    );
    let desk = [lost, vec![Event::ToDesk { reason: Reason::UnknownOutcome }]].concat();
    check(&rules, &desk, "desk");
    check(&rules, &[desk, vec![Event::Retried { by: "ada".into() }]].concat(), "ready");
}

#[test]
fn kept_back_while_it_is_out_it_waits_for_the_end_of_that_and_then_for_its_phase() {
    let rules = rules(EvidenceLevel::Confirmed, true);
    let blocker =
        |recheck_at| Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at };
    let asked = vec![Event::CauseGone, Event::Ordered { order: order(), changing: false }];
    let hold = || Cause::Hold { reason: "lawsuit".into() };
    let phase = || Cause::Phase(Phase::Erase);
    let held = || Event::Held { reason: "lawsuit".into() };
    let amended = || Event::ReleaseLost { phase: Phase::Erase };
    for answer in [
        Answered::Next { step: StepId::named("delete") },
        Answered::RetryLater { retry_after: None },
        Answered::NotDone,
        Answered::AccountRefused,
        blocker(NOW),
    ] {
        for (brake, cause) in [(held(), hold()), (amended(), phase())] {
            let out = check(&rules, &[asked.clone(), vec![brake]].concat(), "sending");
            let moved = apply(&out, &answered(answer.clone()), &rules, NOW, 0).expect("legal");
            let on_the_way = moved.clone().kept_back(None);
            assert_eq!(moved, on_the_way);
            let moved = moved.kept_back(Some(cause.clone()));
            assert!(moved.effects.contains(&Effect::FollowUp), "what kept it back may be over");
            let task = moved.task;
            assert_eq!(task.state, TaskState::Blocked { cause });
            assert_eq!((queue(&task).0, task.version), (Queue::None, out.version + 1));
            let ended = Event::HoldEnded { phase: Phase::Erase };
            let task = apply(&task, &ended, &rules, NOW, 0).expect("legal").task;
            assert_eq!(task.state, TaskState::Blocked { cause: phase() });
        }
    }
    // who was about to go is called back
    let ready = check(&rules, &[Event::CauseGone, amended()], "blocked");
    assert_eq!(ready.state, TaskState::Blocked { cause: phase() });
    // what ends needs no leave
    let out = check(&rules, &asked, "sending");
    let moved = apply(&out, &answered(Answered::NothingFound), &rules, NOW, 0).expect("legal");
    assert!(moved.kept_back(Some(hold())).task.state.is_settled());
}

#[test]
fn a_hold_its_end_and_a_lost_release_are_told_to_every_open_task() {
    let rules = rules(EvidenceLevel::Confirmed, true);
    let receipt = ReceiptId(Uuid::from_u128(4));
    let to_desk = Event::ToDesk { reason: Reason::Poison };
    for (events, want) in [
        (vec![], "blocked"),
        (vec![Event::CauseGone, to_desk], "desk"),
        (sent(), "sending"),
        ([sent(), vec![Event::OutcomeUnknown]].concat(), "unknown"),
        ([sent(), vec![answered(Answered::AcceptedWithReceipt { receipt })]].concat(), "waiting"),
        ([sent(), vec![answered(Answered::Confirmed { forwarded: false })]].concat(), "confirmed"),
    ] {
        let before = check(&rules, &events, want);
        for event in [
            Event::Held { reason: "r".into() },
            Event::HoldEnded { phase: Phase::Erase },
            Event::ReleaseLost { phase: Phase::Erase },
        ] {
            let after = apply(&before, &event, &rules, NOW, 0).expect("legal").task;
            // nobody goes on by what was read before
            assert_eq!(after, Task { version: before.version + 1, ..before.clone() });
        }
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::CauseGone),
        Just(Event::Held { reason: "r".into() }),
        Just(Event::ReleaseLost { phase: Phase::Erase }),
        Just(Event::HoldEnded { phase: Phase::Erase }),
        Just(Event::Ordered { order: order(), changing: true }),
        Just(answered(Answered::Confirmed { forwarded: false })),
        Just(answered(Answered::Confirmed { forwarded: true })),
        Just(answered(Answered::NothingFound)),
        Just(answered(Answered::AcceptedWithReceipt { receipt: ReceiptId(Uuid::from_u128(4)) })),
        Just(answered(Answered::AcceptedOnPromise { done_by: NOW })),
        Just(answered(Answered::StillGoing)),
        Just(answered(Answered::Next { step: StepId::named("second") })),
        Just(answered(Answered::Choose { candidates: vec!["a".into(), "b".into()] })),
        Just(answered(Answered::Blocked {
            blocker: "b".into(),
            hint: "h".into(),
            recheck_at: NOW
        })),
        Just(answered(Answered::NotDone)),
        Just(answered(Answered::AccountRefused)),
        (0u64..1000).prop_map(|s| answered(Answered::RetryLater {
            retry_after: Some(Duration::from_secs(s))
        })),
        Just(answered(Answered::Refused { code: "c".into() })),
        Just(answered(Answered::NeedsPerson { reason: "r".into() })),
        Just(Event::OutcomeUnknown),
        Just(Event::SentAgain),
        prop_oneof![
            Just(Seen::Absent),
            Just(Seen::Present),
            Just(Seen::Ambiguous),
            Just(Seen::CannotTell),
            Just(Seen::Failed)
        ]
        .prop_map(|seen| Event::Looked { seen }),
        Just(Event::PromiseDue),
        Just(Event::PastBound),
        Just(Event::ToDesk { reason: Reason::Poison }),
        Just(Event::Retried { by: "p".into() }),
        Just(Event::Attested { by: "p".into() }),
        Just(Event::Waived { by: "p".into(), reason: "r".into() }),
        Just(Event::AcceptedLower { by: "p".into() }),
        Just(Event::Cancelled),
        Just(Event::Superseded),
        Just(Event::Recalled),
        prop_oneof![
            Just(AskAgain::Never),
            Just(AskAgain::Later { retry_after: None }),
            Just(AskAgain::Alone)
        ]
        .prop_flat_map(|again| {
            any::<bool>().prop_map(move |in_doubt| Event::RecallFailed { again, in_doubt })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_walk_keeps_the_promises(events in proptest::collection::vec((any_event(), 0u64..100_000, any::<u64>()), 1..50), look: bool) {
        let rules = rules(EvidenceLevel::Confirmed, look);
        let mut task = sample();
        let mut now = NOW;
        let mut replay = crate::journal::Replay::default();
        let entry = |n: u128, change| crate::journal::Entry::new(crate::EntryId(Uuid::from_u128(n)), NOW, "test", crate::journal::About::TasksMoved { cause: "walk".into() }, &[change]);
        let born = entry(0, crate::journal::TaskChange::birth(&task, "planned"));
        replay.take(crate::journal::Entry::read(&born.body, &born.items).expect("reads")).expect("replays");
        for (n, (event, seconds, random)) in events.into_iter().enumerate() {
            now = now.plus(Duration::from_secs(seconds));
            let Ok(moved) = apply(&task, &event, &rules, now, random) else { continue };
            // settled absorbs
            prop_assert!(!task.state.is_settled());
            // a write is always a new version, evidence never falls, sent never unhappens
            prop_assert_eq!(moved.task.version, task.version + 1);
            prop_assert!(moved.task.evidence.rank() >= task.evidence.rank());
            prop_assert!(moved.task.sent || !task.sent);
            // only the desk's own people and answers lead out of the desk
            if matches!(task.state, TaskState::Desk { .. }) && !matches!(moved.task.state, TaskState::Desk { .. }) {
                prop_assert!(moved.effects.contains(&Effect::CloseDesk));
            }
            // erased is never said below confirmed
            if let TaskState::Settled { outcome: Outcome::Erased, evidence } = &moved.task.state {
                prop_assert!(evidence.reaches(EvidenceLevel::Confirmed));
            }
            // only what was cancelled is taken back, or wanted back
            if let TaskState::Settled { outcome: Outcome::Recalled, .. } = &moved.task.state {
                prop_assert!(task.cancel_marked);
            }
            if queue(&moved.task).0 == Queue::Recall {
                prop_assert!(moved.task.cancel_marked);
            }
            // whoever settles tells the request
            if moved.task.state.is_settled() {
                prop_assert!(moved.effects.contains(&Effect::FollowUp));
            }
            // every open task is due, ordered, waiting with a time, blocked with a cause, or on the desk
            let (queue, _) = queue(&moved.task);
            let accounted = queue != Queue::None || moved.task.state.order().is_some() || matches!(moved.task.state, TaskState::Blocked { .. } | TaskState::Desk { .. } | TaskState::Settled { .. });
            prop_assert!(accounted);
            task = moved.task;
            let e = entry(n as u128 + 1, crate::journal::TaskChange::of(&task, event.word()));
            replay.take(crate::journal::Entry::read(&e.body, &e.items).expect("reads")).expect("replays");
            prop_assert_eq!(replay.tasks.get(&task.id), Some(&task));
        }
    }
}

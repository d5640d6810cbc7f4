//! A task that waits: on a promise, on a person's word, to be taken back.

use super::*;

#[test]
fn a_failed_look_after_a_promise_is_tried_again_soon() {
    let rules = rules(EvidenceLevel::Verified, true);
    let events = [
        sent(),
        vec![
            answered(Answered::AcceptedOnPromise { done_by: NOW }),
            Event::Looked { seen: Seen::Failed },
        ],
    ]
    .concat();
    let task = check(&rules, &events, "waiting");
    let (_, at) = queue(&task);
    assert!(at > NOW && at.since(NOW) < Duration::from_secs(120), "{at}");
}

#[test]
fn a_persons_word_does_not_pass_for_the_vendors_even_after_it_confirmed() {
    let rules = Rules { bound: Duration::ZERO, ..rules(EvidenceLevel::Verified, true) };
    let round = [
        Event::Ordered { order: order(), changing: true },
        answered(Answered::Confirmed { forwarded: false }),
        Event::Looked { seen: Seen::Present },
    ];
    let thrice = [&[Event::CauseGone][..], &round, &round, &round].concat();
    check(&rules, &thrice, "desk");
    let attested = [thrice, vec![Event::Attested { by: "ann".into() }]].concat();
    let task = check(&rules, &attested, "settled");
    assert_eq!(
        task.state,
        TaskState::Settled { outcome: Outcome::Erased, evidence: EvidenceLevel::Attested }
    );
}

#[test]
fn a_promise_stays_what_it_was_however_often_somebody_looks() {
    let done_by = NOW.plus(Duration::from_secs(9));
    let looked = |seen| Event::Looked { seen };
    let promised = vec![answered(Answered::AcceptedOnPromise { done_by })];
    let looks = vec![looked(Seen::Failed), looked(Seen::Present), looked(Seen::CannotTell)];
    let events = [sent(), promised, looks].concat();
    let task = check(&rules(EvidenceLevel::Accepted, true), &events, "settled");
    assert_eq!(task.state.promised_by(), Some(done_by));
    // below the floor it goes by the desk, and the promise with it
    let accepted = Event::AcceptedLower { by: "ann".into() };
    let events = [events, vec![accepted]].concat();
    let task = check(&rules(EvidenceLevel::Confirmed, true), &events, "settled");
    assert_eq!(task.state.promised_by(), Some(done_by));
}

fn accepted() -> Vec<Event> {
    let receipt = ReceiptId(Uuid::from_u128(4));
    [sent(), vec![answered(Answered::AcceptedWithReceipt { receipt })]].concat()
}

fn recall_of(task: &Task) -> Recall {
    let TaskState::Waiting { on: WaitsOn::Receipt { recall, .. }, .. } = task.state else {
        panic!("{:?}", task.state)
    };
    recall
}

#[test]
fn what_is_cancelled_while_it_is_out_is_wanted_back_where_the_vendor_offers_it() {
    let offered = rules(EvidenceLevel::Verified, true);
    let before = [accepted(), vec![Event::Cancelled]].concat();
    let mut after = accepted();
    after.insert(2, Event::Cancelled);
    for events in [before, after] {
        let task = check(&offered, &events, "waiting");
        assert!(matches!(recall_of(&task), Recall::Wanted { tries: 0, alone: false, .. }));
        assert_eq!(queue(&task).0, Queue::Recall);
        let task = check(&offered, &[events.clone(), vec![Event::Recalled]].concat(), "settled");
        assert_eq!(
            task.state,
            TaskState::Settled { outcome: Outcome::Recalled, evidence: EvidenceLevel::Confirmed }
        );
        let not_offered = Rules { recalls: false, ..offered };
        let task = check(&not_offered, &events, "waiting");
        assert_eq!((recall_of(&task), queue(&task).0), (Recall::NotWanted, Queue::None));
    }
    let task = check(&offered, &accepted(), "waiting");
    assert!(apply(&task, &Event::Recalled, &offered, NOW, 0).is_err(), "nobody cancelled it");
}

#[test]
fn a_recall_in_vain_is_not_asked_again_and_others_a_few_times_further_and_further_apart() {
    let rules = rules(EvidenceLevel::Verified, true);
    let later = AskAgain::Later { retry_after: None };
    for (answers, want) in [
        (vec![AskAgain::Never], None),
        (vec![AskAgain::Alone], Some((1, true))),
        (vec![AskAgain::Alone, AskAgain::Alone], None),
        (vec![later], Some((1, false))),
        (vec![AskAgain::Alone, later], Some((2, true))),
        (vec![later; 4], Some((4, false))),
        (vec![later; 5], None),
    ] {
        let failed = |in_doubt| {
            answers.iter().map(move |again| Event::RecallFailed { again: *again, in_doubt })
        };
        let lost = [accepted(), vec![Event::Cancelled], failed(true).collect()].concat();
        let lost = recall_of(&check(&rules, &lost, "waiting"));
        assert_eq!(lost == Recall::InDoubt, want.is_none(), "{answers:?}: {lost:?}");
        let failed = failed(false).collect();
        let events = [accepted(), vec![Event::Cancelled], failed].concat();
        let task = check(&rules, &events, "waiting");
        let got = match recall_of(&task) {
            Recall::Wanted { tries, alone, .. } => Some((tries, alone)),
            Recall::InVain => None,
            Recall::NotWanted | Recall::InDoubt => panic!("{answers:?}"),
        };
        assert_eq!(got, want, "{answers:?}");
        // cancelling once more does not begin anew
        let again = apply(&task, &Event::Cancelled, &rules, NOW, 0).expect("legal").task;
        assert_eq!(recall_of(&again), recall_of(&task));
    }
    let wanted = check(&rules, &[accepted(), vec![Event::Cancelled]].concat(), "waiting");
    let wait = Duration::from_secs(900);
    let again = AskAgain::Later { retry_after: Some(wait) };
    let event = Event::RecallFailed { again, in_doubt: false };
    let told = apply(&wanted, &event, &rules, NOW, 0).expect("legal").task;
    assert_eq!(queue(&told), (Queue::Recall, NOW.plus(wait)));
}

#[test]
fn a_receipt_written_before_recalls_were_known_is_read() {
    let old = format!(r#"{{"receipt":{{"receipt":"{}"}}}}"#, ReceiptId(Uuid::from_u128(4)));
    let read: WaitsOn = serde_json::from_str(&old).expect("reads");
    assert_eq!(serde_json::to_string(&read).expect("writes"), old);
}

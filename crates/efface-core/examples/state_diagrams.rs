//! Prints the state diagrams of `crates/ARCHITECTURE.md`, drawn by asking the machines themselves:
//! every sample state is given every sample event, and what is not refused is an arrow.

use std::{collections::BTreeMap, time::Duration};

use efface_core::{
    AccountId, EvidenceLevel, OrderId, ReceiptId, RequestAction, RequestId, SuppressionId,
    TaskAction, TaskId, Timestamp,
    desk::Reason,
    ids::ControllerId,
    manifest::StepId,
    plan::Phase,
    request::{self, DenialCode, Ending, Request, RequestState},
    restore::Ended,
    retry::RetryPolicy,
    subject::Relation,
    task::{self, Answered, AskAgain, Cause, Event, Recall, Rules, Seen, Task, TaskState, WaitsOn},
};
use uuid::Uuid;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("### Task\n");
    diagram(&task_arrows()?);
    println!("### Request\n");
    diagram(&request_arrows()?);
    Ok(())
}

type Arrows = BTreeMap<(&'static str, &'static str), Vec<&'static str>>;

fn diagram(arrows: &Arrows) {
    println!("```mermaid\nstateDiagram-v2");
    for ((from, to), events) in arrows {
        println!("    {from} --> {to}: {}", events.join(" / "));
    }
    println!("```\n");
}

fn add(arrows: &mut Arrows, from: &'static str, to: &'static str, event: &'static str) {
    let events = arrows.entry((from, to)).or_default();
    if !events.contains(&event) {
        events.push(event);
    }
}

fn task_arrows() -> Result<Arrows, Box<dyn std::error::Error>> {
    let order = OrderId(Uuid::from_u128(1));
    let receipt = ReceiptId(Uuid::from_u128(2));
    let wanted = Recall::Wanted { at: NOW, tries: 0, alone: false };
    let reason = Reason::Refused { code: "x".into() };
    let states = vec![
        TaskState::Blocked { cause: Cause::Phase(Phase::Erase) },
        TaskState::Blocked { cause: Cause::MissingIdentifier { needs: vec![] } },
        TaskState::Ready { due: NOW },
        TaskState::Sending { order },
        TaskState::Unknown { order, since: NOW },
        TaskState::Waiting { order, on: WaitsOn::Receipt { receipt, recall: wanted }, since: NOW },
        TaskState::Waiting {
            order,
            on: WaitsOn::Promise { done_by: NOW, look_at: None },
            since: NOW,
        },
        TaskState::Confirmed { since: NOW, verify_at: NOW, looks: 0 },
        TaskState::Desk { reason: reason.clone() },
        TaskState::Desk { reason: Reason::UnknownOutcome },
        TaskState::Desk { reason: Reason::Choose { candidates: vec![] } },
        TaskState::Desk {
            reason: Reason::BelowFloor {
                reached: EvidenceLevel::Accepted,
                floor: EvidenceLevel::Confirmed,
                forwarded: false,
                promised_by: None,
            },
        },
    ];
    let by = || "a person".to_owned();
    let answers = [
        Answered::Confirmed { forwarded: false },
        Answered::NothingFound,
        Answered::AcceptedWithReceipt { receipt },
        Answered::AcceptedOnPromise { done_by: NOW },
        Answered::StillGoing,
        Answered::Next { step: StepId::named("next") },
        Answered::Choose { candidates: vec![] },
        Answered::Blocked { blocker: String::new(), hint: String::new(), recheck_at: NOW },
        Answered::NotDone,
        Answered::AccountRefused,
        Answered::RetryLater { retry_after: None },
        Answered::Refused { code: String::new() },
        Answered::NeedsPerson { reason: String::new() },
    ];
    let mut events = vec![
        Event::CauseGone,
        Event::Blocked { cause: Cause::Hold { reason: String::new() } },
        Event::Held { reason: String::new() },
        Event::HoldEnded { phase: Phase::Erase },
        Event::ReleaseLost { phase: Phase::Erase },
        Event::Ordered { order, changing: true },
        Event::OutcomeUnknown,
        Event::SentAgain,
        Event::PromiseDue,
        Event::PastBound,
        Event::ToDesk { reason: Reason::UnknownOutcome },
        Event::Retried { by: by() },
        Event::Attested { by: by() },
        Event::Waived { by: by(), reason: String::new() },
        Event::AcceptedLower { by: by() },
        Event::Exempted { reason: String::new(), until: None },
        Event::NotHeld { decision: String::new() },
        Event::Cancelled,
        Event::Superseded,
        Event::Recalled,
        Event::RecallFailed { again: AskAgain::Never, in_doubt: false },
        Event::SetBack { harmless: true },
        Event::SetBack { harmless: false },
        Event::EndedOnRecord,
    ];
    events.extend(answers.map(|answer| Event::Answered { answer }));
    events.extend(
        [Seen::Absent, Seen::Present, Seen::Ambiguous, Seen::CannotTell, Seen::Failed]
            .map(|seen| Event::Looked { seen }),
    );
    let mut arrows = Arrows::new();
    for look_up in [true, false] {
        for bound in [Duration::ZERO, Duration::from_secs(3600)] {
            let rules = Rules {
                floor: EvidenceLevel::Confirmed,
                verified_by_look_up: look_up,
                verify_after: Duration::from_secs(60),
                bound,
                retry: RetryPolicy::default(),
                recalls: true,
            };
            for state in &states {
                for event in &events {
                    let mut before = sample_task(state.clone())?;
                    // whoever is recalled was cancelled before
                    before.cancel_marked = *event == Event::Recalled;
                    if let Ok(moved) = task::apply(&before, event, &rules, NOW, 0) {
                        add(&mut arrows, state.word(), moved.task.state.word(), event.word());
                    }
                }
            }
        }
    }
    Ok(arrows)
}

fn sample_task(state: TaskState) -> Result<Task, Box<dyn std::error::Error>> {
    Ok(Task {
        id: TaskId(Uuid::from_u128(3)),
        request: RequestId(Uuid::from_u128(4)),
        account: AccountId::new("account")?,
        action: TaskAction::Erase,
        scope: None,
        generation: 1,
        version: 1,
        step: StepId::named("step"),
        failures: 0,
        evidence: EvidenceLevel::None,
        sent: false,
        cancel_marked: false,
        state,
    })
}

fn request_arrows() -> Result<Arrows, Box<dyn std::error::Error>> {
    let by = || "a person".to_owned();
    let states = [
        RequestState::Received,
        RequestState::Identified,
        RequestState::Released { by: by(), at: NOW, cooling_until: NOW },
        RequestState::Running { since: NOW },
        RequestState::Closed { ending: Ending::Completed, at: NOW },
        RequestState::Denied { code: DenialCode::Other, note: String::new(), by: by(), at: NOW },
        RequestState::Cancelled { by: by(), at: NOW },
        RequestState::Expired { at: NOW },
        RequestState::Duplicate { of: RequestId(Uuid::from_u128(5)) },
    ];
    let events = [
        request::Event::Identified { how: String::new(), by: by() },
        request::Event::Released { by: by(), cooling_until: NOW },
        request::Event::Started,
        request::Event::Amended { by: by() },
        request::Event::Closed { ending: Ending::Completed },
        request::Event::Denied { code: DenialCode::Other, note: String::new(), by: by() },
        request::Event::Cancelled { by: by() },
        request::Event::Expired,
        request::Event::Held { by: by(), reason: String::new() },
        request::Event::ProofMissed,
        request::Event::Told { by: by(), notice: String::new() },
        request::Event::Breached,
        request::Event::MarkedInError { by: by(), reason: String::new() },
        request::Event::Forgotten,
        request::Event::Listed { entry: SuppressionId(Uuid::from_u128(3)) },
        request::Event::EndedOnRecord {
            ended: Ended::Closed { ending: Ending::Completed, at: NOW },
        },
    ];
    let mut arrows = Arrows::new();
    for state in &states {
        for event in &events {
            let date = jiff::civil::date(2027, 1, 1);
            let before = Request {
                id: RequestId(Uuid::from_u128(6)),
                version: 1,
                controller: ControllerId::new("default")?,
                action: RequestAction::Erase,
                scope: None,
                relation: Relation::Oneself,
                received_on: date,
                due_on: date,
                due_at: NOW,
                filed_at: NOW,
                filed_by: by(),
                regime: None,
                channel: None,
                import: None,
                state: state.clone(),
                told: None,
                hold: None,
                held_for: Duration::ZERO,
                proof_missed_at: None,
                breached_at: None,
                in_error: None,
                forgotten_at: None,
                listed: None,
            };
            if let Ok(after) = request::apply(&before, event, NOW) {
                add(&mut arrows, state.word(), after.state.word(), event.word());
            }
        }
    }
    Ok(arrows)
}

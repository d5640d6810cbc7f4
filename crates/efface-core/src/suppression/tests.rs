//! The list's rules: what moves an entry, what drifts, what a request leaves.

use uuid::Uuid;

use super::*;
use crate::{
    AccountId, EvidenceLevel, Outcome, Provenance, RequestAction, TaskAction, TaskId,
    evidence::Observation,
    request::{self, Ending, Keeping, Listed, Request, RequestState, forgetting},
    task::{Task, TaskState, tests::sample as sample_task},
};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn id(n: u128) -> SuppressionId {
    SuppressionId(Uuid::from_u128(n))
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).expect("name")
}

fn entry(state: EntryState) -> Suppression {
    Suppression {
        id: id(1),
        version: 3,
        controller: ControllerId::new("default").expect("name"),
        scope: Scope::Marketing,
        kind: Kind::Sealed,
        reason: Reason::Requested,
        note: None,
        legal_basis: None,
        source: None,
        since: NOW,
        by: "test".into(),
        expires_at: None,
        state,
    }
}

fn lifting(n: u128) -> EntryState {
    let (by, consent) = ("ada".into(), "form 7".into());
    EntryState::Lifting { request: RequestId(Uuid::from_u128(n)), by, at: NOW, consent }
}

fn lifted() -> EntryState {
    EntryState::Lifted { at: NOW, by: "ada".into(), consent: "form 7".into() }
}

fn asked(n: u128, consent: &str) -> Event {
    let request = RequestId(Uuid::from_u128(n));
    Event::LiftAsked { request, by: "ada".into(), consent: consent.into() }
}

#[test]
fn an_entry_moves_by_its_table_and_refuses_the_rest() {
    let request = |n| RequestId(Uuid::from_u128(n));
    let at_once = |consent: &str| Event::Lifted { by: "ada".into(), consent: consent.into() };
    for (state, event, want) in [
        (EntryState::InForce, Event::Renewed { until: None }, Ok("in_force")),
        (EntryState::InForce, Event::Told, Ok("in_force")),
        (EntryState::InForce, asked(2, "form 7"), Ok("lifting")),
        (EntryState::InForce, asked(2, " - "), Err("consent")),
        (EntryState::InForce, at_once("form 7"), Ok("lifted")),
        (EntryState::InForce, at_once("n/a"), Err("consent")),
        (EntryState::InForce, at_once(""), Err("consent")),
        (EntryState::InForce, Event::LiftEnded { request: request(2) }, Err("cannot take")),
        (lifting(2), Event::LiftEnded { request: request(2) }, Ok("lifted")),
        (lifting(2), Event::LiftEnded { request: request(3) }, Err("cannot take")),
        (lifting(2), Event::LiftGivenUp { request: request(2) }, Ok("in_force")),
        (lifting(2), Event::LiftGivenUp { request: request(3) }, Err("cannot take")),
        (lifting(2), asked(3, "form 8"), Err("under way")),
        (lifting(2), Event::Told, Ok("lifting")),
        (lifted(), Event::Told, Ok("lifted")),
        (lifted(), at_once("form 8"), Err("lifted already")),
        (lifted(), Event::Renewed { until: None }, Err("cannot take")),
    ] {
        let before = entry(state);
        let got = apply(&before, &event, NOW);
        match (got, want) {
            (Ok(after), Ok(word)) => {
                assert_eq!((after.state.word(), after.version), (word, 4), "{event:?}");
            }
            (Err(refusal), Err(part)) => {
                let said = refusal.to_string();
                assert!(said.contains(part), "{said} lacks {part}");
            }
            (got, want) => panic!("{before:?} {event:?}: {got:?}, wanted {want:?}"),
        }
    }
}

#[test]
fn an_entry_reads_back_in_every_state() {
    for state in [EntryState::InForce, lifting(2), lifted()] {
        let entry = entry(state);
        let text = serde_json::to_string(&entry).expect("JSON");
        assert_eq!(serde_json::from_str::<Suppression>(&text).expect("reads"), entry);
    }
}

#[test]
fn an_entry_speaks_until_it_is_lifted_or_ends() {
    for (state, expires_at, want) in [
        (EntryState::InForce, None, Desired::Suppressed),
        (lifting(2), None, Desired::Suppressed),
        (lifted(), None, Desired::NotSuppressed),
        (EntryState::InForce, Some(NOW), Desired::NotSuppressed),
        (
            EntryState::InForce,
            Some(NOW.plus(std::time::Duration::from_secs(1))),
            Desired::Suppressed,
        ),
    ] {
        let entry = Suppression { expires_at, ..entry(state) };
        assert_eq!(entry.desired(NOW), want, "{entry:?}");
    }
}

#[test]
fn what_was_not_told_drifts_while_it_stands_and_what_was_told_drifts_once_it_is_lifted() {
    for observed in Observed::ALL.iter().copied() {
        let wanted = drifts(Desired::Suppressed, observed);
        assert_eq!(wanted, observed == Observed::NotTold, "{observed}");
        assert_eq!(drifts(Desired::NotSuppressed, observed), observed.is_told(), "{observed}");
    }
}

fn ended(n: u128, at: &str, action: TaskAction, outcome: Outcome, evidence: EvidenceLevel) -> Task {
    Task {
        id: TaskId(Uuid::from_u128(n)),
        account: account(at),
        action,
        evidence,
        state: TaskState::Settled { outcome, evidence },
        ..sample_task()
    }
}

#[test]
fn a_settled_task_tells_what_its_account_was_told() {
    use {EvidenceLevel as L, Observed as O, TaskAction as A};
    let told = || Outcome::told(false, None);
    let waived = || Outcome::Waived { by: "ada".into(), reason: "closed shop".into() };
    for (action, outcome, evidence, want) in [
        (A::Suppress, Outcome::Suppressed, L::Verified, Some(O::Verified)),
        (A::Suppress, Outcome::Suppressed, L::Confirmed, Some(O::Confirmed)),
        (A::Suppress, Outcome::Suppressed, L::Attested, Some(O::Attested)),
        (A::Suppress, told(), L::Accepted, Some(O::Instructed)),
        (A::Suppress, Outcome::NotFound, L::None, Some(O::NotHeld)),
        (A::Suppress, Outcome::NotSupported, L::None, Some(O::Unsupported)),
        (A::Suppress, waived(), L::None, Some(O::Waived)),
        (A::Suppress, Outcome::Cancelled, L::None, Some(O::NotTold)),
        (A::Suppress, Outcome::Recalled, L::Confirmed, Some(O::NotTold)),
        (A::EraseAndSuppress, Outcome::Erased, L::Confirmed, Some(O::Confirmed)),
        (A::Erase, Outcome::Erased, L::Confirmed, None),
        (A::LookUp, Outcome::Observed(Observation::WouldAct), L::None, None),
        (A::Lift, Outcome::Lifted, L::Confirmed, Some(O::NotTold)),
        (A::Lift, told(), L::Accepted, Some(O::NotTold)),
        (A::Lift, Outcome::NotSupported, L::None, None),
    ] {
        let task = ended(1, "a", action, outcome.clone(), evidence);
        assert_eq!(observed(&task), want, "{action} {outcome:?} {evidence}");
    }
    let open = Task { state: TaskState::Ready { due: NOW }, ..sample_task() };
    assert_eq!(observed(&Task { action: A::Suppress, ..open }), None, "nothing is known yet");
}

fn request(action: RequestAction, state: RequestState) -> Request {
    Request {
        id: RequestId(Uuid::from_u128(9)),
        action,
        scope: action.needs_scope().then_some(Scope::Marketing),
        ..request::tests::sample(state)
    }
}

fn closed(ending: Ending) -> RequestState {
    RequestState::Closed { ending, at: NOW }
}

fn cancelled() -> RequestState {
    RequestState::Cancelled { by: "ada".into(), at: NOW }
}

fn named(only: Vec<AccountId>) -> Option<Listed> {
    Some(Listed::for_accounts(id(1), only))
}

#[test]
fn only_what_ended_with_something_to_tell_concerns_the_list() {
    use {Ending as E, RequestAction as A};
    let partly = E::Partly { met: 0, of: 2 };
    for (action, state, is_named, want) in [
        (A::Suppress, closed(E::Completed), false, true),
        (A::EraseAndSuppress, closed(partly), false, true),
        (A::Suppress, closed(E::NoMatch), false, true),
        (A::Suppress, closed(E::Observed), false, false),
        (A::Suppress, closed(E::Observed), true, true),
        (A::Suppress, cancelled(), false, false),
        (A::Suppress, cancelled(), true, true),
        (A::Erase, closed(E::Completed), false, true),
        (A::Erase, closed(E::NoMatch), false, false),
        (A::Lift, closed(E::Completed), false, true),
        (A::Lift, cancelled(), true, true),
        (A::Suppress, RequestState::Running { since: NOW }, true, false),
        (A::Suppress, RequestState::Duplicate { of: RequestId(Uuid::from_u128(3)) }, true, false),
    ] {
        let listed = if is_named { named(vec![]) } else { None };
        let request = Request { listed, ..request(action, state) };
        assert_eq!(concerns_the_list(&request), want, "{request:?}");
    }
    let done = request(A::Suppress, closed(E::Completed));
    let noted = request::apply(&done, &request::Event::Listed { entry: id(1) }, NOW).expect("once");
    assert!(!concerns_the_list(&noted), "noted once");
    request::apply(&noted, &request::Event::Listed { entry: id(1) }, NOW).expect_err("twice");
    let forgotten = Request { forgotten_at: Some(NOW), ..done };
    assert!(!concerns_the_list(&forgotten));
}

#[test]
fn a_request_leaves_a_new_entry_renews_a_known_one_or_says_what_accounts_were_told() {
    use {EvidenceLevel as L, Observed as O, TaskAction as A};
    let told = [
        ended(1, "mail", A::Suppress, Outcome::Suppressed, L::Confirmed),
        ended(2, "shop", A::Erase, Outcome::Erased, L::Confirmed),
    ];
    let suppressed = request(RequestAction::EraseAndSuppress, closed(Ending::Completed));
    let new = after(&suppressed, &told, None, NOW, || id(5)).expect("an entry");
    assert_eq!((new.event, new.read_version(), new.entry.id), ("listed", 0, id(5)));
    assert_eq!((new.entry.kind, new.entry.source), (Kind::Sealed, Some(suppressed.id)));
    let seen: Vec<_> = new.stands.iter().map(|s| (s.account.as_str(), s.observed)).collect();
    assert_eq!(seen, [("mail", O::Confirmed)]);

    let known = entry(EntryState::InForce);
    let again = after(&suppressed, &told, Some(&known), NOW, || id(6)).expect("renewed");
    assert_eq!((again.event, again.read_version(), again.entry.id), ("renewed", 3, id(1)));

    let erased = request(RequestAction::Erase, closed(Ending::Completed));
    let hash = after(&erased, &told, None, NOW, || id(5)).expect("an entry");
    assert_eq!((hash.entry.kind, hash.entry.scope), (Kind::HashOnly, Scope::AllProcessing));
    assert!(hash.stands.is_empty(), "an erasure tells nobody to leave somebody alone");

    // filed for one account and given up there
    let listed = named(vec![account("new")]);
    let push = Request { listed, ..request(RequestAction::Suppress, cancelled()) };
    let given_up = after(&push, &[], Some(&known), NOW, || id(6)).expect("noted");
    assert_eq!(given_up.event, "told");
    assert_eq!(given_up.stands[0].observed, O::NotTold);
}

#[test]
fn a_lift_takes_off_the_list_only_whom_it_was_filed_for_with_a_consent() {
    use {EvidenceLevel as L, TaskAction as A};
    let back = [ended(1, "mail", A::Lift, Outcome::Lifted, L::Confirmed)];
    let ours = entry(lifting(9));
    let lift = |state| Request { listed: named(vec![]), ..request(RequestAction::Lift, state) };
    let done = lift(closed(Ending::Completed));
    let noted = after(&done, &back, Some(&ours), NOW, || id(6)).expect("noted");
    assert_eq!((noted.entry.state.word(), noted.is_empty), ("lifted", true));
    assert_eq!(noted.stands[0].observed, Observed::NotTold);
    let given_up = after(&lift(cancelled()), &[], Some(&ours), NOW, || id(6)).expect("noted");
    assert_eq!((given_up.entry.state.word(), given_up.is_empty), ("in_force", false));
    // closed before anybody said that it was under way
    let quick = Request { listed: Some(Listed::off_the_list(id(1), "form 7".into())), ..done };
    let standing = entry(EntryState::InForce);
    let noted = after(&quick, &back, Some(&standing), NOW, || id(6)).expect("noted");
    assert_eq!(noted.entry.state.word(), "lifted");
    // by any other door: the vendor gave back, and the list says so without letting go
    let plain = request(RequestAction::Lift, closed(Ending::Completed));
    let noted = after(&plain, &back, Some(&standing), NOW, || id(6)).expect("noted");
    assert_eq!((noted.event, noted.entry.state.word()), ("told", "in_force"));
    assert!(drifts(noted.entry.desired(NOW), noted.stands[0].observed));
    assert_eq!(after(&plain, &back, None, NOW, || id(6)), None, "nobody stands there");
}

#[test]
fn whoever_was_suppressed_is_forgotten_once_the_list_knows_what_a_lift_needs() {
    let keeping = Keeping::DEFAULT;
    let long_after = NOW.plus(keeping.unanswered);
    for action in [RequestAction::Suppress, RequestAction::EraseAndSuppress] {
        let done = request(action, closed(Ending::Completed));
        assert_eq!(forgetting(&done, keeping, long_after), None, "the list knows nothing yet");
        let event = request::Event::Listed { entry: id(1) };
        let noted = request::apply(&done, &event, NOW).expect("over");
        assert_eq!(forgetting(&noted, keeping, long_after), Some(request::Forgetting::Due));
        let observed = request(action, closed(Ending::Observed));
        assert_eq!(forgetting(&observed, keeping, long_after), Some(request::Forgetting::Due));
    }
}

#[test]
fn a_callers_hash_is_that_of_the_normal_form_and_reads_back() {
    let parse =
        |kind, text| Identifier::parse(kind, text, Provenance::Stated, None).expect("identifier");
    let hash = client_hash(&parse(IdentifierKind::Email, " Ada@Example.COM"));
    let lower = client_hash(&parse(IdentifierKind::Email, "ada@example.com"));
    assert_eq!(hash, lower);
    let hash = hash.expect("an address has one");
    assert_eq!(parse_client_hash(&hash.to_uppercase()), Some(hash));
    assert_eq!(client_hash(&parse(IdentifierKind::UserId, "u-7")), None);
    for bad in ["", "ada@example.com", "ab"] {
        assert_eq!(parse_client_hash(bad), None, "{bad}");
    }
}

#[test]
fn of_two_wishes_the_longer_holds() {
    let at = |n| Some(Timestamp::from_millis(n));
    for (stands, asked, want) in [
        (None, None, None),
        (None, at(5), None),
        (at(5), None, None),
        (at(5), at(7), at(7)),
        (at(7), at(5), at(7)),
    ] {
        let entry = Suppression { expires_at: stands, ..entry(EntryState::InForce) };
        let next = apply(&entry, &Event::Renewed { until: asked }, Timestamp::from_millis(1));
        assert_eq!(next.expect("renewed").expires_at, want, "{stands:?} and {asked:?}");
    }
}

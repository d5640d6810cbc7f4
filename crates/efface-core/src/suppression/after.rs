//! What a request that is over leaves on the list.

use super::{EntryState, Event, Kind, Observed, Reason, Stand, Suppression, apply, observed};
use crate::{
    RequestAction, Scope, SuppressionId, Timestamp,
    request::{Ending, Request, RequestState},
    task::Task,
};

/// An entry as it should stand after a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// What happened to it; a new one is `listed`.
    pub event: &'static str,
    pub entry: Suppression,
    pub stands: Vec<Stand>,
    /// Whether nothing of the person is needed any more.
    pub is_empty: bool,
}

impl Noted {
    /// The version the entry was read at; none when it is new.
    #[must_use]
    pub const fn read_version(&self) -> u32 {
        self.entry.version - 1
    }
}

/// Whether a request that is over has something to leave there, so that the list must be read. One
/// that was filed in error leaves nothing, and of a forgotten one nothing is left to be kept.
#[must_use]
pub fn concerns_the_list(request: &Request) -> bool {
    let noted = request.listed.as_ref().is_some_and(|l| l.noted_at.is_some());
    if noted || request.in_error.is_some() || request.forgotten_at.is_some() {
        return false;
    }
    let named = request.listed.is_some();
    match (&request.state, request.action) {
        (
            RequestState::Closed { ending: Ending::Completed | Ending::Partly { .. }, .. },
            RequestAction::Erase
            | RequestAction::Suppress
            | RequestAction::EraseAndSuppress
            | RequestAction::Lift,
        ) => true,
        // an objection holds although no vendor of today knows the person
        (
            RequestState::Closed { ending: Ending::NoMatch, .. },
            RequestAction::Suppress | RequestAction::EraseAndSuppress,
        ) => true,
        (
            RequestState::Closed { ending: Ending::NoMatch, .. },
            RequestAction::Erase | RequestAction::Lift,
        ) => named,
        (
            RequestState::Closed { ending: Ending::Observed, .. }
            | RequestState::Denied { .. }
            | RequestState::Cancelled { .. }
            | RequestState::Expired { .. },
            _,
        ) => named,
        (
            RequestState::Received
            | RequestState::Identified
            | RequestState::Released { .. }
            | RequestState::Running { .. }
            | RequestState::Duplicate { .. },
            _,
        ) => false,
    }
}

/// The entry after a request that concerns the list. `known` is the one that the request names, or one
/// in force of the same person, controller, scope and kind. `None` when the list stays as it is.
#[must_use]
pub fn after(
    request: &Request,
    tasks: &[Task],
    known: Option<&Suppression>,
    now: Timestamp,
    new_id: impl FnOnce() -> SuppressionId,
) -> Option<Noted> {
    let closed = match &request.state {
        RequestState::Closed { at, .. } => Some(*at),
        RequestState::Received
        | RequestState::Identified
        | RequestState::Released { .. }
        | RequestState::Running { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => None,
    };
    let since = closed.unwrap_or(now);
    let stands = stands(request, tasks, since);
    let event = match (request.action, known) {
        (RequestAction::Lift, None) => return None,
        (RequestAction::Lift, Some(known)) => match &known.state {
            EntryState::Lifting { request: by, .. } if *by == request.id && closed.is_some() => {
                Event::LiftEnded { request: request.id }
            }
            EntryState::Lifting { request: by, .. } if *by == request.id => {
                Event::LiftGivenUp { request: request.id }
            }
            // given back at the vendors without a consent on record: that shows as drift
            EntryState::InForce | EntryState::Lifting { .. } | EntryState::Lifted { .. } => {
                taken_off(request, known, closed.is_some()).unwrap_or(Event::Told)
            }
        },
        (
            RequestAction::Erase | RequestAction::Suppress | RequestAction::EraseAndSuppress,
            Some(_),
        ) if request.listed.is_some() => Event::Told,
        (
            RequestAction::Erase | RequestAction::Suppress | RequestAction::EraseAndSuppress,
            Some(_),
        ) => Event::Renewed { until: None },
        (
            RequestAction::Erase | RequestAction::Suppress | RequestAction::EraseAndSuppress,
            None,
        ) => {
            return Some(Noted {
                event: "listed",
                entry: listed(request, since, new_id()),
                stands,
                is_empty: false,
            });
        }
    };
    let known = known?;
    let entry = apply(known, &event, now).ok()?;
    let is_empty = matches!(entry.state, EntryState::Lifted { .. });
    Some(Noted { event: event.word(), entry, stands, is_empty })
}

/// A lift that brings a consent takes its entry off the list, though nobody said before that it was
/// under way.
fn taken_off(request: &Request, known: &Suppression, closed: bool) -> Option<Event> {
    let consent = request.listed.as_ref().and_then(|l| l.consent.clone())?;
    let stands = matches!(known.state, EntryState::InForce);
    (stands && closed).then(|| Event::Lifted { by: request.filed_by.clone(), consent })
}

/// A new entry.
fn listed(request: &Request, since: Timestamp, id: SuppressionId) -> Suppression {
    let (kind, reason) = kind_of(request.action);
    Suppression {
        id,
        version: 1,
        controller: request.controller.clone(),
        scope: scope_of(request),
        kind,
        reason,
        note: None,
        legal_basis: None,
        source: Some(request.id),
        since,
        by: request.filed_by.clone(),
        expires_at: None,
        state: EntryState::InForce,
    }
}

impl Request {
    /// The kind of entry that it leaves or lifts.
    #[must_use]
    pub const fn listed_as(&self) -> Kind {
        kind_of(self.action).0
    }

    /// The scope of that entry: whoever was erased is not to be processed at all.
    #[must_use]
    pub fn listed_for(&self) -> Scope {
        scope_of(self)
    }
}

const fn kind_of(action: RequestAction) -> (Kind, Reason) {
    match action {
        RequestAction::Erase => (Kind::HashOnly, Reason::Erased),
        RequestAction::Suppress | RequestAction::EraseAndSuppress | RequestAction::Lift => {
            (Kind::Sealed, Reason::Requested)
        }
    }
}

fn scope_of(request: &Request) -> Scope {
    request.scope.unwrap_or(Scope::AllProcessing)
}

/// What the tasks tell of each account; of an erasure the list knows no accounts.
fn stands(request: &Request, tasks: &[Task], since: Timestamp) -> Vec<Stand> {
    if request.listed_as() == Kind::HashOnly {
        return vec![];
    }
    let seen = tasks.iter().filter_map(|t| {
        let observed = observed(t)?;
        Some(Stand { account: t.account.clone(), observed, since, task: Some(t.id) })
    });
    let mut stands: Vec<Stand> = seen.collect();
    // what was to be told and has no task that tells anything was not told
    let asked = request.listed.iter().flat_map(|l| &l.only);
    for account in asked.filter(|_| request.action != RequestAction::Lift) {
        if !stands.iter().any(|s| s.account == *account) {
            let account = account.clone();
            stands.push(Stand { account, observed: Observed::NotTold, since, task: None });
        }
    }
    stands
}

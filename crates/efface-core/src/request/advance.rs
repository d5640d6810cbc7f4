//! What follows for a request from its tasks: phases open, it starts, it closes.

use std::time::Duration;

use super::{Ending, Request, RequestState};
use crate::{
    AccountId, Outcome, TaskAction, TaskId, Timestamp,
    desk::Reason,
    plan::Phase,
    task::{Cause, Task, TaskState, WaitsOn},
};

/// What should happen now to a request and its tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    pub start: bool,
    /// Tasks whose phase opens.
    pub open: Vec<TaskId>,
    pub close: Option<Ending>,
    /// The request itself goes to the desk.
    pub desk: Option<Reason>,
    /// Look again then, even if nothing happens before.
    pub look_again: Option<Timestamp>,
}

/// How long one phase waits for another.
#[must_use]
pub fn patience(policy: Duration, running_since: Timestamp, due_at: Timestamp) -> Timestamp {
    let quarter = due_at.since(running_since) / 4;
    running_since.plus(policy.min(quarter))
}

/// Pure follow-up: opens phases, closes the request. `phases` tells each task's phase.
#[must_use]
pub fn advance(
    request: &Request,
    tasks: &[Task],
    phase: impl Fn(&Task) -> Phase,
    tells: impl Fn(&Task) -> bool,
    policy_patience: Duration,
    nobody_found_decided: bool,
    now: Timestamp,
) -> Advance {
    let mut out = Advance::default();
    let since = match &request.state {
        RequestState::Released { cooling_until, .. } => {
            if request.hold.is_some() {
                return out;
            }
            if *cooling_until > now {
                out.look_again = Some(*cooling_until);
                return out;
            }
            out.start = true;
            now
        }
        RequestState::Running { since } => *since,
        RequestState::Received
        | RequestState::Identified
        | RequestState::Closed { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => return out,
    };
    if request.hold.is_some() {
        return out;
    }
    let until = patience(policy_patience, since, request.due_at);
    for task in tasks {
        if let TaskState::Blocked { cause: Cause::Phase(_) } = task.state {
            if phase_is_open(phase(task), &task.account, tasks, &phase) || now >= until {
                out.open.push(task.id);
            } else {
                out.look_again = Some(until);
            }
        }
        if let TaskState::Blocked { cause: Cause::Dependency(earlier) } = task.state
            && tasks.iter().any(|t| t.id == earlier && t.state.is_settled())
        {
            out.open.push(task.id);
        }
    }
    if tasks.iter().all(|t| t.state.is_settled()) {
        out.look_again = None;
        match ending(tasks, tells) {
            Some(ending) => out.close = Some(ending),
            None if nobody_found_decided => out.close = Some(Ending::NoMatch),
            None => out.desk = Some(Reason::NobodyFound),
        }
    }
    out
}

/// Whether `phase` is open at `account`: it waits for the vendor's own tasks of the phase before,
/// until they are accepted; never for one that waits on a desk or for an identifier.
fn phase_is_open(
    phase: Phase,
    account: &AccountId,
    tasks: &[Task],
    phase_of: &impl Fn(&Task) -> Phase,
) -> bool {
    let before = match phase {
        Phase::Resolve | Phase::Suppress => return true,
        Phase::Erase => Phase::Suppress,
        Phase::SuppressAfter => Phase::Erase,
    };
    let after_erase = phase == Phase::SuppressAfter;
    tasks.iter().filter(|t| t.account == *account && phase_of(t) == before).all(|t| match &t.state {
        TaskState::Settled { .. } | TaskState::Confirmed { .. } | TaskState::Desk { .. } => true,
        // a suppress that follows an erase waits for the erase's end, where an end can be polled
        TaskState::Waiting { on: WaitsOn::Receipt { .. }, .. } => !after_erase,
        TaskState::Waiting { on: WaitsOn::Promise { .. }, .. } => true,
        TaskState::Blocked { cause: Cause::MissingIdentifier { .. } } => true,
        TaskState::Blocked { cause: Cause::Phase(_) | Cause::Dependency(_) | Cause::Hold { .. } | Cause::Vendor { .. } }
        | TaskState::Ready { .. }
        | TaskState::Sending { .. }
        | TaskState::Unknown { .. } => false,
    })
}

/// How a request ends whose tasks are all settled; `None` when no vendor that can tell knew the
/// person. `tells` says whether a task's vendor would have told an absence: one that takes any
/// identifier on in silence is no witness.
#[must_use]
pub fn ending(tasks: &[Task], tells: impl Fn(&Task) -> bool) -> Option<Ending> {
    let settled = tasks.iter().filter_map(|t| Some((t, t.state.outcome()?)));
    let live: Vec<(&Task, &Outcome)> =
        settled.filter(|(_, o)| !matches!(o, Outcome::Observed(_))).collect();
    if live.is_empty() {
        return Some(Ending::Observed);
    }
    let asked_in_vain = live.iter().any(|(_, o)| matches!(o, Outcome::NotFound));
    let someone = live.iter().any(|(t, o)| o.found_somebody() && tells(t));
    let decided = live.iter().any(|(_, o)| {
        matches!(
            o,
            Outcome::Waived { .. }
                | Outcome::Exempt { .. }
                | Outcome::Cancelled
                | Outcome::Superseded
                | Outcome::Recalled
        )
    });
    if asked_in_vain && !someone && !decided {
        return None;
    }
    let of = u32::try_from(live.len()).unwrap_or(u32::MAX);
    let met =
        u32::try_from(live.iter().filter(|(_, o)| o.meets_the_wish()).count()).unwrap_or(u32::MAX);
    Some(if met == of { Ending::Completed } else { Ending::Partly { met, of } })
}

/// Whether any task of the request may have reached a vendor with a changing call.
#[must_use]
pub fn anything_sent(tasks: &[Task]) -> bool {
    tasks.iter().any(|t| t.sent && t.action != TaskAction::LookUp)
}

//! Why a request is not done: for each open task the reason, since when, the next attempt, and who
//! can unblock it.

use efface_core::{
    AccountId, RequestId, TaskAction, TaskId, Timestamp,
    account::{Condition, Mode},
    request::{self, Hold, Patience, Request, RequestState},
    task::{Cause, Recall, Task, TaskState, WaitsOn},
    watch::{Watch, WatchState},
};
use serde::Serialize;

use crate::{Error, SqlStore, Store, TaskRow, hot::Cell, usecase::Loaded};

/// One line of `why`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyLine {
    /// `None` for the request itself.
    pub task: Option<TaskId>,
    pub account: Option<String>,
    pub action: Option<String>,
    pub state: String,
    pub reason: String,
    pub since: Timestamp,
    pub next_attempt: Option<Timestamp>,
    pub who: String,
}

const NOBODY: &str = "nobody: it goes on by itself";

/// Why a closed request is still looked after.
fn why_watched(watch: &Watch, condition: Option<&Condition>, now: Timestamp) -> Option<WhyLine> {
    let line = |reason: String, since: Timestamp, next_attempt: Option<Timestamp>, who: &str| {
        Some(WhyLine {
            task: Some(watch.task),
            account: Some(watch.account.to_string()),
            action: None,
            state: watch.state.word().into(),
            reason,
            since,
            next_attempt,
            who: who.into(),
        })
    };
    match &watch.state {
        WatchState::Watching { next } => {
            let held = condition.and_then(|c| c.stands_in_the_way(now));
            let (held, who) = match held {
                Some((reason, _)) => {
                    (format!("; it waits: {reason}"), "whoever lets the account go on")
                }
                None => (String::new(), NOBODY),
            };
            let reason = format!(
                "closed and under watch, which only looks whether the person came back: {}{held}",
                watch.sentence()
            );
            line(reason, watch.since, Some(*next), who)
        }
        WatchState::SeenAgain { at, explained: None } => {
            line(watch.sentence(), *at, None, "the privacy team: `efface desk list`")
        }
        WatchState::SeenAgain { explained: Some(_), .. } | WatchState::Ended { .. } => None,
    }
}

impl SqlStore {
    /// Explains what keeps a request open; of one that is over, what is still watched or waits for a
    /// person to explain it.
    ///
    /// # Errors
    /// When there is no such request.
    pub async fn why(&self, id: RequestId) -> Result<Vec<WhyLine>, Error> {
        let loaded = self.load(id).await?;
        if loaded.request.state.is_over() {
            let accounts = self.accounts().await?;
            let condition =
                |id: &AccountId| accounts.iter().find(|a| a.id == *id).map(|a| &a.condition);
            let watches = self.watches(id).await?;
            return Ok(watches
                .iter()
                .filter_map(|w| why_watched(w, condition(&w.account), self.now()))
                .collect());
        }
        let mut lines = vec![];
        lines.extend(why_request(&loaded, self.directory.policy.expire_unproved, self.now()));
        let accounts = self.accounts().await?;
        for row in loaded.tasks.iter().filter(|t| !t.task.state.is_settled()) {
            let condition =
                accounts.iter().find(|a| a.id == row.task.account).map(|a| &a.condition);
            let line = self.why_task(&loaded, row, condition).await?;
            lines.push(match &loaded.request.hold {
                Some(hold) => under_hold(&loaded.request, hold, &row.task.state, line),
                None => line,
            });
        }
        if lines.is_empty() {
            lines.push(self.why_settled(&loaded).await?);
        }
        Ok(lines)
    }

    async fn why_settled(&self, loaded: &Loaded) -> Result<WhyLine, Error> {
        let id = loaded.request.id.to_string();
        let found = self.database.rows("SELECT opened_at FROM desk WHERE subject_kind = 'request' AND subject_id = $1 AND closed_at IS NULL", &[Cell::from(id)]).await?;
        let waits = found.first().map(|r| r.int(0)).transpose()?;
        let (reason, who) = match waits {
            Some(_) => (
                "every vendor was asked and the request waits on the desk".to_owned(),
                "the privacy team: `efface desk list`".to_owned(),
            ),
            None => (
                "every task has ended; the request is about to close".to_owned(),
                NOBODY.to_owned(),
            ),
        };
        let since = waits.map_or(loaded.request.filed_at, Timestamp::from_millis);
        Ok(WhyLine {
            task: None,
            account: None,
            action: None,
            state: loaded.request.state.word().into(),
            reason,
            since,
            next_attempt: None,
            who,
        })
    }

    async fn why_task(
        &self,
        loaded: &Loaded,
        row: &TaskRow,
        condition: Option<&Condition>,
    ) -> Result<WhyLine, Error> {
        let task = &row.task;
        let line = |reason: String, next_attempt: Option<Timestamp>, who: String| WhyLine {
            task: Some(task.id),
            account: Some(task.account.to_string()),
            action: Some(task.action.word().into()),
            state: task.state.word().into(),
            reason,
            since: row.since,
            next_attempt,
            who,
        };
        let by_itself = || NOBODY.to_owned();
        let request = &loaded.request;
        let looks_only = task.action == TaskAction::LookUp;
        Ok(match &task.state {
            // nothing is changed there, whatever is released
            TaskState::Blocked { cause: Cause::Phase(_) } if looks_only => {
                let (when, next, who) = look_up_begins(request);
                let meanwhile = if condition.is_some_and(|c| c.mode == Mode::Live) {
                    format!(
                        "; it was in observe when this was planned, and `efface connector enable {} --replan {}` plans anew",
                        task.account, request.id
                    )
                } else {
                    String::new()
                };
                line(
                    format!(
                        "account in observe: it only looks the person up and changes nothing, {when}{meanwhile}"
                    ),
                    next,
                    who,
                )
            }
            TaskState::Blocked { cause } => match cause {
                Cause::Phase(phase) => match &loaded.request.state {
                    RequestState::Received => line(
                        "waits for a proof of identity".into(),
                        None,
                        format!(
                            "the privacy team: `efface request identify {}`",
                            loaded.request.id
                        ),
                    ),
                    RequestState::Identified => line(
                        "waits for release".into(),
                        None,
                        format!("the privacy team: `efface request release {}`", loaded.request.id),
                    ),
                    RequestState::Released { cooling_until, .. } => {
                        let cools = "cools off before anything irreversible";
                        match condition.and_then(|c| c.stands_in_the_way_of_a_change(self.now())) {
                            Some((reason, _)) => line(
                                format!(
                                    "{cools}, and waits after that: account {}: {reason}",
                                    task.account
                                ),
                                Some(*cooling_until),
                                lets_go_on(task, condition),
                            ),
                            None => line(cools.into(), Some(*cooling_until), by_itself()),
                        }
                    }
                    _ => line(
                        format!(
                            "waits for its phase ({phase}): an earlier step at this vendor goes first"
                        ),
                        None,
                        by_itself(),
                    ),
                },
                Cause::Dependency(earlier) => line(
                    format!(
                        "an earlier request of the same person goes first here (task {earlier})"
                    ),
                    None,
                    by_itself(),
                ),
                Cause::Hold { reason } => line(
                    format!("legal hold: {reason}"),
                    None,
                    format!("the privacy team: `efface request hold {} --end`", loaded.request.id),
                ),
                Cause::MissingIdentifier { needs } => line(
                    format!(
                        "this vendor cannot be asked: it needs a proved, personal {}",
                        needs.join(" or ")
                    ),
                    None,
                    format!(
                        "the privacy team: `efface request amend {}`, or waive the task",
                        loaded.request.id
                    ),
                ),
                Cause::Vendor { blocker, hint, recheck_at } => line(
                    format!("the vendor says not now: {blocker} ({hint})"),
                    Some(*recheck_at),
                    "the vendor's own desk, or time".into(),
                ),
            },
            TaskState::Ready { due } => {
                let blocked = condition.and_then(|c| {
                    if looks_only {
                        c.stands_in_the_way(self.now())
                    } else {
                        c.stands_in_the_way_of_a_change(self.now())
                    }
                });
                match blocked {
                    Some((reason, until)) => line(
                        format!("account {}: {reason}", task.account),
                        until,
                        lets_go_on(task, condition),
                    ),
                    None if condition.is_some_and(|c| c.ceiling_reached) => line(
                        format!("account {}: the daily ceiling of people is reached", task.account),
                        None,
                        format!(
                            "the privacy team: `efface connector resume {}`; it holds until then",
                            task.account
                        ),
                    ),
                    None if task.failures > 0 => {
                        let last = self.exchanges(task.id).await?.pop().and_then(|e| e.status);
                        line(tried(task, last), Some(*due), by_itself())
                    }
                    None => line(
                        if looks_only {
                            "account in observe: the look-up waits for its turn in the lane"
                        } else {
                            "waits for its turn in the lane"
                        }
                        .into(),
                        Some(*due),
                        "a running worker: `efface worker` or `efface serve`".into(),
                    ),
                }
            }
            TaskState::Sending { .. } => line("the call is out".into(), None, by_itself()),
            TaskState::Unknown { .. } => {
                let lost = "the answer was lost; being looked into before anything is repeated";
                let next = self.look_at(task.state.order()).await?;
                match condition.and_then(|c| c.stands_in_the_way_of_a_change(self.now())) {
                    Some((reason, until)) => line(
                        format!(
                            "{lost}, and not repeated meanwhile: account {}: {reason}",
                            task.account
                        ),
                        until.max(next),
                        lets_go_on(task, condition),
                    ),
                    None => line(lost.into(), next, by_itself()),
                }
            }
            TaskState::Waiting {
                on: WaitsOn::Receipt { recall: Recall::Wanted { at, .. }, .. },
                ..
            } => line(
                "it was cancelled, and the vendor is asked to take it back".into(),
                Some(*at),
                by_itself(),
            ),
            TaskState::Waiting { on: WaitsOn::Receipt { receipt, recall }, .. } => {
                let found = self
                    .database
                    .rows(
                        "SELECT next_poll FROM receipt WHERE id = $1",
                        &[Cell::from(receipt.bytes())],
                    )
                    .await?;
                let next = found
                    .first()
                    .map(|r| r.opt_int(0))
                    .transpose()?
                    .flatten()
                    .map(Timestamp::from_millis);
                let reason = match recall {
                    Recall::InVain => {
                        "it was cancelled, and the vendor does not take it back: it runs to its own end"
                    }
                    Recall::InDoubt => {
                        "it was cancelled and asked back, and the answer is not known: it runs to its own end"
                    }
                    Recall::NotWanted | Recall::Wanted { .. } => {
                        "the vendor has taken it on and is at work"
                    }
                };
                line(reason.into(), next, "the vendor".into())
            }
            TaskState::Waiting { on: WaitsOn::Promise { done_by, look_at: None }, .. } => line(
                "the vendor has taken it on and offers no status; waits for its promised date"
                    .into(),
                Some(*done_by),
                "the vendor".into(),
            ),
            TaskState::Waiting { on: WaitsOn::Promise { done_by, look_at: Some(at) }, .. } => line(
                format!(
                    "the vendor's promised date ({}) has come and a look-up did not settle it; looked for again",
                    done_by.utc_date()
                ),
                Some(*at),
                "the vendor".into(),
            ),
            TaskState::Confirmed { verify_at, .. } => line(
                "the vendor says it is done; a look-up will verify".into(),
                Some(*verify_at),
                by_itself(),
            ),
            TaskState::Desk { reason } => {
                line(reason.sentence(), None, "the privacy team: `efface desk list`".into())
            }
            TaskState::Settled { .. } => line("ended".into(), None, by_itself()),
        })
    }

    async fn look_at(
        &self,
        order: Option<efface_core::OrderId>,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(order) = order else { return Ok(None) };
        let found = self
            .database
            .rows("SELECT look_at FROM orders WHERE id = $1", &[Cell::from(order.bytes())])
            .await?;
        Ok(found.first().map(|r| r.opt_int(0)).transpose()?.flatten().map(Timestamp::from_millis))
    }
}

/// What became of a task's calls that failed.
fn tried(task: &Task, last: Option<i64>) -> String {
    let tries = task.failures;
    let word = if tries == 1 { "try" } else { "tries" };
    let last = match last {
        Some(status) => format!("the vendor's last answer was HTTP {status}"),
        None => "the last call brought no answer".to_owned(),
    };
    format!(
        "{tries} {word} failed, {last}; tried again later (`efface connector check {}` asks what stands in the way)",
        task.account
    )
}

/// Who can let an account go on.
fn lets_go_on(task: &Task, condition: Option<&Condition>) -> String {
    let observes = condition.is_some_and(|c| c.mode == Mode::Observe && c.pause.is_none());
    let word = if observes && task.action != TaskAction::LookUp { "enable" } else { "resume" };
    format!("the privacy team: `efface connector {word} {}`", task.account)
}

/// Who can end a hold.
fn ends_hold(request: &Request, hold: &Hold) -> String {
    format!("{} or the privacy team: `efface request hold {} --end`", hold.by, request.id)
}

/// A task's line under its request's hold: what would go on by itself waits for the end of it.
fn under_hold(request: &Request, hold: &Hold, state: &TaskState, line: WhyLine) -> WhyLine {
    match state {
        TaskState::Blocked { cause: Cause::Phase(_) | Cause::Hold { .. } }
        | TaskState::Ready { .. } => {
            let reason = format!("nothing is sent: {}", held(hold));
            WhyLine { reason, next_attempt: None, who: ends_hold(request, hold), ..line }
        }
        TaskState::Sending { .. }
        | TaskState::Unknown { .. }
        | TaskState::Waiting { .. }
        | TaskState::Confirmed { .. } => {
            let reason = format!("{}; nothing new follows: {}", line.reason, held(hold));
            WhyLine { reason, ..line }
        }
        TaskState::Blocked {
            cause: Cause::Dependency(_) | Cause::MissingIdentifier { .. } | Cause::Vendor { .. },
        }
        | TaskState::Desk { .. }
        | TaskState::Settled { .. } => {
            WhyLine { reason: format!("{}; and the request is on hold", line.reason), ..line }
        }
    }
}

fn held(hold: &Hold) -> String {
    format!("on hold since {}, set by {}: {}", hold.at, hold.by, hold.reason)
}

/// When a mere look-up begins, and who can make it.
fn look_up_begins(request: &Request) -> (&'static str, Option<Timestamp>, String) {
    match &request.state {
        RequestState::Received => (
            "once there is a proof of identity and a release",
            None,
            format!("the privacy team: `efface request identify {}`", request.id),
        ),
        RequestState::Identified => (
            "once the request is released",
            None,
            format!("the privacy team: `efface request release {}`", request.id),
        ),
        RequestState::Released { cooling_until, .. } => {
            ("once the request has cooled off", Some(*cooling_until), NOBODY.to_owned())
        }
        RequestState::Running { .. }
        | RequestState::Closed { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => ("when its turn comes", None, NOBODY.to_owned()),
    }
}

/// What holds the request itself back.
fn why_request(loaded: &Loaded, patience: Patience, now: Timestamp) -> Option<WhyLine> {
    let request = &loaded.request;
    let line = |reason: &str, next_attempt, who: String| {
        Some(WhyLine {
            task: None,
            account: None,
            action: None,
            state: request.state.word().into(),
            reason: reason.into(),
            since: request.filed_at,
            next_attempt,
            who,
        })
    };
    if let Some(hold) = &request.hold {
        return Some(WhyLine {
            task: None,
            account: None,
            action: None,
            state: request.state.word().into(),
            reason: held(hold),
            since: hold.at,
            next_attempt: None,
            who: ends_hold(request, hold),
        });
    }
    let looks_only = loaded.tasks.iter().all(|t| t.task.action == TaskAction::LookUp);
    match &request.state {
        RequestState::Received => line(
            "nothing proves who the person is; without a proof it expires then",
            Some(request::expires_at(request, patience, now)),
            format!("the privacy team: `efface request identify {}`", request.id),
        ),
        RequestState::Identified => line(
            if looks_only && !loaded.tasks.is_empty() {
                "awaits release; every account it goes to is in observe, so nothing will be changed"
            } else {
                "awaits release"
            },
            None,
            format!("the privacy team: `efface request release {}`", request.id),
        ),
        RequestState::Released { cooling_until, .. } => line(
            "cools off; `efface stop` or `request cancel` still costs nothing",
            Some(*cooling_until),
            NOBODY.into(),
        ),
        RequestState::Running { .. }
        | RequestState::Closed { .. }
        | RequestState::Denied { .. }
        | RequestState::Cancelled { .. }
        | RequestState::Expired { .. }
        | RequestState::Duplicate { .. } => None,
    }
}

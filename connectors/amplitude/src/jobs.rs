//! What the vendor's jobs mean for the people of an order. Pure.
//!
//! A job is a day of a project and has no id. An order finds its own entries again by the text it
//! gave as requester, which ends in the order's key.

use std::{collections::BTreeSet, time::Duration};

use efface_connector::{
    Accepted, Answer, ConnectorError, Evidence, Item, ItemAnswer, ItemId, Memo, Order, Receipt,
    Timestamp,
};
use serde::{Deserialize, Serialize};

use crate::{
    people::{Ids, Known},
    wire::{Job, Status, Taken, midnight},
};

const RECEIPT_FORMAT: u16 = 1;
const DAY: Duration = Duration::from_secs(86_400);
/// The vendor's own advice is thirty days from the request; large projects may wait longer.
const AHEAD: Duration = Duration::from_secs(60 * 86_400);
/// Six months are the longest range.
const LONGEST: Duration = Duration::from_secs(180 * 86_400);
const DONE_WITHIN: Duration = Duration::from_secs(35 * 86_400);
const PROMISE: &str = "deleted within 30 days of the request, and from backups 5 days later";

/// What is kept to ask by: days and project, nothing of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub jobs: Vec<JobName>,
    /// How many entries of the jobs were the order's own when they were taken on.
    #[serde(default)]
    pub entries: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobName {
    pub day: String,
    pub app: Option<String>,
}

impl JobName {
    fn of(job: &Job) -> Self {
        Self { day: job.day.clone(), app: job.app.clone() }
    }

    /// The project is not always told.
    fn names(&self, job: &Job) -> bool {
        let same_app = self.app.is_none() || job.app.is_none() || self.app == job.app;
        self.day == job.day && same_app
    }
}

impl Ticket {
    fn of<'j>(jobs: impl Iterator<Item = &'j Job> + Clone, mark: &str) -> Self {
        Self { entries: marked(jobs.clone(), mark).len(), jobs: jobs.map(JobName::of).collect() }
    }

    pub fn read(receipt: &Receipt) -> Result<Self, ConnectorError> {
        receipt.read(RECEIPT_FORMAT)
    }

    /// The days to ask for: from the request on, and the jobs' own days in any case.
    pub fn range(&self, sent: Timestamp) -> (Timestamp, Timestamp) {
        let days: Vec<Timestamp> = self.jobs.iter().filter_map(|job| midnight(&job.day)).collect();
        let (from, to) = range_since(sent);
        let (Some(first), Some(last)) = (days.iter().min(), days.iter().max()) else {
            return (from, to);
        };
        let whole = (from.min(*first), to.max(*last));
        if whole.1.since(whole.0) <= LONGEST { whole } else { (first.minus(DAY), last.plus(DAY)) }
    }

    /// The jobs an order's people may still be taken out of: those that carry its mark; where none
    /// does any more, those it was taken into.
    pub fn taken_into<'j>(&self, listed: &'j [Job], mark: &str) -> Vec<&'j Job> {
        let ours: Vec<&Job> = listed.iter().filter(|job| bears(job, mark)).collect();
        if !ours.is_empty() {
            return ours;
        }
        let named = |job: &&Job| self.jobs.iter().any(|name| name.names(job));
        listed.iter().filter(named).collect()
    }

    /// The order's own jobs among those listed: the named ones, and any that carries its mark.
    /// `None`: one is missing.
    pub fn pick<'j>(&self, listed: &'j [Job], mark: &str) -> Option<Vec<&'j Job>> {
        let ours: Vec<&Job> = listed
            .iter()
            .filter(|job| self.jobs.iter().any(|name| name.names(job)) || bears(job, mark))
            .collect();
        let complete = self.jobs.iter().all(|name| listed.iter().any(|job| name.names(job)));
        let followed = ours.iter().any(|job| bears(job, mark));
        (!ours.is_empty() && (complete || followed)).then_some(ours)
    }
}

/// The days in which a request's job may lie, before its day is known; a day more for time zones.
pub fn range_since(sent: Timestamp) -> (Timestamp, Timestamp) {
    (sent.minus(DAY), sent.plus(AHEAD))
}

/// What an order gives as requester: whoever asks, and the order's key.
pub fn mark(requester: &str, order: &Order) -> String {
    format!("{requester} {}", order.idempotency_key)
}

pub fn bears(job: &Job, mark: &str) -> bool {
    job.entries.iter().any(|entry| entry.requester.as_deref() == Some(mark))
}

/// The people whom the order itself put into these jobs.
pub fn marked<'j>(jobs: impl Iterator<Item = &'j Job>, mark: &str) -> BTreeSet<u64> {
    let entries = jobs.flat_map(|job| &job.entries);
    let ours = entries.filter(|entry| entry.requester.as_deref() == Some(mark));
    ours.map(|entry| entry.amplitude_id).collect()
}

/// The answer to a deletion, person by person.
pub fn taken(order: &Order, taken: &Taken, mark: &str) -> Result<Answer, ConnectorError> {
    let mut answer = Answer::default();
    let mut accepted = vec![];
    for item in &order.items {
        let ids = match Ids::of(item) {
            Ok(ids) => ids,
            Err(error) => {
                answer.items.push((item.id, ItemAnswer::Failed(error)));
                continue;
            }
        };
        if ids.all_in(&taken.invalid) {
            let evidence = Evidence::seen("200, and every id among those found by nobody");
            let nothing = ItemAnswer::NothingFound { asked: ids.kinds(), evidence };
            answer.items.push((item.id, nothing));
        } else if !taken.jobs.is_empty() {
            let alone = order.items.len() == 1;
            accepted.push((item.id, Known::memo(known(&ids, taken, alone.then_some(mark)))?));
        }
        // with nobody missing and no job the answer says nothing: Unknown
    }
    answer.accepted = accept(accepted, taken.jobs.iter(), mark)?;
    Ok(answer)
}

/// The person's ids at the vendor, as far as the answer tells.
fn known(ids: &Ids, taken: &Taken, alone: Option<&str>) -> BTreeSet<u64> {
    let of_user = |user: &String| ids.user_ids.contains(user);
    let entries = || taken.jobs.iter().flat_map(|job| &job.entries);
    let mut known: BTreeSet<u64> = entries()
        .filter(|entry| entry.user_id.as_ref().is_some_and(of_user))
        .map(|entry| entry.amplitude_id)
        .collect();
    let valid = |id: &&u64| !taken.invalid.contains(&id.to_string());
    known.extend(ids.amplitude_ids.iter().filter(valid));
    if let Some(mark) = alone {
        known.extend(marked(taken.jobs.iter(), mark));
    }
    known
}

/// People taken on, with the receipt to ask by.
pub fn accept<'j>(
    items: Vec<(ItemId, Option<Memo>)>,
    jobs: impl Iterator<Item = &'j Job> + Clone,
    mark: &str,
) -> Result<Vec<Accepted>, ConnectorError> {
    if items.is_empty() {
        return Ok(vec![]);
    }
    let ticket = Ticket::of(jobs, mark);
    let days: Vec<&str> = ticket.jobs.iter().map(|job| job.day.as_str()).collect();
    let days = days.join(", ");
    let evidence = Evidence::seen(format!("taken into the deletion job of {days}"))
        .reference(format!("deletion job of {days}"))
        .promised(PROMISE);
    Ok(vec![Accepted {
        items,
        receipt: Some(Receipt::new(RECEIPT_FORMAT, &ticket)?),
        poll_after: DAY,
        done_within: DONE_WITHIN,
        evidence,
    }])
}

/// How the order's jobs stand, person by person. Only who is named in a finished job is told as
/// deleted: nothing follows from an entry that is not there.
pub fn standing(
    items: &[Item],
    ticket: &Ticket,
    listed: &[Job],
    mark: &str,
) -> Result<Answer, ConnectorError> {
    let Some(ours) = ticket.pick(listed, mark) else {
        let gone = || {
            ConnectorError::person(
                "Amplitude no longer lists the deletion job; look for it there, then retry",
            )
        };
        let items = items.iter().map(|item| (item.id, ItemAnswer::Failed(gone()))).collect();
        return Ok(Answer { items, accepted: vec![] });
    };
    if ours.iter().any(|job| job.status == Status::Other) {
        return Err(ConnectorError::unknown("a job status that the vendor does not document"));
    }
    let done = ours.iter().all(|job| job.status == Status::Done);
    let named: BTreeSet<u64> =
        ours.iter().flat_map(|job| &job.entries).map(|entry| entry.amplitude_id).collect();
    // whose ids the vendor never told is named only while nobody of the order is missing
    let whole = ticket.entries > 0 && marked(ours.iter().copied(), mark).len() >= ticket.entries;
    let mut answer = Answer::default();
    for item in items {
        let known = Known::of(item)?;
        let missing = if known.is_empty() { done && !whole } else { !known.is_subset(&named) };
        let one = if missing {
            ItemAnswer::Failed(ConnectorError::person(
                "Amplitude's deletion job does not name this person any more: taken out there?",
            ))
        } else if done {
            let days: Vec<&str> = ours.iter().map(|job| job.day.as_str()).collect();
            let days = days.join(", ");
            let evidence =
                Evidence::seen(format!("the deletion job of {days} is done and names the person"))
                    .reference(format!("deletion job of {days}"));
            ItemAnswer::Confirmed(evidence)
        } else {
            ItemAnswer::StillGoing { poll_after: DAY }
        };
        answer.items.push((item.id, one));
    }
    Ok(answer)
}

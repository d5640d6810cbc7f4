//! A vendor's own list of people, held against the suppression list: who stands on ours and is in
//! theirs. A scan only looks; whoever is news is put before a person, and nobody is named in it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    AccountId, ControllerId, Scope, Timestamp,
    desk::Reason,
    suppression::{Kind, Observed, Suppression},
    watch::{Explained, Explanation, Watch, WatchState},
};

/// A page that fails is asked for again so much later, then twice as long, up to [`LONGEST_WAIT`].
const TRY_AGAIN: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// So many failures in a row end a scan.
const MOST_FAILURES: u32 = 8;

/// How many people a page, or a whole scan, has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub people: u64,
    /// People without an identifier that could be compared.
    pub not_comparable: u64,
    /// People of whom an entry in force speaks; each is counted once more below.
    pub hits: u64,
    /// Put on the desk by this scan.
    pub opened: u64,
    /// On the desk already.
    pub on_desk: u64,
    /// The account was told to leave them alone, which takes a record there.
    pub expected: u64,
    /// Within the time that the vendor takes by its own word.
    pub not_yet: u64,
    /// A person has said before that they came back by their own act.
    pub explained: u64,
}

impl Tally {
    fn add(&mut self, more: &Self) {
        self.people += more.people;
        self.not_comparable += more.not_comparable;
        self.hits += more.hits;
        self.opened += more.opened;
        self.on_desk += more.on_desk;
        self.expected += more.expected;
        self.not_yet += more.not_yet;
        self.explained += more.explained;
    }

    /// Counts somebody of whom an entry speaks.
    pub fn hit(&mut self, weight: Weight) {
        self.hits += 1;
        match weight {
            Weight::News(_) => self.opened += 1,
            Weight::OnDesk => self.on_desk += 1,
            Weight::Expected => self.expected += 1,
            Weight::NotYet => self.not_yet += 1,
            Weight::Explained => self.explained += 1,
        }
    }
}

/// Where a scan stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ScanState {
    /// The next page is asked for at `next`.
    Walking { next: Timestamp },
    /// The vendor has shown its last page.
    Ended { at: Timestamp },
    /// The rest of the list was not seen.
    GivenUp { at: Timestamp, why: String },
}

impl ScanState {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Walking { .. } => "walking",
            Self::Ended { .. } => "ended",
            Self::GivenUp { .. } => "given up",
        }
    }
}

/// One walk through the list of one account; numbers alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    pub account: AccountId,
    pub controller: ControllerId,
    /// The scope of the entries that are looked for.
    pub scope: Scope,
    /// Who asked for it.
    pub by: String,
    pub begun_at: Timestamp,
    pub pages: u64,
    pub tally: Tally,
    /// Failures one after the other.
    #[serde(default, skip_serializing_if = "crate::journal::is_zero")]
    pub failures: u32,
    #[serde(flatten)]
    pub state: ScanState,
}

impl Scan {
    #[must_use]
    pub fn begin(
        account: AccountId,
        controller: ControllerId,
        scope: Scope,
        by: &str,
        now: Timestamp,
    ) -> Self {
        Self {
            account,
            controller,
            scope,
            by: by.to_owned(),
            begun_at: now,
            pages: 0,
            tally: Tally::default(),
            failures: 0,
            state: ScanState::Walking { next: now },
        }
    }

    /// When it goes on, while it does.
    #[must_use]
    pub const fn next(&self) -> Option<Timestamp> {
        match &self.state {
            ScanState::Walking { next } => Some(*next),
            ScanState::Ended { .. } | ScanState::GivenUp { .. } => None,
        }
    }
}

/// What can happen to a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Page {
        tally: Tally,
        /// Whether the vendor has more.
        more: bool,
    },
    /// A page could not be read; `hopeless` when no repeat will help.
    Failed { why: String, retry_after: Option<Duration>, hopeless: bool },
}

impl Event {
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Page { .. } => "shown a page",
            Self::Failed { .. } => "refused a page",
        }
    }
}

/// A move the table does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scan that is {state} cannot be {event}")]
pub struct Refusal {
    pub state: &'static str,
    pub event: &'static str,
}

/// The one door of a scan.
///
/// # Errors
/// [`Refusal`] naming state and event.
pub fn apply(scan: &Scan, event: &Event, now: Timestamp) -> Result<Scan, Refusal> {
    let mut next = scan.clone();
    match (&scan.state, event) {
        (ScanState::Walking { .. }, Event::Page { tally, more }) => {
            next.pages += 1;
            next.tally.add(tally);
            next.failures = 0;
            next.state =
                if *more { ScanState::Walking { next: now } } else { ScanState::Ended { at: now } };
        }
        (ScanState::Walking { .. }, Event::Failed { why, retry_after, hopeless }) => {
            next.failures += 1;
            next.state = if *hopeless || next.failures >= MOST_FAILURES {
                ScanState::GivenUp { at: now, why: why.clone() }
            } else {
                let doubled = TRY_AGAIN.saturating_mul(1 << (next.failures - 1).min(16));
                let wait = doubled.min(LONGEST_WAIT).max(retry_after.unwrap_or_default());
                ScanState::Walking { next: now.plus(wait) }
            };
        }
        (
            ScanState::Ended { .. } | ScanState::GivenUp { .. },
            Event::Page { .. } | Event::Failed { .. },
        ) => return Err(Refusal { state: scan.state.word(), event: event.word() }),
    }
    Ok(next)
}

/// What is known of somebody whom a vendor's list shows: the entry in force that speaks of them, and
/// how they stand at that account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub entry: Suppression,
    /// What the account was told of the entry.
    pub observed: Option<Observed>,
    /// The watch over their erasure at that account, where there is one.
    pub watch: Option<Watch>,
    /// Whether an item about them at that account waits on the desk.
    pub on_desk: bool,
    /// How an earlier item about them at that account was explained last.
    pub explained: Option<Explanation>,
}

/// What somebody's being there means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A person has to look: `verified_before` when a look-up had found nobody there.
    News(Sighting),
    OnDesk,
    Expected,
    NotYet,
    Explained,
}

/// Somebody whom our list names is in the vendor's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    pub kind: Kind,
    pub verified_before: bool,
}

impl Sighting {
    /// `shown` are masked identifiers, enough for a colleague to recognise the record.
    #[must_use]
    pub const fn reason(self, shown: Vec<String>) -> Reason {
        Reason::OnTheList { kind: self.kind, verified_before: self.verified_before, shown }
    }
}

/// What a hit means. Somebody whom the vendor was told to leave alone may be there, for that takes a
/// record; somebody who was erased may be there until the vendor's own bound is over.
#[must_use]
pub fn weigh(known: &Known, now: Timestamp) -> Weight {
    let entry = &known.entry;
    let told = known.observed.is_some_and(Observed::is_told);
    if entry.kind == Kind::Sealed && told {
        return Weight::Expected;
    }
    let watched = known.watch.as_ref().map(|watch| &watch.state);
    let watched_desk = matches!(watched, Some(WatchState::SeenAgain { explained: None, .. }));
    if known.on_desk || watched_desk {
        return Weight::OnDesk;
    }
    let told_of = match watched {
        Some(WatchState::SeenAgain { explained: Some(Explained { explanation, .. }), .. }) => {
            Some(*explanation)
        }
        Some(
            WatchState::SeenAgain { explained: None, .. }
            | WatchState::Watching { .. }
            | WatchState::Ended { .. },
        )
        | None => None,
    };
    if known.explained.or(told_of) == Some(Explanation::ReturnedByOwnAct) {
        return Weight::Explained;
    }
    let verified_before = known.watch.as_ref().is_some_and(|watch| watch.verified);
    let bound = known.watch.as_ref().and_then(|watch| watch.bound_until);
    if !verified_before && bound.is_some_and(|at| at > now) {
        return Weight::NotYet;
    }
    Weight::News(Sighting { kind: entry.kind, verified_before })
}

#[cfg(test)]
mod tests;

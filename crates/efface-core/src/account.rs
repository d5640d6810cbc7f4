//! The account's own condition: mode, pause, breaker, credentials, quota, ceiling. A condition of
//! the account is never a state of a million tasks.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{EvidenceLevel, TaskAction, Timestamp, action::words};

words! {
    /// Accounts start in observe: look-ups only.
    Mode, "mode" {
        Observe = "observe",
        Live = "live",
    }
}

/// Stops calls to a vendor that fails, without dropping work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "breaker", rename_all = "snake_case")]
pub enum Breaker {
    #[default]
    Closed,
    Open {
        since: Timestamp,
        until: Timestamp,
        opened: u32,
    },
    /// One call is let through.
    HalfOpen {
        since: Timestamp,
        opened: u32,
    },
}

/// What is known of the key.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "credentials", rename_all = "snake_case")]
pub enum Credentials {
    #[default]
    Unproved,
    Good {
        at: Timestamp,
    },
    Refused {
        since: Timestamp,
        status: u16,
    },
}

/// Set by a person; ends by a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub by: String,
    pub reason: String,
    pub at: Timestamp,
}

/// People who may be erased or suppressed in one UTC day, whichever comes first for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    pub people_per_day: u32,
    /// `YYYY-MM-DD` (UTC) the count is for.
    pub day: String,
    pub used: u32,
    /// Raised for that day by a person.
    pub raised_by: u32,
}

impl Ceiling {
    /// How many more people may be started today.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> u32 {
        if self.day == now.utc_date() {
            (self.people_per_day.saturating_add(self.raised_by)).saturating_sub(self.used)
        } else {
            self.people_per_day
        }
    }

    /// Counts `people` as started today.
    pub fn take(&mut self, people: u32, now: Timestamp) {
        let today = now.utc_date();
        if self.day != today {
            self.day = today;
            self.used = 0;
            self.raised_by = 0;
        }
        self.used = self.used.saturating_add(people);
    }
}

/// A named person's decision that less evidence is enough at an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingDecision {
    pub level: EvidenceLevel,
    pub by: String,
    pub reason: String,
    /// `YYYY-MM-DD`.
    pub review_on: String,
    pub decided_at: Timestamp,
}

/// The account row's changing part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub mode: Mode,
    /// The vendor's own account id, pinned when the account was enabled; where the vendor tells none,
    /// `key:` and a digest of what names its key.
    pub pinned: Option<String>,
    pub pause: Option<Pause>,
    pub breaker: Breaker,
    pub credentials: Credentials,
    /// The vendor's quota is spent until then.
    pub quota_until: Option<Timestamp>,
    pub ceiling: Ceiling,
    /// Ceiling reached and not yet decided upon.
    pub ceiling_reached: bool,
    pub floors: Vec<(TaskAction, StandingDecision)>,
    /// Settings do not fit the vendor (list or project unknown there).
    pub settings_wrong: Option<String>,
}

impl Condition {
    #[must_use]
    pub fn new(people_per_day: u32) -> Self {
        Self {
            mode: Mode::Observe,
            pinned: None,
            pause: None,
            breaker: Breaker::Closed,
            credentials: Credentials::Unproved,
            quota_until: None,
            ceiling: Ceiling { people_per_day, day: String::new(), used: 0, raised_by: 0 },
            ceiling_reached: false,
            floors: vec![],
            settings_wrong: None,
        }
    }

    /// Whether a call may leave now, and if not, why and until when (`None` = until a person acts).
    #[must_use]
    pub fn stands_in_the_way(&self, now: Timestamp) -> Option<(String, Option<Timestamp>)> {
        if let Some(pause) = &self.pause {
            return Some((format!("paused by {}: {}", pause.by, pause.reason), None));
        }
        self.stands_in_the_way_of_a_recall(now)
    }

    /// As [`Self::stands_in_the_way`], of a call that changes something: an account that went back
    /// to observe looks people up and lets everything else wait, whatever was planned before.
    #[must_use]
    pub fn stands_in_the_way_of_a_change(
        &self,
        now: Timestamp,
    ) -> Option<(String, Option<Timestamp>)> {
        match self.mode {
            Mode::Observe => Some(("it is in observe and changes nothing".into(), None)),
            Mode::Live => self.stands_in_the_way(now),
        }
    }

    /// As [`Self::stands_in_the_way`], of a call that takes something back: a pause keeps new harm
    /// in, and does not keep old harm out there.
    #[must_use]
    pub fn stands_in_the_way_of_a_recall(
        &self,
        now: Timestamp,
    ) -> Option<(String, Option<Timestamp>)> {
        if let Credentials::Refused { status, .. } = self.credentials {
            return Some((format!("the vendor refuses the account's key (HTTP {status})"), None));
        }
        if let Some(detail) = &self.settings_wrong {
            return Some((format!("the account's settings do not fit the vendor: {detail}"), None));
        }
        if let Some(until) = self.quota_until.filter(|u| *u > now) {
            return Some(("the vendor's quota is spent".into(), Some(until)));
        }
        match self.breaker {
            Breaker::Open { until, .. } if until > now => {
                Some(("the vendor is failing; calls are held back".into(), Some(until)))
            }
            Breaker::Open { .. } | Breaker::HalfOpen { .. } | Breaker::Closed => None,
        }
    }

    /// How many more people may be started. A reached ceiling holds over midnight: nobody more
    /// before a person has decided.
    #[must_use]
    pub fn ceiling_left(&self, now: Timestamp) -> u32 {
        if self.ceiling_reached { 0 } else { self.ceiling.left(now) }
    }

    /// A person's word that a reached ceiling holds no longer: raised by its own size where today's
    /// number is spent, else today's number is free.
    pub fn lift_ceiling(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.ceiling_reached) {
            return;
        }
        self.ceiling.take(0, now);
        if self.ceiling.left(now) == 0 {
            self.ceiling.raised_by =
                self.ceiling.raised_by.saturating_add(self.ceiling.people_per_day);
        }
    }

    #[must_use]
    pub fn floor(&self, action: TaskAction, highest: EvidenceLevel) -> EvidenceLevel {
        self.floors.iter().rev().find(|(a, _)| *a == action).map_or(highest, |(_, d)| d.level)
    }
}

/// Recent calls of one account, kept by the lane's owner; the breaker itself is on the row.
#[derive(Clone, Debug, Default)]
pub struct BreakerWindow {
    started: Option<Timestamp>,
    calls: u32,
    failures: u32,
}

impl BreakerWindow {
    const LENGTH: Duration = Duration::from_secs(60);
    const LEAST_CALLS: u32 = 10;
    const FIRST_PAUSE: Duration = Duration::from_secs(30);
    const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

    /// Counts one call; the new breaker when it changes. Opens at ≥ 10 calls and ≥ 50 %
    /// infrastructure failures within 60 s; a half-open one decides by its single call.
    pub fn count(&mut self, breaker: Breaker, failed: bool, now: Timestamp) -> Option<Breaker> {
        match breaker {
            Breaker::HalfOpen { opened, .. } | Breaker::Open { opened, .. } => {
                *self = Self::default();
                if failed {
                    let pause = Self::FIRST_PAUSE
                        .saturating_mul(2u32.saturating_pow(opened.min(10)))
                        .min(Self::LONGEST_PAUSE);
                    Some(Breaker::Open { since: now, until: now.plus(pause), opened: opened + 1 })
                } else {
                    Some(Breaker::Closed)
                }
            }
            Breaker::Closed => {
                if self.started.is_none_or(|s| now.since(s) > Self::LENGTH) {
                    *self = Self { started: Some(now), calls: 0, failures: 0 };
                }
                self.calls += 1;
                self.failures += u32::from(failed);
                if self.calls >= Self::LEAST_CALLS && self.failures * 2 >= self.calls {
                    *self = Self::default();
                    return Some(Breaker::Open {
                        since: now,
                        until: now.plus(Self::FIRST_PAUSE),
                        opened: 1,
                    });
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn the_breaker_opens_on_half_of_ten_and_closes_after_one_good_call() {
        let mut window = BreakerWindow::default();
        let mut breaker = Breaker::Closed;
        for n in 0..10 {
            if let Some(next) = window.count(breaker, n % 2 == 0, NOW) {
                breaker = next;
            }
        }
        let Breaker::Open { until, opened: 1, .. } = breaker else { panic!("{breaker:?}") };
        assert_eq!(until, NOW.plus(Duration::from_secs(30)));
        let half = Breaker::HalfOpen { since: until, opened: 1 };
        assert!(matches!(window.count(half, true, until), Some(Breaker::Open { opened: 2, .. })));
        assert_eq!(window.count(half, false, until), Some(Breaker::Closed));
    }

    #[test]
    fn a_ceiling_counts_people_per_day() {
        let mut ceiling = Condition::new(3).ceiling;
        ceiling.take(2, NOW);
        assert_eq!(ceiling.left(NOW), 1);
        assert_eq!(ceiling.left(NOW.plus(Duration::from_secs(86_400))), 3);
        ceiling.take(5, NOW);
        assert_eq!(ceiling.left(NOW), 0);
        ceiling.raised_by = 10;
        assert_eq!(ceiling.left(NOW), 6);
    }

    #[test]
    fn a_reached_ceiling_holds_over_midnight_until_a_person_lifts_it() {
        let check = |lifted_at: Timestamp, want: u32| {
            let mut condition = Condition::new(3);
            condition.ceiling.take(3, NOW);
            condition.ceiling_reached = true;
            assert_eq!(condition.ceiling_left(NOW), 0);
            assert_eq!(condition.ceiling_left(lifted_at), 0);
            condition.lift_ceiling(lifted_at);
            assert_eq!(condition.ceiling_left(lifted_at), want);
            condition.lift_ceiling(lifted_at);
            assert_eq!(condition.ceiling_left(lifted_at), want, "one word counts once");
        };
        check(NOW, 3);
        check(NOW.plus(Duration::from_secs(86_400)), 3);
        check(NOW.plus(Duration::from_secs(30 * 86_400)), 3);
    }

    #[test]
    fn each_condition_says_what_it_is_and_until_when() {
        let mut c = Condition::new(10);
        assert_eq!(c.stands_in_the_way(NOW), None);
        assert!(c.stands_in_the_way_of_a_change(NOW).is_some());
        c.mode = Mode::Live;
        assert_eq!(c.stands_in_the_way_of_a_change(NOW), None);
        c.breaker =
            Breaker::Open { since: NOW, until: NOW.plus(Duration::from_secs(5)), opened: 1 };
        assert_eq!(
            c.stands_in_the_way(NOW).map(|h| h.1),
            Some(Some(NOW.plus(Duration::from_secs(5))))
        );
        assert_eq!(c.stands_in_the_way(NOW.plus(Duration::from_secs(6))), None);
        c.credentials = Credentials::Refused { since: NOW, status: 401 };
        assert_eq!(c.stands_in_the_way(NOW).map(|h| h.1), Some(None));
    }
}

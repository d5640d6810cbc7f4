//! What a verification found, in words.

use std::fmt;

use efface_core::{Timestamp, subject::Value, task::Task};
use serde::Serialize;

use super::LIMITS;

/// Every check of a pack, and what the proven leaves say.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Name and id of the key the pack was held against.
    pub key: String,
    pub checks: Vec<Check>,
    /// Where each task of the request stands by the leaves themselves; only in a verified pack. A
    /// record for people that says otherwise is wrong.
    pub standings: Vec<Standing>,
    /// Whom the request concerns, where an opening proves it; only in a verified pack.
    pub subject: Option<Subject>,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What holds when it holds, in words.
    pub claim: &'static str,
    pub finding: Finding,
}

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// With what it was found in.
    Holds(String),
    Fails(Vec<Failure>),
    /// Another check failed that this one rests on.
    CannotTell(String),
    /// The pack claims nothing of the kind.
    NotClaimed(String),
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The position of the leaf, where it is about one.
    pub leaf: Option<u64>,
    pub reason: String,
}

/// A task as its last leaf has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub task: Task,
    pub since: Timestamp,
    pub leaf: u64,
}

/// The identifier that an opening tells. Personal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Subject {
    pub kind: String,
    pub value: Value,
}

/// What the pack is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    Verified,
    /// What failed, and what could not be told for it.
    NotVerified(Vec<&'a Failure>),
}

impl Report {
    #[must_use]
    pub fn verdict(&self) -> Verdict<'_> {
        if self.is_verified() {
            return Verdict::Verified;
        }
        let failures = self.checks.iter().filter_map(|check| match &check.finding {
            Finding::Fails(failures) => Some(failures),
            Finding::Holds(_) | Finding::CannotTell(_) | Finding::NotClaimed(_) => None,
        });
        Verdict::NotVerified(failures.flatten().collect())
    }

    /// Nothing failed, and nothing was left open.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        let good = |check: &Check| match check.finding {
            Finding::Holds(_) | Finding::NotClaimed(_) => true,
            Finding::Fails(_) | Finding::CannotTell(_) => false,
        };
        !self.checks.is_empty() && self.checks.iter().all(good)
    }
}

impl Finding {
    /// Holds, unless something is wrong.
    pub(super) fn unless(failures: Vec<Failure>, holds: impl FnOnce() -> String) -> Self {
        if failures.is_empty() { Self::Holds(holds()) } else { Self::Fails(failures) }
    }

    pub(super) fn fails(reason: impl Into<String>) -> Self {
        Self::Fails(vec![Failure { leaf: None, reason: reason.into() }])
    }
}

impl Failure {
    pub(super) fn at(leaf: u64, reason: impl fmt::Display) -> Self {
        Self { leaf: Some(leaf), reason: reason.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.leaf {
            Some(leaf) => write!(f, "leaf {leaf}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { claim, finding } in &self.checks {
            match finding {
                Finding::Holds(what) => writeln!(f, "holds    {claim}: {what}")?,
                Finding::NotClaimed(what) => writeln!(f, "-        {claim}: {what}")?,
                Finding::CannotTell(why) => writeln!(f, "open     {claim}: {why}")?,
                Finding::Fails(failures) => {
                    writeln!(f, "FAILS    {claim}")?;
                    for failure in failures {
                        writeln!(f, "           {failure}")?;
                    }
                }
            }
        }
        if !self.is_verified() {
            return writeln!(f, "NOT VERIFIED with the key {}", self.key);
        }
        writeln!(f, "VERIFIED with the key {}", self.key)?;
        writeln!(f, "Not proven:")?;
        for limit in LIMITS {
            writeln!(f, "- {limit}")?;
        }
        Ok(())
    }
}

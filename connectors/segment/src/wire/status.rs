//! What a regulation's status means: Segment's own part, and each destination's. Pure and total.

use serde::Deserialize;

use super::Regulation;

/// The status of a regulation or of one destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Status {
    Initialized,
    Running,
    Finished,
    PartialSuccess,
    Failed,
    Invalid,
    NotSupported,
    /// A word this connector does not know.
    Strange,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Initialized => "INITIALIZED",
            Self::Running => "RUNNING",
            Self::Finished => "FINISHED",
            Self::PartialSuccess => "PARTIAL_SUCCESS",
            Self::Failed => "FAILED",
            Self::Invalid => "INVALID",
            Self::NotSupported => "NOT_SUPPORTED",
            Self::Strange => "a word nobody knows",
        }
    }

    const fn is_under_way(self) -> bool {
        matches!(self, Self::Initialized | Self::Running)
    }

    const fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Invalid | Self::PartialSuccess)
    }
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        let known = [
            Self::Initialized,
            Self::Running,
            Self::Finished,
            Self::PartialSuccess,
            Self::Failed,
            Self::Invalid,
            Self::NotSupported,
        ];
        known.into_iter().find(|status| status.word() == word).unwrap_or(Self::Strange)
    }
}

/// What one destination (or one of Segment's own systems) reports.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Entry {
    #[serde(default)]
    pub name: String,
    pub status: Status,
}

/// Where a regulation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub overall: Status,
    /// Over all streams.
    pub entries: Vec<Entry>,
}

/// What a standing means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    StillGoing,
    /// Segment's own part is done; `forwarded` when a destination was handed the request.
    Done {
        forwarded: bool,
    },
    /// Segment refuses the regulation itself.
    Invalid,
    /// Not decided by what Segment says.
    Unclear(&'static str),
}

/// Decides from every entry, not from the overall word alone: that one says FAILED also when nothing
/// but a destination failed that takes no deletions. `own` are the names of Segment's own systems.
pub fn judge(standing: &Standing, regulation: Regulation, own: &[String]) -> Verdict {
    match standing.overall {
        Status::Initialized | Status::Running => Verdict::StillGoing,
        Status::Invalid => Verdict::Invalid,
        Status::NotSupported => Verdict::Unclear("Segment does not support this regulation"),
        Status::Strange => Verdict::Unclear("the regulation has a status nobody knows"),
        Status::Finished | Status::PartialSuccess | Status::Failed => {
            ended(standing, regulation, own)
        }
    }
}

fn ended(standing: &Standing, regulation: Regulation, own: &[String]) -> Verdict {
    let statuses = || standing.entries.iter().map(|entry| entry.status);
    if statuses().any(|status| status == Status::Strange) {
        return Verdict::Unclear("a destination has a status nobody knows");
    }
    if statuses().any(Status::is_under_way) {
        return Verdict::StillGoing;
    }
    let is_own = |entry: &&Entry| own.iter().any(|name| name.eq_ignore_ascii_case(&entry.name));
    let (mine, others): (Vec<&Entry>, Vec<&Entry>) = standing.entries.iter().partition(is_own);
    let told = standing.overall == Status::Finished || !mine.is_empty();
    if !told || mine.iter().any(|entry| entry.status != Status::Finished) {
        return Verdict::Unclear("it is not told whether Segment's own systems finished");
    }
    let failed = others.iter().any(|entry| entry.status.is_bad());
    if regulation.forwards() {
        if failed {
            return Verdict::Unclear("a destination failed");
        }
        let forwarded = others.iter().any(|entry| entry.status == Status::Finished);
        return Verdict::Done { forwarded };
    }
    // destinations were not asked; yet without names any entry may be one of Segment's own
    if failed && mine.is_empty() {
        return Verdict::Unclear("FINISHED as a whole, and failed in part");
    }
    Verdict::Done { forwarded: false }
}

/// `FINISHED; 2 entries FINISHED, 1 NOT_SUPPORTED`
pub fn in_words(standing: &Standing) -> String {
    let kinds = [
        Status::Finished,
        Status::NotSupported,
        Status::PartialSuccess,
        Status::Failed,
        Status::Invalid,
        Status::Initialized,
        Status::Running,
        Status::Strange,
    ];
    let count = |kind| standing.entries.iter().filter(|entry| entry.status == kind).count();
    let counts: Vec<String> = kinds
        .into_iter()
        .filter(|kind| count(*kind) > 0)
        .map(|kind| format!("{} {}", count(kind), kind.word()))
        .collect();
    let overall = standing.overall.word();
    if counts.is_empty() {
        format!("regulation {overall}, no entries")
    } else {
        format!("regulation {overall}; entries: {}", counts.join(", "))
    }
}

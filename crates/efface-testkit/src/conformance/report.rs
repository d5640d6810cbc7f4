//! A vendor's report: which sentences hold.

use std::fmt::Write as _;

use efface_connector::fake::Excuse;

use super::{Broken, Kept};

/// Sentences that no vendor is excused from.
const NEVER_EXCUSED: &[&str] = &["privacy", "server-error", "unreadable", "foreign-404"];

/// How one sentence fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Holds,
    /// The vendor offers nothing the sentence is about.
    NotApplicable(String),
    /// It cannot hold, for a documented reason.
    Excused(&'static str),
    Fails(String),
}

/// One sentence and its verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// A short name, by which a vendor may be excused.
    pub id: String,
    pub sentence: String,
    pub verdict: Verdict,
}

/// All sentences of one vendor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub vendor: String,
    pub rows: Vec<Row>,
}

impl Report {
    /// A suite that could not even begin.
    #[must_use]
    pub fn broken(vendor: &str, why: String) -> Self {
        let row = Row {
            id: "starts".into(),
            sentence: "the suite can be run at all".into(),
            verdict: Verdict::Fails(why),
        };
        Self { vendor: vendor.to_owned(), rows: vec![row] }
    }

    pub(crate) fn new(vendor: &str, kept: Vec<(String, String, Kept)>, excuses: &[Excuse]) -> Self {
        let mut rows: Vec<Row> = vec![];
        for (id, sentence, kept) in kept {
            let excuse = excuses.iter().find(|excuse| excuse.sentence == id);
            let verdict = match (kept, excuse) {
                (Ok(()), None) => Verdict::Holds,
                (Ok(()), Some(_)) => Verdict::Fails("holds, though it is excused".into()),
                (Err(Broken::NotApplicable(why)), _) => Verdict::NotApplicable(why),
                (Err(Broken::By(_)), Some(excuse)) if !NEVER_EXCUSED.contains(&id.as_str()) => {
                    Verdict::Excused(excuse.reason)
                }
                (Err(Broken::By(why)), _) => Verdict::Fails(why),
            };
            rows.push(Row { id, sentence, verdict });
        }
        for excuse in excuses {
            if !rows.iter().any(|row| row.id == excuse.sentence) {
                rows.push(Row {
                    id: excuse.sentence.into(),
                    sentence: "every excuse is about a sentence of the suite".into(),
                    verdict: Verdict::Fails(format!("there is no sentence {}", excuse.sentence)),
                });
            }
        }
        Self { vendor: vendor.to_owned(), rows }
    }

    /// Each sentence with its result: what does not apply and what is excused counts as kept.
    pub fn results(&self) -> impl Iterator<Item = (&str, Result<(), &str>)> {
        self.rows.iter().map(|row| match &row.verdict {
            Verdict::Holds | Verdict::NotApplicable(_) | Verdict::Excused(_) => {
                (row.sentence.as_str(), Ok(()))
            }
            Verdict::Fails(why) => (row.sentence.as_str(), Err(why.as_str())),
        })
    }

    /// The broken sentences, in words.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.rows
            .iter()
            .filter_map(|row| match &row.verdict {
                Verdict::Fails(why) => {
                    Some(format!("{}: [{}] {}: {why}", self.vendor, row.id, row.sentence))
                }
                Verdict::Holds | Verdict::NotApplicable(_) | Verdict::Excused(_) => None,
            })
            .collect()
    }
}

/// All reports as one table for people.
#[must_use]
pub fn table(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        // writing to a String cannot fail
        let _ = writeln!(text, "\n{}", report.vendor);
        for row in &report.rows {
            let verdict = match &row.verdict {
                Verdict::Holds => "holds".to_owned(),
                Verdict::NotApplicable(why) => format!("does not apply: {why}"),
                Verdict::Excused(why) => format!("excused: {why}"),
                Verdict::Fails(why) => format!("FAILS: {why}"),
            };
            let _ = writeln!(text, "  {:<24} {:<72} {verdict}", row.id, row.sentence);
        }
    }
    text
}

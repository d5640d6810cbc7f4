//! The figures of a scene, to be quoted.

use std::{collections::BTreeMap, time::Duration};

use super::Database;
use crate::oracle::Tally;

/// What one scene did and what the oracle counted, over all its rounds.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Faults that hit work under way.
    pub trials: usize,
    /// Faults that met nothing under way: not counted.
    pub missed: usize,
    pub requests: usize,
    /// Calls the vendors carried out.
    pub calls: usize,
    pub orders: usize,
    /// Orders whose answer was lost at least once.
    pub unknown: usize,
    /// By class: orders sent again, and calls a vendor saw again.
    pub repeats: BTreeMap<&'static str, (usize, usize)>,
    /// How long a lane was nobody's, or the work stood still.
    pub takeovers: Vec<Duration>,
    /// Commits of somebody who no longer held the lane; `None` where nobody else could hold it.
    pub stale: Option<i64>,
    pub lost: usize,
    pub without_call: usize,
    pub forbidden_repeats: usize,
    /// Decisions a person had to make, so that everything closed.
    pub decided: usize,
    /// What a reader should know beside the numbers.
    pub notes: Vec<String>,
}

impl Figures {
    /// Adds what the oracle counted at the end of a round.
    pub fn judged(&mut self, requests: usize, tally: &Tally) {
        self.requests += requests;
        self.calls += tally.calls;
        self.orders += tally.orders;
        self.unknown += tally.unknown_orders;
        self.lost += tally.lost;
        self.without_call += tally.without_call;
        self.forbidden_repeats += tally.forbidden_repeats;
        for (class, (orders, calls)) in &tally.repeats {
            let sum = self.repeats.entry(class).or_default();
            *sum = (sum.0 + orders, sum.1 + calls);
        }
    }

    /// Adds another round, or another world of the same scene.
    pub fn add(&mut self, other: Self) {
        self.trials += other.trials;
        self.missed += other.missed;
        self.requests += other.requests;
        self.calls += other.calls;
        self.orders += other.orders;
        self.unknown += other.unknown;
        self.lost += other.lost;
        self.without_call += other.without_call;
        self.forbidden_repeats += other.forbidden_repeats;
        self.decided += other.decided;
        self.takeovers.extend(other.takeovers);
        for (class, (orders, calls)) in other.repeats {
            let sum = self.repeats.entry(class).or_default();
            *sum = (sum.0 + orders, sum.1 + calls);
        }
        if let Some(stale) = other.stale {
            *self.stale.get_or_insert(0) += stale;
        }
        for note in other.notes {
            self.note(note);
        }
    }

    /// Says something once.
    pub fn note(&mut self, words: impl Into<String>) {
        let words = words.into();
        if !self.notes.contains(&words) {
            self.notes.push(words);
        }
    }

    /// Median and longest.
    fn takeover(&self) -> String {
        let mut all = self.takeovers.clone();
        all.sort();
        match (all.get(all.len() / 2), all.last()) {
            (Some(middle), Some(longest)) => {
                format!("{} / {}", middle.as_millis(), longest.as_millis())
            }
            _ => "-".to_owned(),
        }
    }

    fn repeated(&self) -> String {
        let each = self.repeats.iter().filter(|(_, (orders, calls))| orders + calls > 0);
        let each: Vec<String> =
            each.map(|(class, (orders, calls))| format!("{class} {orders}/{calls}")).collect();
        if each.is_empty() { "none".to_owned() } else { each.join(", ") }
    }
}

/// How a scene ended.
pub struct Row {
    pub scene: &'static str,
    pub database: Database,
    pub seed: u64,
    pub took: Duration,
    /// Why it failed, else its figures.
    pub figures: Result<Figures, String>,
}

const HEADS: [&str; 13] = [
    "scene",
    "database",
    "seed",
    "trials",
    "missed",
    "requests",
    "calls",
    "orders",
    "lost answers",
    "takeover ms, median / longest",
    "stale",
    "lost | no call | forbidden",
    "seconds",
];

/// The table of a run, and beneath it what does not fit a column.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut cells: Vec<Vec<String>> = vec![HEADS.map(str::to_owned).to_vec()];
    let mut below = vec![];
    for row in rows {
        let head = [row.scene.to_owned(), row.database.word().to_owned(), row.seed.to_string()];
        let seconds = row.took.as_secs().to_string();
        let mut line = head.to_vec();
        match &row.figures {
            Ok(f) => {
                line.extend(
                    [f.trials, f.missed, f.requests, f.calls, f.orders, f.unknown]
                        .map(|n| n.to_string()),
                );
                let stale = f.stale.map_or_else(|| "-".to_owned(), |n| n.to_string());
                let wrong = format!("{} | {} | {}", f.lost, f.without_call, f.forbidden_repeats);
                line.extend([f.takeover(), stale, wrong, seconds]);
                let mut told = vec![format!("sent again, orders/calls: {}", f.repeated())];
                if f.decided > 0 {
                    told.push(format!("{} decisions at the desk", f.decided));
                }
                told.extend(f.notes.iter().cloned());
                below.push(format!(
                    "{} on {}: {}",
                    row.scene,
                    row.database.word(),
                    told.join("; ")
                ));
            }
            Err(why) => {
                line.push("FAILED".to_owned());
                line.resize(HEADS.len() - 1, String::new());
                line.push(seconds);
                let first = why.lines().next().unwrap_or_default();
                below.push(format!("{} on {} FAILED: {first}", row.scene, row.database.word()));
            }
        }
        cells.push(line);
    }
    let wide = |n: usize| cells.iter().map(|c| c[n].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEADS.len()).map(wide).collect();
    let line = |cells: &Vec<String>| {
        let padded: Vec<String> =
            cells.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text: Vec<String> = cells.iter().map(line).collect();
    text.push(String::new());
    text.extend(below);
    text.join("\n")
}

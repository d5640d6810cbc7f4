//! The vendors' stand-ins in a process of their own: what they log is the truth, whatever becomes
//! of a worker.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use efface_connector::fake::{Fault, LogLine};
use efface_core::IdentifierKind;
use serde::{Deserialize, Serialize};

/// The key every stand-in accepts.
pub const KEY: &str = "demo-key";

/// One stand-in, as its process announces it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StandIn {
    pub vendor: String,
    pub base_url: String,
    pub settings: serde_json::Value,
    pub log: PathBuf,
}

/// What the stand-ins are told on their input, one JSON line each; each is answered by one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// How many people does each still hold?
    People,
    /// An answer takes from so many milliseconds to so many.
    Latency { low: u64, high: u64 },
    /// For a part of the time, in per cent, a vendor has one of these troubles.
    Storm { seed: u64, percent: u64, troubles: Vec<Trouble> },
    /// All is well again.
    Calm,
    /// One vendor accepts this key from now on.
    Key { vendor: String, key: String },
}

/// How a vendor fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// 429 with `Retry-After`.
    Limited,
    /// 500.
    Broken,
    /// 503.
    Away,
    /// Does it and never answers.
    SilentAfter,
    /// Does nothing and never answers.
    SilentBefore,
    /// Does it and breaks the answer off.
    BreaksOff,
    /// Does it and answers nonsense.
    Nonsense,
    /// Answers long after.
    Slow,
}

impl Trouble {
    pub const ALL: [Self; 8] = [
        Self::Limited,
        Self::Broken,
        Self::Away,
        Self::SilentAfter,
        Self::SilentBefore,
        Self::BreaksOff,
        Self::Nonsense,
        Self::Slow,
    ];

    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::Limited => Fault::limited("retry-after", "1"),
            Self::Broken => Fault::status(500),
            Self::Away => Fault::status(503),
            Self::SilentAfter => Fault::SilenceAfter,
            Self::SilentBefore => Fault::SilenceBefore,
            Self::BreaksOff => Fault::BreakAfter,
            Self::Nonsense => Fault::GarbageAfter,
            Self::Slow => Fault::Slow(Duration::from_millis(700)),
        }
    }
}

/// How the `n`-th person is known, everywhere.
#[must_use]
pub fn person(n: u32) -> Vec<(IdentifierKind, String)> {
    vec![
        (IdentifierKind::Email, format!("person{n}@example.com")),
        (IdentifierKind::UserId, format!("user-{n}")),
    ]
}

/// The running process; ends when dropped.
pub struct Vendors {
    pub all: Vec<StandIn>,
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Vendors {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Vendors {
    /// Starts `program` over `folder`, with `people` held by every vendor.
    ///
    /// # Panics
    /// When it does not come up: this is a test's wiring.
    #[must_use]
    pub fn start(program: &Path, folder: &Path, people: u32) -> Self {
        let mut child = Command::new(program)
            .arg(folder)
            .arg(people.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the stand-ins start");
        let ask = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output"));
        let mut vendors = Self { all: vec![], child, ask, answers };
        vendors.all = serde_json::from_str(&vendors.line()).expect("the stand-ins' list");
        vendors
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the stand-ins answer");
        line
    }

    fn tell(&mut self, word: &Word) -> String {
        let word = serde_json::to_string(word).expect("a word");
        writeln!(self.ask, "{word}").expect("the stand-ins listen");
        self.line()
    }

    /// How many people each vendor still holds.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn people(&mut self) -> BTreeMap<String, usize> {
        serde_json::from_str(&self.tell(&Word::People)).expect("numbers")
    }

    /// Changes how they behave; it is so when this returns.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn behave(&mut self, word: &Word) {
        let answer = self.tell(word);
        assert_eq!(answer.trim(), "null", "{word:?}");
    }

    /// How long the logs are together: grows with every call that was carried out.
    #[must_use]
    pub fn logged_bytes(&self) -> u64 {
        self.all.iter().filter_map(|v| fs::metadata(&v.log).ok()).map(|m| m.len()).sum()
    }

    /// Everything that was carried out, by vendor.
    ///
    /// # Panics
    /// When a log cannot be read.
    #[must_use]
    pub fn logs(&self) -> BTreeMap<String, Vec<LogLine>> {
        let read = |path: &Path| {
            let text = fs::read_to_string(path).expect("a log");
            text.lines().map(|line| serde_json::from_str(line).expect("a line of a log")).collect()
        };
        self.all.iter().map(|v| (v.vendor.clone(), read(&v.log))).collect()
    }
}

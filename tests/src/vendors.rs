//! The vendors' stand-ins in a process of their own: what they log is the truth, whatever becomes
//! of a worker.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use efface_connector::fake::LogLine;
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

    /// How many people each vendor still holds.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn people(&mut self) -> BTreeMap<String, usize> {
        writeln!(self.ask, "people").expect("the stand-ins listen");
        serde_json::from_str(&self.line()).expect("numbers")
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

//! The fault harness: the real `efface` driven from outside while everything around it fails, with
//! the vendors' own logs in another process as the truth. Each scene ends with the oracle finding
//! nothing and with every request closed. `cargo xtask faults` runs them; a small size of each runs
//! with the other tests.

mod backup;
mod figures;
pub(crate) mod home;
mod hop;
pub mod inside;
pub(crate) mod process;
pub mod scenes;
mod schema;
mod stage;
pub mod variant;
pub mod witness;

use std::{path::PathBuf, pin::Pin, time::Duration};

pub use figures::{Figures, Row, table};
pub use home::Ways;
pub use process::beside;
pub use stage::Stage;

use crate::world::stopwatch;

/// What the workers keep their memory in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgresql,
}

impl Database {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgresql => "postgresql",
        }
    }
}

/// How much is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Minutes, with the other tests.
    Short,
    /// As long as it takes, or as it is given.
    Night,
}

/// What a scene is given.
#[derive(Clone, Debug)]
pub struct Setting {
    pub database: Database,
    pub tier: Tier,
    pub seed: u64,
    /// The program under test.
    pub efface: PathBuf,
    /// The vendors' program.
    pub stand_ins: PathBuf,
    /// No round begins after this moment of the stopwatch.
    pub until: Option<Duration>,
}

impl Setting {
    /// The short tier's setting, for a test.
    #[must_use]
    pub fn short(database: Database, stand_ins: &str) -> Self {
        Self {
            database,
            tier: Tier::Short,
            seed: 1,
            efface: process::efface(),
            stand_ins: stand_ins.into(),
            until: None,
        }
    }

    #[must_use]
    pub const fn trials(&self, short: usize, night: usize) -> usize {
        match self.tier {
            Tier::Short => short,
            Tier::Night => night,
        }
    }

    #[must_use]
    pub const fn people(&self, short: u32, night: u32) -> u32 {
        match self.tier {
            Tier::Short => short,
            Tier::Night => night,
        }
    }

    #[must_use]
    pub fn time_is_up(&self) -> bool {
        self.until.is_some_and(|until| stopwatch() > until)
    }

    /// Another throw of the same dice, for the `n`-th round.
    #[must_use]
    pub const fn seed_of(&self, n: usize) -> u64 {
        self.seed.wrapping_add((n as u64).wrapping_mul(0x1_0000_0001))
    }
}

/// A scene's work under way.
pub type Playing = Pin<Box<dyn Future<Output = Figures>>>;

/// One sort of fault.
pub struct Scene {
    pub name: &'static str,
    pub about: &'static str,
    pub databases: &'static [Database],
    pub tiers: &'static [Tier],
    /// Why it cannot be played on this machine.
    pub cannot: fn() -> Option<String>,
    pub play: fn(Setting) -> Playing,
}

/// What the harness knows to be missing, for its last lines.
pub const LEFT_OUT: &[(&str, &str)] = &[
    ("power loss, read-only disk, I/O errors", "need a file system of their own beneath SQLite"),
    (
        "a step of the wall clock that reaches the end of a cooling-off, of a phase's patience or of a wait",
        "these end by the wall clock, and what was to be due soon by a clock that was ahead is due as late as it said; what expires, is forgotten or is marked as late is not moved by it",
    ),
    (
        "a connector that panics or never ends",
        "no vendor's crate does; played in-process, in the tests of `faults_inside`; one that never yields its thread is not cut off",
    ),
    ("a vendor that says done and is not", "played in-process, in the tests of `faults`"),
    ("mass load, a day's soak", "`cargo xtask bench` measures load"),
];

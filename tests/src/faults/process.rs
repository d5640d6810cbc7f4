//! The real binary as a process that is killed, stopped, paused and woken from outside.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
};

/// The program `efface` of this build.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn efface() -> PathBuf {
    beside("efface")
}

/// A program of this build, by its name.
///
/// # Panics
/// When it was not built.
#[must_use]
pub fn beside(name: &str) -> PathBuf {
    let me = std::env::current_exe().expect("this test's own path");
    let name = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    // target/<profile>/deps/<this test>, or target/<profile>/<this program>
    let built = me.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    let found = built.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no {name} near {}: run `cargo build -p efface-cli` first, or `cargo xtask test`, which does", me.display())
    })
}

/// A running `efface worker`; killed when dropped.
pub struct WorkerProcess {
    child: Child,
    name: String,
    said: PathBuf,
    /// What others had said before.
    from: usize,
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // it may have ended by itself; one that sleeps dies as well
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl WorkerProcess {
    /// Starts one under a name of its own; what it says is added to `said`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(
        program: &Path,
        settings: &Path,
        said: &Path,
        name: &str,
        also: &[(&str, String)],
    ) -> Self {
        let path = said.to_owned();
        let said = File::options().create(true).append(true).open(said).expect("the worker's log");
        let from = fs::read(&path).map_or(0, |text| text.len());
        let child = Command::new(program)
            .arg("worker")
            .arg("--config")
            .arg(settings)
            .env("EFFACE__WORKER__NAME", name)
            .envs(also.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("the worker's log"))
            .stderr(said)
            .spawn()
            .expect("the worker starts");
        Self { child, name: name.to_owned(), said: path, from }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it said that it works: before that a signal ends it unheard.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        let said = fs::read(&self.said).unwrap_or_default();
        let said = String::from_utf8_lossy(said.get(self.from..).unwrap_or_default()).into_owned();
        said.lines().any(|line| line.contains(": working ") && line.contains(&self.name))
    }

    /// `kill -9`, and waits until it is dead.
    ///
    /// # Panics
    /// When it had ended before: that is not what a kill run is about.
    pub fn kill_9(mut self) {
        let ended = self.child.try_wait().expect("its status");
        assert!(ended.is_none(), "the worker had ended by itself: {ended:?}");
        self.child.kill().expect("killed");
        self.child.wait().expect("dead");
    }

    /// Whether it still runs, or sleeps.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn is_alive(&mut self) -> bool {
        self.ended().is_none()
    }

    /// How it ended, if it has.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its status")
    }

    /// Puts it to sleep in the middle of whatever it does (SIGSTOP).
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Wakes it (SIGCONT); it does not know that it slept.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    /// Asks it to stop (SIGTERM).
    pub fn ask_to_stop(&self) {
        self.signal("-TERM");
    }

    /// Asks it to stop and waits for its end.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().expect("its end")
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.child.id().to_string()).status();
        assert!(sent.expect("kill runs").success(), "{} takes no {signal}", self.name);
    }
}

/// How a command ended that somebody gave at a terminal.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended it.
    pub exit: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// Runs a command of the program to its end; a worker's would have this name.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn of(program: &Path, settings: &Path, name: &str, words: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(words).arg("--config").arg(settings);
        command.env("EFFACE__WORKER__NAME", name).stdin(Stdio::null());
        let output = command.output().expect("efface runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { exit: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The JSON it printed.
    ///
    /// # Panics
    /// When it printed something else.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Holds it against an exit code and words it must say.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    pub fn ends(&self, exit: i32, parts: &[&str]) {
        assert_eq!(self.exit, Some(exit), "{self:?}");
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "no {part:?} in {self:?}");
        }
    }
}

/// The last words of all workers, for a failure's message.
#[must_use]
pub fn last_words(said: &Path) -> String {
    let text = fs::read_to_string(said).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

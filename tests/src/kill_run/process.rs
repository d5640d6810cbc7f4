//! The real binary as a process that can be killed.

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
    let me = std::env::current_exe().expect("this test's own path");
    let name = format!("efface{}", std::env::consts::EXE_SUFFIX);
    // target/<profile>/deps/<this test>
    let built = me.ancestors().skip(1).take(2).map(|folder| folder.join(&name));
    let found = built.into_iter().find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no {name} near {}: run `cargo build -p efface-cli` first, or `cargo xtask test`, which does", me.display())
    })
}

/// A running `efface worker`; killed when dropped.
pub struct WorkerProcess {
    child: Child,
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        // it may have ended by itself
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl WorkerProcess {
    /// Starts one; what it says is added to `said`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(program: &Path, settings: &Path, said: &Path) -> Self {
        let said = File::options().create(true).append(true).open(said).expect("the worker's log");
        let child = Command::new(program)
            .arg("worker")
            .arg("--config")
            .arg(settings)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("the worker's log"))
            .stderr(said)
            .spawn()
            .expect("the worker starts");
        Self { child }
    }

    /// `kill -9`, and waits until it is dead.
    ///
    /// # Panics
    /// When it had ended before: that is not what this run is about.
    pub fn kill_9(mut self) {
        let ended = self.child.try_wait().expect("its status");
        assert!(ended.is_none(), "the worker had ended by itself: {ended:?}");
        self.child.kill().expect("killed");
        self.child.wait().expect("dead");
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When the system cannot tell.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("its status").is_none()
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status();
        assert!(asked.expect("kill runs").success(), "the worker cannot be asked to stop");
        self.child.wait().expect("its end")
    }
}

/// The last words of all workers, for a failure's message.
#[must_use]
pub fn last_words(said: &Path) -> String {
    let text = fs::read_to_string(said).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

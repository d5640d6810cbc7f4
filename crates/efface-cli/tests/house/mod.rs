//! A folder of its own for each test, and the real binary run in it.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

pub struct House {
    dir: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The JSON on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    #[track_caller]
    pub fn done(self) -> Self {
        assert_eq!(self.exit, 0, "{self:?}");
        self
    }

    #[track_caller]
    pub fn ends(&self, exit: i32, parts: &[&str]) {
        assert_eq!(self.exit, exit, "{self:?}");
        for part in parts {
            assert!(self.out.contains(part) || self.err.contains(part), "no {part:?} in {self:?}");
        }
    }
}

impl House {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { dir: TempDir::new().expect("a folder") }
    }

    /// A folder after `efface init`.
    pub fn new() -> Self {
        let house = Self::empty();
        house.run(&["init", "--time-zone", "Europe/Berlin"]).done();
        house
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_efface"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        command.env_remove("EFFACE_CONFIG");
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).output().expect("the binary runs");
        Ran {
            exit: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn append(&self, text: &str) {
        let path = self.path().join("efface.toml");
        let before = fs::read_to_string(&path).expect("settings");
        fs::write(path, format!("{before}\n{text}\n")).expect("written");
    }

    /// Files a request and returns its id.
    pub fn file(&self, more: &[&str]) -> String {
        let mut args = vec!["request", "file", "--json", "--email", "ada@example.org"];
        args.extend(more);
        let filed = self.run(&args).done().json();
        filed["request"]["id"].as_str().expect("an id").to_owned()
    }
}

//! The test runner: cargo-nextest where it is installed, else `cargo test`.

use std::io::IsTerminal as _;

use anyhow::{Context as _, Result, bail};

use crate::closing::{self, Closing};
use crate::deps::Manifest;
use crate::{postgres, shell};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runner {
    Nextest,
    CargoTest,
}

impl Runner {
    /// The one that is there, said aloud.
    pub fn choose() -> Self {
        if shell::succeeds(shell::cargo().args(["nextest", "--version"])) {
            eprintln!("test runner: cargo-nextest");
            Self::Nextest
        } else {
            eprintln!(
                "test runner: cargo test (cargo-nextest is not installed; it would be faster and name slow tests)"
            );
            Self::CargoTest
        }
    }

    /// Streams the run, ends with its closing lines.
    pub fn run(self, selection: &Selection, cluster_url: &str) -> Result<()> {
        let mut command = shell::cargo();
        match self {
            Self::Nextest => command.args([
                "nextest",
                "run",
                "--no-tests=pass",
                "--profile",
                selection.profile(),
            ]),
            Self::CargoTest => command.args(["test", "--no-fail-fast"]),
        };
        command.args(selection.arguments()).env(postgres::URL_VARIABLE, cluster_url);
        if std::io::stderr().is_terminal() {
            command.args(["--color", "always"]);
        }
        let words = shell::words(&command);
        eprintln!("== {words}");
        let mut closing = Closing::of(self);
        let status =
            closing::stream(&mut command, (std::io::stdout(), std::io::stderr()), &mut closing)
                .with_context(|| format!("cannot run `{words}`"))?;
        eprintln!("== closing lines of {}", self.name());
        for line in closing.lines() {
            eprintln!("{line}");
        }
        if !status.success() {
            bail!("tests failed ({status})");
        }
        Ok(())
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nextest => "cargo nextest",
            Self::CargoTest => "cargo test",
        }
    }
}

/// Which packages, and with which features.
pub enum Selection {
    Everything { features: Vec<String> },
    Packages { names: Vec<String>, features: Vec<String> },
}

impl Selection {
    pub fn everything(members: &[Manifest]) -> Self {
        Self::Everything { features: fakes_of(members.iter()) }
    }

    pub fn packages(names: Vec<String>, members: &[Manifest]) -> Self {
        let features = fakes_of(members.iter().filter(|member| names.contains(&member.name)));
        Self::Packages { names, features }
    }

    /// What goes after the subcommand, for every cargo command that takes packages.
    pub fn arguments(&self) -> Vec<String> {
        let (mut words, features) = match self {
            Self::Everything { features } => (vec!["--workspace".to_owned()], features),
            Self::Packages { names, features } => (
                names.iter().flat_map(|name| ["--package".to_owned(), name.clone()]).collect(),
                features,
            ),
        };
        if !features.is_empty() {
            words.extend(["--features".to_owned(), features.join(",")]);
        }
        words
    }

    fn profile(&self) -> &'static str {
        match self {
            Self::Everything { .. } => "ci",
            Self::Packages { .. } => "default",
        }
    }
}

/// Tests play with the fakes, so wherever a package has the feature it is on.
fn fakes_of<'a>(members: impl Iterator<Item = &'a Manifest>) -> Vec<String> {
    members
        .filter(|member| member.features().iter().any(|(feature, _)| *feature == "fake"))
        .map(|member| format!("{}/fake", member.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fakes_are_on_where_a_package_has_them() {
        let member = |name: &str, rest: &str| {
            let text = format!("[package]\nname = \"{name}\"\n{rest}");
            Manifest::parse("crates/x/Cargo.toml", text).unwrap()
        };
        let members = [
            member("a", ""),
            member("b", "[features]\nfake = []\n"),
            member("c", "[features]\nfake = []\n"),
        ];
        for (selection, expected) in [
            (Selection::everything(&members), "--workspace --features b/fake,c/fake"),
            (Selection::everything(&members[..1]), "--workspace"),
            (
                Selection::packages(vec!["a".into(), "c".into()], &members),
                "--package a --package c --features c/fake",
            ),
            (Selection::packages(vec!["a".into()], &members), "--package a"),
        ] {
            assert_eq!(selection.arguments().join(" "), expected);
        }
    }
}

//! `cargo xtask check`: what stands before a commit.

use anyhow::{Result, bail};

use crate::changed;
use crate::database::Cluster;
use crate::runner::{Runner, Selection};
use crate::tree::Tree;
use crate::{deps, generate, shell, tidy};

pub fn run() -> Result<()> {
    let members = deps::members(&Tree::of_the_workspace()?)?;
    let mut failures = Vec::new();
    let mut note = |outcome: Result<()>| {
        let failed = outcome.err().map(|error| format!("{error:#}"));
        let went_well = failed.is_none();
        failures.extend(failed);
        went_well
    };

    note(shell::run(shell::cargo().args(["fmt", "--all", "--check"])));
    note(tidy::run());
    note(deps::run());
    note(deny());
    let clippy = ["clippy", "--all-targets"];
    let everything = Selection::everything(&members).arguments();
    let compiles = note(shell::run(
        shell::cargo().args(clippy).args(everything).args(["--", "-D", "warnings"]),
    ));
    if compiles {
        note(generate::run(true));
        note(tests_of_what_changed(&members));
    } else {
        eprintln!("generated files and tests: left out, for the code does not pass clippy");
    }

    if failures.is_empty() {
        eprintln!("check: all well");
        return Ok(());
    }
    bail!("{}", failures.join("; "))
}

fn deny() -> Result<()> {
    if !shell::succeeds(shell::cargo().args(["deny", "--version"])) {
        eprintln!(
            "cargo deny: left out, for it is not installed (`cargo install cargo-deny --locked`)"
        );
        return Ok(());
    }
    shell::run(shell::cargo().args(["deny", "check"]))
}

fn tests_of_what_changed(members: &[deps::Manifest]) -> Result<()> {
    let changed = changed::since_head(members)?;
    if changed.everywhere {
        eprintln!(
            "the manifest or lock file of the workspace changed: `cargo xtask test` runs what else that touches"
        );
    }
    if changed.packages.is_empty() {
        eprintln!("tests: no package changed");
        return Ok(());
    }
    let cluster = Cluster::start()?;
    let tested =
        Runner::choose().run(&Selection::packages(changed.packages, members), &cluster.url);
    tested.and(cluster.stop())
}

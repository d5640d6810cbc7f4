//! `cargo xtask test`: everything, on a machine that has only Rust.

use anyhow::{Result, bail};

use crate::database::{Cluster, see_to_the_clock};
use crate::runner::{Runner, Selection};
use crate::tree::Tree;
use crate::{deps, tidy};

pub fn run() -> Result<()> {
    let cluster = Cluster::start()?;
    see_to_the_clock();
    // A broken rule does not hide what the tests have to say, nor the other way round.
    let rules = [tidy::run(), deps::run()];
    let members = deps::members(&Tree::of_the_workspace()?)?;
    let tests = Runner::choose().run(&Selection::everything(&members), &cluster.url);
    let stopped = cluster.stop();
    let failures: Vec<String> = rules
        .into_iter()
        .chain([tests, stopped])
        .filter_map(|outcome| outcome.err().map(|error| format!("{error:#}")))
        .collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("; "));
    }
    Ok(())
}

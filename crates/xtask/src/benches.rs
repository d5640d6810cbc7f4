//! `bench`, `simulate` and `faults`: programs of the tests package; the first two built for speed, the third
//! as the tests are, with every check of arithmetic.

use anyhow::{Result, ensure};

use crate::{database::see_to_the_clock, shell, tree};

pub fn bench(arguments: &[String]) -> Result<()> {
    there_is("bench")?;
    run("bench", &["--release"], arguments)
}

pub fn simulate(arguments: &[String]) -> Result<()> {
    there_is("simulate")?;
    run("simulate", &["--release"], arguments)
}

/// The harness starts programs that lie beside it.
pub fn faults(arguments: &[String]) -> Result<()> {
    there_is("faults")?;
    see_to_the_clock();
    shell::run(shell::cargo().args(["build", "-p", "efface-cli"]))?;
    shell::run(shell::cargo().args(["build", "-p", "efface-tests", "--bins"]))?;
    run("faults", &[], arguments)
}

fn there_is(program: &str) -> Result<()> {
    let source = format!("tests/src/bin/{program}.rs");
    ensure!(
        tree::root().join(&source).is_file(),
        "there is no {source}, so there is nothing to run as `{program}`"
    );
    Ok(())
}

fn run(program: &str, profile: &[&str], arguments: &[String]) -> Result<()> {
    let mut cargo = shell::cargo();
    cargo.arg("run").args(profile).args(["-p", "efface-tests", "--bin", program, "--"]);
    shell::run(cargo.args(arguments))
}

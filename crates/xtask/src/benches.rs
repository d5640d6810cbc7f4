//! `bench`, `faults` and `simulate`: programs of the tests package, built for speed.

use anyhow::{Result, ensure};

use crate::{shell, tree};

pub fn run(program: &str, arguments: &[String]) -> Result<()> {
    let source = format!("tests/src/bin/{program}.rs");
    ensure!(
        tree::root().join(&source).is_file()
            || tree::root().join(format!("tests/src/bin/{program}")).is_dir(),
        "there is no {source}, so there is nothing to run as `{program}`"
    );
    shell::run(
        shell::cargo()
            .args(["run", "--release", "-p", "efface-tests", "--bin", program, "--"])
            .args(arguments),
    )
}

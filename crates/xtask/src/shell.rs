//! Running other programs: say what runs, let it speak for itself, fail when it fails.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::tree;

/// A cargo command at the root of the workspace.
pub fn cargo() -> Command {
    program("cargo")
}

pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(tree::root());
    command
}

/// The command as one would type it; the environment is left out.
pub fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|word| word.to_string_lossy()));
    words.join(" ")
}

pub fn run(command: &mut Command) -> Result<()> {
    let words = words(command);
    eprintln!("== {words}");
    let status = command.status().with_context(|| format!("cannot start `{words}`"))?;
    if !status.success() {
        bail!("`{words}` failed ({status})");
    }
    Ok(())
}

/// What the command prints; its complaints go to our standard error.
pub fn answer(command: &mut Command) -> Result<String> {
    let words = words(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{words}`"))?;
    if !output.status.success() {
        bail!("`{words}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{words}` printed something else than text"))
}

/// Is this there at all? Asked of tools we can do without.
pub fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

//! Asking a person before something is done that cannot be undone.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Result;

use crate::exit::Failure;

/// Asks for a `yes` on a terminal; `--yes` answers beforehand.
///
/// # Errors
/// Refused when the person says no, or nobody is there to ask.
pub fn confirm(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::refused("nothing was done: this needs a confirmation")
            .hint("add --yes once you have read what it would do")
            .into());
    }
    write!(io::stderr(), "{question} [y/N] ")?;
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    Err(Failure::refused("nothing was done").into())
}

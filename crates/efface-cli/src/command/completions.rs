//! `efface completions`: a script for the shell.

use anyhow::Result;
use clap::{Args as ClapArgs, CommandFactory as _};
use clap_complete::Shell;

use crate::{args::Cli, exit::Exit, print};

const AFTER: &str = "\
Examples:
  efface completions bash > /etc/bash_completion.d/efface
  efface completions zsh > ~/.zfunc/_efface
  efface completions fish > ~/.config/fish/completions/efface.fish";

/// `efface completions`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// # Errors
/// When nobody reads the script.
pub fn run(args: &Args) -> Result<Exit> {
    // written to memory first: the generator panics on a closed pipe
    let mut script = vec![];
    clap_complete::generate(args.shell, &mut Cli::command(), "efface", &mut script);
    print::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Done)
}

//! THE FRONT DOOR: the binary `efface`. It reads the command line, wires the parts together and
//! ends with an exit code that means something.

mod args;
mod ask;
mod command;
mod demo;
mod exit;
mod history;
mod identifiers;
mod jobs;
mod print;
mod running;
mod show;
mod wiring;

use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow};
use clap::Parser as _;

use crate::{args::Cli, exit::Exit};

/// Many small, short-lived rows and bodies: the system's allocator would take a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Built by the fault harness to be broken: nobody may take it for a program of theirs.
#[cfg(any(
    feature = "crash-points",
    feature = "without-fencing",
    feature = "without-order-commit",
    feature = "newer-schema"
))]
fn say_that_it_is_broken() {
    eprintln!(
        "THIS EFFACE IS BROKEN ON PURPOSE, for the fault harness; never use it for real people"
    );
    #[cfg(feature = "crash-points")]
    efface_store::arm_crash_points();
}

fn main() -> ExitCode {
    #[cfg(any(
        feature = "crash-points",
        feature = "without-fencing",
        feature = "without-order-commit",
        feature = "newer-schema"
    ))]
    say_that_it_is_broken();
    let cli = Cli::parse();
    let json = cli.global.json;
    match run(cli) {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, json).into(),
    }
}

fn run(cli: Cli) -> Result<Exit> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow!("TLS was set up twice; please report this"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    let done = runtime.block_on(command::run(cli));
    // what is still out must not hold the process back: it is on record
    runtime.shutdown_background();
    done
}

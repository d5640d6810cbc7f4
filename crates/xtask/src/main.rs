//! The tool room: what is done to the code, as one command that knows none of the other crates.

mod benches;
mod changed;
mod check;
mod closing;
mod database;
mod deps;
mod finding;
mod generate;
mod new_connector;
// The same file the test kit offers to tests: here it starts one cluster for a whole run.
#[path = "../../efface-testkit/src/postgres.rs"]
#[expect(dead_code, reason = "what is only for tests of the other crates")]
mod postgres;
mod runner;
mod shell;
mod test;
mod tidy;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXAMPLES: &str = "\
Examples:
  cargo xtask test                     all a fresh machine needs, then every test
  cargo xtask check                    before a commit: lints, rules, tests of what changed
  cargo xtask tidy                     the rules of the source tree
  cargo xtask deps                     who may import whom
  cargo xtask generate --check         are the generated files as the code says?
  cargo xtask bench -- --people 100000
  cargo xtask faults --tier night --minutes 60
  cargo xtask simulate -- --seeds 10000
  cargo xtask new-connector braze      a folder and one line in the registry";

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Test, check, generate and measure.", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Set up what the tests need (PostgreSQL), apply the rules, run every test.
    #[command(after_help = "Uses cargo-nextest where it is installed, else `cargo test`.\n\
        With EFFACE_TEST_POSTGRES_URL set, the tests use that cluster (as a superuser).\n\n\
        Examples:\n  cargo xtask test\n  EFFACE_TEST_POSTGRES_URL=postgres://u:p@127.0.0.1/postgres cargo xtask test")]
    Test,
    /// What stands before a commit: fmt, clippy, tidy, deps, deny, generated files, tests of the changed crates.
    #[command(
        after_help = "Changed is what differs from HEAD, new files included.\n\nExample:\n  cargo xtask check"
    )]
    Check,
    /// The rules of the source tree: module docs, length, vendor names in their folders, fixed file sets.
    #[command(
        after_help = "Each line: where, what is wrong, what to do. The exceptions stand, with reasons, in tidy/data.rs.\n\nExample:\n  cargo xtask tidy"
    )]
    Tidy,
    /// The import table: fails on any other edge between the packages.
    #[command(after_help = "The table is deps/table.rs.\n\nExample:\n  cargo xtask deps")]
    Deps,
    /// Write the checked-in files that are made from the code.
    #[command(after_help = "Examples:\n  cargo xtask generate\n  cargo xtask generate --check")]
    Generate {
        /// Write nothing; fail if a file is not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// The measurements, in release build; what follows is passed on.
    #[command(after_help = "Examples:\n  cargo xtask bench\n  cargo xtask bench -- --help")]
    Bench {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The crash and fault runs; what follows is passed on.
    #[command(
        after_help = "Examples:\n  cargo xtask faults\n  cargo xtask faults --tier night --minutes 60\n  cargo xtask faults -- --help"
    )]
    Faults {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Simulated months of a worker's life, in release build; what follows is passed on.
    #[command(
        after_help = "Examples:\n  cargo xtask simulate -- --seeds 10000 --from 1\n  cargo xtask simulate -- --trace 32"
    )]
    Simulate {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write a vendor's folder and its line in the registry.
    #[command(
        after_help = "The id is the folder's name: lower-case words joined by hyphens.\n\nExample:\n  cargo xtask new-connector braze"
    )]
    NewConnector { id: String },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Test => test::run(),
        Task::Check => check::run(),
        Task::Tidy => tidy::run(),
        Task::Deps => deps::run(),
        Task::Generate { check } => generate::run(check),
        Task::Bench { arguments } => benches::bench(&arguments),
        Task::Faults { arguments } => benches::faults(&arguments),
        Task::Simulate { arguments } => benches::simulate(&arguments),
        Task::NewConnector { id } => new_connector::run(&id),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! One file per subcommand. Each opens what it needs, asks the store's door, and prints.

pub mod api_key;
pub mod audit;
pub mod completions;
pub mod config;
pub mod connector;
pub mod desk;
pub mod doctor;
pub mod evidence;
pub mod import;
pub mod init;
pub mod key;
pub mod migrate;
pub mod request;
pub mod restore;
pub mod schedule;
pub mod serve;
pub mod stop;
pub mod suppression;
pub mod task;
pub mod verify;
pub mod worker;

use anyhow::Result;

use crate::{
    args::{Cli, Command},
    exit::Exit,
    wiring::Context,
};

/// Carries a command out.
///
/// # Errors
/// With what stood in the way.
pub async fn run(cli: Cli) -> Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Demo(args) => {
            let folder = args.folder.display().to_string();
            tokio::select! {
                done = crate::demo::run(args, global) => done.map(|()| Exit::Done),
                () = import::interrupted() => anyhow::bail!(
                    "the demonstration was interrupted; what it has written stands in {folder}"
                ),
            }
        }
        Command::Init(args) => init::run(global, &args).await,
        Command::Migrate(args) => migrate::run(global, &args).await,
        Command::Config(command) => config::run(global, &command),
        Command::Completions(args) => completions::run(&args),
        Command::Doctor(args) => doctor::run(global, &args).await,
        Command::Connector(command) => connector::run(global, command).await,
        Command::Serve(args) => serve::run(global, &args).await,
        Command::Worker(args) => worker::run(global, &args).await,
        Command::Request(command) => {
            let context = match command.plans() {
                true => Context::open(global).await?,
                false => Context::open_without_vendors(global).await?,
            };
            request::run(&context, *command).await
        }
        Command::Desk(command) => {
            desk::run(&Context::open_without_vendors(global).await?, command).await
        }
        Command::Task(command) => {
            task::run(&Context::open_without_vendors(global).await?, command).await
        }
        Command::Verify(args) => verify::run(global, &args),
        Command::Evidence(command) => {
            evidence::run(&Context::open_without_vendors(global).await?, command).await
        }
        Command::Audit(command) => {
            audit::run(&Context::open_without_vendors(global).await?, command).await
        }
        Command::Key(command) => key::run(global, command).await,
        Command::Suppression(command) => suppression::run(global, *command).await,
        Command::Restore(args) => restore::run(global, &args).await,
        Command::Stop(args) => stop::run(global, &args).await,
        Command::Schedule(command) => {
            schedule::run(&Context::open_without_vendors(global).await?, command).await
        }
        Command::ApiKey(command) => {
            api_key::run(&Context::open_without_vendors(global).await?, command).await
        }
    }
}

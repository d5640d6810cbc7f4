//! `efface serve`: the API and a worker in one process.

use std::{io::ErrorKind, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use clap::Args as ClapArgs;
use efface_api::{ApiOptions, ApiState};
use efface_settings::Settings;
use tokio::net::TcpListener;

use crate::{
    args::GlobalArgs,
    exit::{Exit, Failure},
    running::{self, Stop},
    wiring::Context,
};

const AFTER: &str = "\
Examples:
  efface serve
  EFFACE__SERVER__LISTEN=127.0.0.1:9000 efface serve
  efface serve --without-worker         the API alone, where workers run elsewhere

SIGTERM or Ctrl-C lets the calls under way end; a second one ends at once.";

/// `efface serve`
#[derive(Debug, ClapArgs)]
#[command(after_help = AFTER)]
pub struct Args {
    /// The API alone
    #[arg(long)]
    without_worker: bool,
}

/// # Errors
/// When the address is taken, the database does not answer, or no controller's days can be counted.
pub async fn run(global: &GlobalArgs, args: &Args) -> Result<Exit> {
    let context = Context::open(global).await?;
    need_some_zone(&context.settings)?;
    let _traces = running::log(&context.settings)?;
    let listener = listen(context.settings.server.listen).await?;
    let address = listener.local_addr().context("the address cannot be read back")?;
    let stop = Stop::on_signals()?;
    let server = &context.settings.server;
    let draining = stop.clone();
    let options = ApiOptions {
        max_body_bytes: usize::try_from(server.max_body_bytes).unwrap_or(usize::MAX),
        request_timeout: Duration::from_secs(server.request_timeout_seconds),
        ready: Arc::new(move || !draining.is_asked()),
    };
    let state = ApiState::new(context.store.clone(), options);
    tracing::info!(%address, "listening");
    let api = async {
        let stopped = stop.clone();
        let served = efface_api::serve(listener, state, async move { stopped.asked().await }).await;
        // whichever part ends first ends the other
        stop.ask();
        served.context("the API stopped")
    };
    let work = async {
        let done = match args.without_worker {
            true => {
                stop.asked().await;
                Ok(())
            }
            false => running::work(&context, &stop).await,
        };
        stop.ask();
        done
    };
    let (api, work) = tokio::join!(api, work);
    api.and(work)?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

/// A service that can take no request at all is better told now than at the first request.
fn need_some_zone(settings: &Settings) -> Result<()> {
    let mut first = None;
    for id in settings.controllers.keys() {
        match settings.controller_zone(id) {
            Ok(_) => return Ok(()),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = |why: String| Failure::new(Exit::Failed, format!("server.listen: {why}"));
        match error.kind() {
            ErrorKind::AddrInUse => failure(format!("{address} is taken by another program"))
                .hint("is efface running already? Else choose another port, e.g. EFFACE__SERVER__LISTEN=127.0.0.1:9000"),
            ErrorKind::PermissionDenied => failure(format!("{address}: this user may not listen there"))
                .hint("ports below 1024 need a right of their own; take one above"),
            ErrorKind::AddrNotAvailable => failure(format!("{address} is no address of this machine"))
                .hint("127.0.0.1 for this machine alone, 0.0.0.0 for every address it has"),
            _ => failure(format!("cannot listen on {address}: {error}")),
        }
        .into()
    })
}

//! What the standing processes share: logs, signals, the worker with its metronome.

use std::{
    fs::{self, File, TryLockError},
    io::IsTerminal as _,
    path::PathBuf,
    sync::Arc,
};

use anyhow::{Context as _, Result};
use efface_settings::Settings;
use efface_store::RestoreStage;
use efface_worker::{Metronome, Worker};
use tokio::sync::watch;
use tracing_subscriber::{
    EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use crate::{
    exit::{Exit, Failure},
    jobs,
    wiring::{Context, anchor, database_file, fleet, telemetry::Traces},
};

const METRONOME: &str = "tokio_cron_scheduler";

/// Sends logs to standard error, in the form the settings ask for, and traces to where they want them
/// as long as what is returned lives.
///
/// # Errors
/// When the filter cannot be read.
pub fn log(settings: &Settings) -> Result<Traces> {
    // the metronome tells of every tick; whoever wants to see that names it
    let own = match settings.log.filter.contains(METRONOME) {
        true => settings.log.filter.clone(),
        false => format!("{},{METRONOME}=warn", settings.log.filter),
    };
    let filter = EnvFilter::try_new(&own).map_err(|error| {
        Failure::new(Exit::Failed, format!("config: log.filter cannot be read: {error}"))
            .hint("for example \"info\" or \"info,efface_worker=debug\"")
    })?;
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        // whoever reads the log may go away; the work goes on
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal());
    let lines = match settings.log.format.as_str() {
        "json" => lines.json().flatten_event(true).with_filter(filter).boxed(),
        _ => lines.with_filter(filter).boxed(),
    };
    let traces = Traces::to(&settings.telemetry)?;
    let set = tracing_subscriber::registry().with(lines).with(traces.layer()).try_init();
    set.map_err(|_| Failure::new(Exit::Failed, "the log was set up twice; please report this"))?;
    Ok(traces)
}

/// Whether this process was asked to stop.
#[derive(Clone)]
pub struct Stop {
    asked: Arc<watch::Sender<bool>>,
}

impl Stop {
    /// Asked by SIGTERM or Ctrl-C; a second one ends the process at once.
    ///
    /// # Errors
    /// When signals cannot be listened to.
    pub fn on_signals() -> Result<Self> {
        let stop = Self { asked: Arc::new(watch::Sender::new(false)) };
        let mut signals = Signals::listen().context("signals cannot be listened to")?;
        let asked = stop.clone();
        tokio::spawn(async move {
            signals.next().await;
            tracing::info!(
                "stopping; calls under way are waited for, a second signal ends at once"
            );
            asked.ask();
            signals.next().await;
            tracing::warn!("stopped at once; what was out is looked into at the next start");
            std::process::exit(i32::from(Exit::Failed as u8));
        });
        Ok(stop)
    }

    pub fn ask(&self) {
        self.asked.send_replace(true);
    }

    #[must_use]
    pub fn is_asked(&self) -> bool {
        *self.asked.borrow()
    }

    /// Resolves once asked.
    pub async fn asked(&self) {
        let mut seen = self.asked.subscribe();
        // the sender lives in `self`
        let _ = seen.wait_for(|asked| *asked).await;
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[expect(clippy::unnecessary_wraps, reason = "the shape of the other systems")]
    fn listen() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // without signals there is nobody to ask
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs a worker and the metronome until asked to stop.
///
/// # Errors
/// When a worker of this name runs on this machine, the lanes cannot be taken, or the database is not
/// the one whose checkpoints were anchored.
pub async fn work(context: &Context, stop: &Stop) -> Result<()> {
    let name = fleet::worker_name(&context.settings);
    let _lock = lock(&context.settings, &name)?;
    if let Some(folder) = &context.settings.ledger.anchor_folder {
        let warn = |odd: &str| tracing::warn!("{odd}");
        anchor::check_anchor(&context.store, folder, warn).await?;
        anchor::make(folder)?;
    }
    refuse_half_restored(context).await?;
    let options = fleet::options(&context.settings, name.clone());
    let fleet = fleet::fleet(context)?;
    context.store.listen().await.context("what other processes write cannot be heard")?;
    let hands = context.hands();
    let jobs = jobs::for_metronome(context, hands.clone()).await;
    let worker = Worker::new(context.store.clone(), fleet, hands.clone(), options);
    let metronome = Metronome::start(jobs, hands).await?;
    tracing::info!(worker = name, accounts = context.accounts.len(), "working");
    let done = worker.run(stop.asked()).await;
    metronome.stop().await;
    done.context("the worker stopped")
}

/// A database that was set back works on nothing before all of it was gone through, and sends nothing
/// before a person released it.
async fn refuse_half_restored(context: &Context) -> Result<()> {
    match context.store.open_restore().await?.map(|row| row.stage) {
        Some(RestoreStage::Begun) => {
            let message = "a restoration of this database was interrupted";
            let hint = "`efface restore` goes on with it";
            Err(Failure::refused(message).hint(hint).into())
        }
        Some(RestoreStage::Applied) => {
            tracing::warn!(
                "the database was set back to an older copy: nothing is sent before `efface restore --release`"
            );
            Ok(())
        }
        Some(RestoreStage::Released) | None => Ok(()),
    }
}

/// A worker takes back the lanes of its name at once; two of one name would take them from each
/// other. The lock ends with the process.
///
/// # Errors
/// When such a worker runs, or the lock cannot be made.
pub fn lock(settings: &Settings, name: &str) -> Result<File> {
    let path = lock_path(settings, name);
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open the worker's lock {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) if database_file(settings).is_some() => Err(Failure::new(
            Exit::Failed,
            "a worker runs on this SQLite database already, and SQLite has one writer".to_owned(),
        )
        .hint(
            "`efface serve --without-worker` gives the API alone; several workers need PostgreSQL",
        )
        .into()),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            Exit::Failed,
            format!("a worker named {name} runs on this machine already"),
        )
        .hint("two workers on one machine need two names: EFFACE__WORKER__NAME=second")
        .into()),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

/// Whether a worker of this name runs on this machine, by its lock; `None` where that cannot be told.
#[must_use]
pub fn is_worker_here(settings: &Settings, name: &str) -> Option<bool> {
    let file = File::options().write(true).open(lock_path(settings, name)).ok()?;
    match file.try_lock() {
        Ok(()) => Some(false),
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

fn lock_path(settings: &Settings, name: &str) -> PathBuf {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    match database_file(settings) {
        // SQLite has one writer: a second worker is refused whatever its name
        Some(database) => database.with_extension("worker.lock"),
        None => std::env::temp_dir().join(format!("efface-worker-{plain}.lock")),
    }
}

//! tokio-cron-scheduler as metronome: it only ticks. What is due is a query, so a lost tick is
//! harmless and a doubled one too.

use std::{pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};
use tokio_cron_scheduler::{Job as CronJob, JobScheduler};

use crate::{Error, Hands};

/// A calendar job: its name, its cron expression with seconds, and what it does.
#[derive(Clone)]
pub struct Job {
    pub name: &'static str,
    /// Seconds first; `off` never runs.
    pub expression: String,
    pub run: Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

/// How often the wall clock is held against the monotonic one.
const LOOK: Duration = Duration::from_secs(1);
/// The scheduler waits for the moment it reckoned last: a wall clock that goes back by more than this
/// makes it reckon anew.
const BACK_MILLIS: i64 = 2_000;

/// The running metronome.
pub struct Metronome {
    stop: oneshot::Sender<()>,
    ticking: JoinHandle<()>,
}

fn broken(name: &str) -> impl Fn(tokio_cron_scheduler::JobSchedulerError) -> Error {
    let name = name.to_owned();
    move |e| Error::Schedule(format!("{name}: {e}"))
}

impl Metronome {
    /// Starts ticking.
    ///
    /// # Errors
    /// When an expression is wrong.
    pub async fn start(jobs: Vec<Job>, hands: Hands) -> Result<Self, Error> {
        let scheduler = scheduler(&jobs).await?;
        let (stop, stopped) = oneshot::channel();
        let ticking = tokio::spawn(tick(scheduler, jobs, hands, stopped));
        Ok(Self { stop, ticking })
    }

    /// Stops ticking.
    pub async fn stop(self) {
        // it may have ended by itself
        let _ = self.stop.send(());
        let _ = self.ticking.await;
    }
}

async fn scheduler(jobs: &[Job]) -> Result<JobScheduler, Error> {
    let scheduler = JobScheduler::new().await.map_err(broken("metronome"))?;
    for job in jobs {
        if job.expression == "off" {
            continue;
        }
        let run = job.run.clone();
        let cron = CronJob::new_async(job.expression.as_str(), move |_, _| (run)())
            .map_err(broken(job.name))?;
        scheduler.add(cron).await.map_err(broken(job.name))?;
    }
    scheduler.start().await.map_err(broken("metronome"))?;
    Ok(scheduler)
}

/// Ticks until it is stopped; after a step back of the wall clock, by times that are reckoned anew.
async fn tick(
    mut scheduler: JobScheduler,
    jobs: Vec<Job>,
    hands: Hands,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut before = ahead(&hands);
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => break,
            () = hands.runtime.sleep(LOOK) => {}
        }
        let now = ahead(&hands);
        if before - now > BACK_MILLIS {
            tracing::warn!("the wall clock stepped back: the jobs' times are reckoned anew");
            match self::scheduler(&jobs).await {
                Ok(anew) => end(std::mem::replace(&mut scheduler, anew)).await,
                Err(error) => tracing::error!(%error, "the metronome ticks by its old times"),
            }
        }
        before = now;
    }
    end(scheduler).await;
}

/// How far the wall clock is before the monotonic one.
fn ahead(hands: &Hands) -> i64 {
    let monotonic = i64::try_from(hands.runtime.monotonic().as_millis()).unwrap_or(i64::MAX);
    hands.clock.now().millis().saturating_sub(monotonic)
}

async fn end(mut scheduler: JobScheduler) {
    if let Err(error) = scheduler.shutdown().await {
        tracing::warn!(%error, "the metronome did not stop cleanly");
    }
}

/// Seconds from now until the expression's next run, by the scheduler's own reckoning.
///
/// # Errors
/// When the expression is wrong.
pub async fn next_run(expression: &str) -> Result<Option<std::time::Duration>, Error> {
    if expression == "off" {
        return Ok(None);
    }
    let mut scheduler = JobScheduler::new().await.map_err(broken("metronome"))?;
    let cron =
        CronJob::new_async(expression, |_, _| Box::pin(async {})).map_err(broken(expression))?;
    let id = scheduler.add(cron).await.map_err(broken(expression))?;
    scheduler.time_till_next_job().await.map_err(broken(expression)).inspect(|_| {
        let _ = id;
    })
}

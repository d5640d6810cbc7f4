//! tokio-cron-scheduler as metronome: it only ticks. What is due is a query, so a lost tick is
//! harmless and a doubled one too.

use std::{pin::Pin, sync::Arc};

use tokio_cron_scheduler::{Job as CronJob, JobScheduler};

use crate::Error;

/// A calendar job: its name, its cron expression with seconds, and what it does.
#[derive(Clone)]
pub struct Job {
    pub name: &'static str,
    /// Seconds first; `off` never runs.
    pub expression: String,
    pub run: Arc<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>,
}

/// The running metronome.
pub struct Metronome {
    scheduler: JobScheduler,
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
    pub async fn start(jobs: Vec<Job>) -> Result<Self, Error> {
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
        Ok(Self { scheduler })
    }

    /// Stops ticking.
    pub async fn stop(mut self) {
        if let Err(error) = self.scheduler.shutdown().await {
            tracing::warn!(%error, "the metronome did not stop cleanly");
        }
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

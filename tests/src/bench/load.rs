//! Files people in groups, as an import does.

use std::sync::Arc;

use anyhow::Result;
use efface_core::{Identifier, IdentifierKind, Provenance, RequestAction};
use efface_store::{NewRequest, Proof, SqlStore};
use serde::{Deserialize, Serialize};

use super::{
    engine::{self, Outcome, Setup},
    place, watch,
};

/// What is to be filed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    pub people: u64,
    /// Rows of one transaction.
    pub group: u64,
    pub released: bool,
    /// The phases opened by a worker's `requests` lane: every task stands Ready, as a queue's jobs do.
    pub opened: bool,
    /// Half of the tasks due, the other half later.
    pub half_due: bool,
}

/// One person's request to erase.
pub fn request(controller: u32, person: u64, released: bool) -> NewRequest {
    let by = || Provenance::Proved { how: "account login".into(), by: "bench".into() };
    let parse =
        |kind, text: String| Identifier::parse(kind, &text, by(), None).expect("an identifier");
    let identifiers = vec![
        parse(IdentifierKind::Email, format!("person.{person}@people.example")),
        parse(IdentifierKind::UserId, format!("user-{person:012}")),
    ];
    NewRequest {
        proof: Some(Proof { how: "account login".into(), by: "bench".into() }),
        release_by: released.then(|| "bench".into()),
        ..NewRequest::new(
            engine::controller(controller),
            RequestAction::Erase,
            identifiers,
            "bench",
        )
    }
}

async fn group(store: &SqlStore, setup: &Setup, from: u64, to: u64, released: bool) -> Result<()> {
    let requests = (from..to)
        .map(|n| {
            let controller = u32::try_from(n % u64::from(setup.controllers)).unwrap_or(0);
            request(controller, n, released)
        })
        .collect();
    for one in store.file(requests).await {
        one?;
    }
    Ok(())
}

/// Files everybody; the time is that of the filing alone.
pub async fn run(setup: &Setup, job: &Job) -> Result<Outcome> {
    let (store, hands) = engine::open(setup, true).await?;
    let used = watch::processor_time();
    let began = watch::instant();
    let mut next = 0;
    while next < job.people {
        let to = (next + job.group).min(job.people);
        group(&store, setup, next, to, job.released).await?;
        next = to;
    }
    let outcome = Outcome {
        seconds: began.elapsed().as_secs_f64(),
        settled: job.people,
        processor_seconds: (watch::processor_time() - used).as_secs_f64(),
        peak_memory_mb: watch::peak_memory_mb(),
        closed_seconds: 0.0,
        samples: vec![],
    };
    if job.opened {
        engine::open_phases(&store, &hands, &setup.url).await?;
    }
    close(store).await;
    if job.half_due {
        place::half_due(&setup.url).await?;
    } else {
        place::tidy(&setup.url).await?;
    }
    Ok(outcome)
}

/// Lets go of the database, so that it can be copied.
async fn close(store: Arc<SqlStore>) {
    drop(store);
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

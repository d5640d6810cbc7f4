//! Commits travel in groups: the next takes what arrived during the last. Intake goes before
//! records; a failed group is replayed unit by unit. One committer per process; on PostgreSQL, where
//! two transactions may be open at once, it has two writers: what opens and closes requests is
//! written beside what is done at vendors.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use efface_core::{LaneId, Timestamp, outside::Clock};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Directory, Error, Filed, Filing, LEDGER_LANE, REQUESTS_LANE, Unit, Wakes, crash_point,
    hot::{Batch, Hot, Tx},
    sql::{
        Database,
        commit::{self, PreparedUnit},
        filing::{self, PreparedFiling},
        keeper::Keeper,
        kept::Own,
        notify::Notifier,
        seal::Sealer,
    },
};

enum Job {
    File { filing: Box<PreparedFiling>, reply: oneshot::Sender<Result<Filed, Error>> },
    Unit { unit: Box<PreparedUnit>, reply: oneshot::Sender<Result<(), Error>> },
    Wake { lane: LaneId, now: Timestamp, reply: oneshot::Sender<Result<usize, Error>> },
}

/// How many jobs may wait before their senders do.
const WAITING_JOBS: usize = 4096;
/// The most jobs, and rows, of one group.
const GROUP_JOBS: usize = 1024;
const GROUP_ROWS: usize = 20_000;

/// The door to the writers of this process.
pub(super) struct Committer {
    /// Filings, decisions, and what the `requests` lane writes.
    requests: mpsc::Sender<Job>,
    /// What the lanes of vendors write. On SQLite the same writer.
    vendors: mpsc::Sender<Job>,
    database: Database,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
}

fn gone<T>(_: T) -> Error {
    Error::Unavailable("the store is closing".into())
}

impl Committer {
    pub(super) fn start(
        database: Database,
        sealer: Arc<Sealer>,
        wakes: Arc<Wakes>,
        clock: Arc<dyn Clock>,
        directory: Arc<Directory>,
    ) -> Result<Self, Error> {
        let writer = || {
            let worker = Worker {
                database: database.clone(),
                sealer: sealer.clone(),
                wakes: wakes.clone(),
                clock: clock.clone(),
                directory: directory.clone(),
                ledger: LaneId::new(LEDGER_LANE).ok(),
                rung: Mutex::default(),
                own: tokio::sync::Mutex::default(),
            };
            worker.start()
        };
        let requests = writer()?;
        let vendors = if database.is_postgres() { writer()? } else { requests.clone() };
        Ok(Self { requests, vendors, database, sealer, clock })
    }

    /// Two writers seldom want the same rows: a task is a vendor's lane's from the moment it is ready to
    /// the moment it has ended. Follow-ups are both's, and are taken in the order of their ids.
    fn writer_of(&self, unit: &Unit) -> &mpsc::Sender<Job> {
        match &unit.fence {
            Some(lease) if lease.lane.as_str() != REQUESTS_LANE => &self.vendors,
            Some(_) | None => &self.requests,
        }
    }

    /// Each unit for itself; they are sealed and travel together.
    pub(super) async fn commit(&self, units: Vec<Unit>) -> Vec<Result<(), Error>> {
        let writers: Vec<_> = units.iter().map(|u| self.writer_of(u)).collect();
        let prepared =
            match commit::prepare(&self.database, &self.sealer, units, self.clock.now()).await {
                Ok(prepared) => prepared,
                Err(error) => return writers.iter().map(|_| Err(error.told_again())).collect(),
            };
        let mut answers = Vec::with_capacity(prepared.len());
        for (unit, writer) in prepared.into_iter().zip(writers) {
            answers.push(match unit {
                Err(error) => Err(error),
                Ok(unit) => {
                    let (reply, answer) = oneshot::channel();
                    let job = Job::Unit { unit: Box::new(unit), reply };
                    writer.send(job).await.map_err(gone).map(|()| answer)
                }
            });
        }
        all_answered(answers).await
    }

    pub(super) async fn file(&self, filings: Vec<Filing>) -> Vec<Result<Filed, Error>> {
        let mut answers = Vec::with_capacity(filings.len());
        for filing in filings {
            let prepared = filing::prepare(&self.sealer, filing, self.clock.now());
            let answer = match prepared {
                Err(error) => Err(error),
                Ok(filing) => {
                    let (reply, answer) = oneshot::channel();
                    self.requests
                        .send(Job::File { filing: Box::new(filing), reply })
                        .await
                        .map_err(gone)
                        .map(|()| answer)
                }
            };
            answers.push(answer);
        }
        all_answered(answers).await
    }

    pub(super) async fn wake_due(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        let (reply, answer) = oneshot::channel();
        self.vendors.send(Job::Wake { lane: lane.clone(), now, reply }).await.map_err(gone)?;
        answer.await.map_err(gone)?
    }
}

async fn all_answered<T>(
    answers: Vec<Result<oneshot::Receiver<Result<T, Error>>, Error>>,
) -> Vec<Result<T, Error>> {
    let mut out = Vec::with_capacity(answers.len());
    for answer in answers {
        out.push(match answer {
            Err(error) => Err(error),
            Ok(answer) => answer.await.map_err(gone).and_then(|done| done),
        });
    }
    out
}

struct Worker {
    database: Database,
    sealer: Arc<Sealer>,
    wakes: Arc<Wakes>,
    clock: Arc<dyn Clock>,
    directory: Arc<Directory>,
    /// Rung by whatever is written: each of it has a leaf.
    ledger: Option<LaneId>,
    /// Lanes rung since the other processes were last told.
    rung: Mutex<BTreeSet<LaneId>>,
    own: tokio::sync::Mutex<Option<Own>>,
}

impl Worker {
    /// Starts on a thread of its own: between two statements of a group the calls of a whole wave
    /// would else go first.
    fn start(self) -> Result<mpsc::Sender<Job>, Error> {
        let (jobs, inbox) = mpsc::channel(WAITING_JOBS);
        let notifier = Notifier::start(&self.database);
        let keeper = Keeper::start(&self.database)?;
        let failed = |e: std::io::Error| Error::Unavailable(format!("no thread for commits: {e}"));
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        std::thread::Builder::new()
            .name("commits".into())
            .spawn(move || runtime.block_on(self.run(inbox, notifier, keeper)))
            .map_err(failed)?;
        Ok(jobs)
    }

    async fn run(self, mut inbox: mpsc::Receiver<Job>, notifier: Notifier, mut keeper: Keeper) {
        while let Some(first) = inbox.recv().await {
            let mut group = vec![first];
            let mut rows = weight(&group[0]);
            while group.len() < GROUP_JOBS && rows < GROUP_ROWS {
                let Ok(job) = inbox.try_recv() else { break };
                rows += weight(&job);
                group.push(job);
            }
            self.carry_out(group).await;
            keeper.written(rows);
            let rung =
                std::mem::take(&mut *self.rung.lock().unwrap_or_else(PoisonError::into_inner));
            notifier.ring(rung);
        }
    }

    /// One transaction on the own connection, which is closed when it cannot be left clean.
    async fn transact<T>(
        &self,
        work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut own = self.own.lock().await;
        let connection = match &mut *own {
            Some(connection) => connection,
            none => none.insert(self.database.own().await?),
        };
        let mut clean = false;
        let done = async {
            let mut tx = self.database.begin_on(connection).await?;
            match work(&mut tx).await {
                Ok(done) => {
                    tx.commit().await?;
                    clean = true;
                    Ok(done)
                }
                Err(error) => {
                    clean = tx.roll_back().await.is_ok();
                    Err(error)
                }
            }
        }
        .await;
        if !clean {
            *own = None;
        }
        done
    }

    fn ring_lanes<'a>(&'a self, lanes: impl Iterator<Item = &'a LaneId>) {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        for lane in lanes.chain(&self.ledger) {
            self.wakes.ring(lane);
            if !rung.contains(lane) {
                rung.insert(lane.clone());
            }
        }
    }

    async fn carry_out(&self, group: Vec<Job>) {
        let (mut filings, mut units, mut due) = (vec![], vec![], vec![]);
        for job in group {
            match job {
                Job::File { filing, reply } => filings.push((*filing, reply)),
                Job::Unit { unit, reply } => units.push((*unit, reply)),
                Job::Wake { lane, now, reply } => due.push((lane, now, reply)),
            }
        }
        for (lane, now, reply) in due {
            // nobody waits any more when the send fails
            let _ = reply.send(self.wake(&lane, now).await);
        }
        self.file(filings).await;
        self.write(units).await;
    }

    async fn wake(&self, lane: &LaneId, now: Timestamp) -> Result<usize, Error> {
        let mut batch = Batch::default();
        batch.push([lane.as_str().into(), now.millis().into(), 10_000i64.into()]);
        self.transact(async |tx| Ok(tx.run(Hot::WAKE_TASKS, &batch).await?.len())).await
    }

    async fn file(&self, filings: Vec<(PreparedFiling, oneshot::Sender<Result<Filed, Error>>)>) {
        if filings.is_empty() {
            return;
        }
        let (prepared, replies): (Vec<_>, Vec<_>) = filings.into_iter().unzip();
        let all: Vec<&PreparedFiling> = prepared.iter().collect();
        let outcomes = match self.file_together(&all).await {
            Ok(filed) => filed.into_iter().map(Ok).collect(),
            Err(error) if error.is_passing() => {
                all.iter().map(|_| Err(error.told_again())).collect()
            }
            Err(_) => {
                let mut outcomes = vec![];
                for one in &all {
                    outcomes.push(self.file_alone(one).await);
                }
                outcomes
            }
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            let _ = reply.send(outcome);
        }
    }

    /// A request met in company may change while it is read: then it is read anew.
    async fn file_alone(&self, filing: &PreparedFiling) -> Result<Filed, Error> {
        let mut last = Err(Error::Database("nothing was filed".into()));
        for _ in 0..ATTEMPTS {
            last = self.file_together(&[filing]).await.and_then(|mut filed| {
                filed.pop().ok_or_else(|| Error::Database("nothing was filed".into()))
            });
            if !matches!(last, Err(Error::Stale { .. })) {
                break;
            }
        }
        last
    }

    async fn file_together(&self, filings: &[&PreparedFiling]) -> Result<Vec<Filed>, Error> {
        let (filed, wakes) = uncontended(|| async {
            let desk = filing::Desk {
                sealer: &self.sealer,
                directory: &self.directory,
                now: self.clock.now(),
            };
            self.transact(async |tx| {
                let filed = filing::write(tx, &desk, filings).await?;
                crash_point("intake-before-commit");
                Ok(filed)
            })
            .await
        })
        .await?;
        crash_point("intake-after-commit");
        self.ring_lanes(wakes.iter());
        Ok(filed)
    }

    async fn write(&self, units: Vec<(PreparedUnit, oneshot::Sender<Result<(), Error>>)>) {
        if units.is_empty() {
            return;
        }
        let (units, replies): (Vec<_>, Vec<_>) = units.into_iter().unzip();
        let outcomes = self.write_group(units).await;
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            let _ = reply.send(outcome);
        }
    }

    /// One transaction for all; when it fails for any but a passing reason, each unit is written alone.
    async fn write_group(&self, units: Vec<PreparedUnit>) -> Vec<Result<(), Error>> {
        match self.write_together(&units).await {
            Ok(()) => units.iter().map(|_| Ok(())).collect(),
            Err(error) if error.is_passing() => {
                units.iter().map(|_| Err(error.told_again())).collect()
            }
            Err(error) if units.len() == 1 => vec![Err(error)],
            Err(_) => {
                let mut outcomes = vec![];
                for unit in &units {
                    outcomes.push(self.write_together(std::slice::from_ref(unit)).await);
                }
                outcomes
            }
        }
    }

    async fn write_together(&self, units: &[PreparedUnit]) -> Result<(), Error> {
        uncontended(|| {
            self.transact(async |tx| match units {
                [one] => commit::write(tx, one).await,
                several => commit::write_group(tx, several).await,
            })
        })
        .await?;
        self.ring_lanes(units.iter().flat_map(|u| &u.wakes));
        Ok(())
    }
}

/// How often a transaction that lost a fight for rows is run.
const ATTEMPTS: usize = 8;

/// Runs a transaction again while it loses fights for rows; what lost was rolled back whole.
async fn uncontended<T, F>(mut transaction: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut last = transaction().await;
    for _ in 1..ATTEMPTS {
        match &last {
            Err(error) if error.is_contended() => last = transaction().await,
            Ok(_) | Err(_) => break,
        }
    }
    last
}

fn weight(job: &Job) -> usize {
    match job {
        Job::File { filing, .. } => filing.weight(),
        Job::Unit { unit, .. } => unit.weight(),
        Job::Wake { .. } => 1,
    }
}

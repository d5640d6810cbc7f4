//! Where a scene plays: a folder, a database, the vendors' stand-ins in their process, people who
//! asked, and workers that come and go. It ends with the oracle and with everybody's request closed.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use efface_core::{
    RequestAction, RequestId,
    desk::{Choice, Reason, Subject},
    order::Order,
    outside::Clock as _,
};
use efface_store::SqlStore;
use tempfile::TempDir;

use super::{
    Database, Figures, Setting,
    home::{Home, Ways},
    process::{Ran, WorkerProcess, last_words},
};
use crate::{
    oracle::{Evidence, Verdict, judge},
    peek::Peek,
    vendors::{Vendors, Word, person},
    world::{WallClock, all_new, proved, released, stopwatch},
};

/// How long a new worker may take to its first call, and the last one to rest.
pub const PATIENCE: Duration = Duration::from_secs(150);
/// How often the onlooker looks.
pub const GLANCE: Duration = Duration::from_millis(3);
/// How often whoever waits for something slow looks.
pub const LOOK: Duration = Duration::from_millis(20);
/// How often what a person decided may come to rest in another question.
const DECISIONS: usize = 6;

/// The stage.
pub struct Stage {
    pub url: String,
    pub ways: Ways,
    pub vendors: Vendors,
    pub home: Home,
    /// By person; all of them, but for those of [`Ways::filed_later`].
    pub filed: Vec<RequestId>,
    /// Whether a vendor that finds nobody is wrong.
    pub all_are_held: bool,
    /// Orders that vendors saw and the database has lost.
    pub lost_orders: Vec<Order>,
    program: PathBuf,
    said: PathBuf,
    /// Tells the workers of this stage from those of others on the machine.
    tag: String,
    folder: Option<TempDir>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(folder) = self.folder.take()
        {
            eprintln!("what is left of the failed scene lies in {}", folder.keep().display());
        }
    }
}

impl Stage {
    /// A stage on a fresh database of the setting's sort.
    ///
    /// # Panics
    /// When any part cannot be built, here and below: this is a test's wiring.
    pub async fn build(setting: &Setting, ways: Ways) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let url = match setting.database {
            Database::Sqlite => sqlite_in(folder.path()),
            Database::Postgresql => {
                let cluster = efface_testkit::postgres::TempPostgres::shared().expect("PostgreSQL");
                cluster.create_database().expect("database")
            }
        };
        Self::on(setting, ways, folder, url).await
    }

    /// A stage on a database that a scene brings along.
    pub async fn on(setting: &Setting, ways: Ways, folder: TempDir, url: String) -> Self {
        let vendors = Vendors::start(&setting.stand_ins, folder.path(), ways.people);
        let home = Home::build(folder.path(), &url, &ways, &vendors.all).await;
        let first = 0..ways.people - ways.filed_later;
        let filed = file(&home.store(&url).await, first).await;
        let said = folder.path().join("worker.log");
        let tag: String =
            filed.first().map(ToString::to_string).unwrap_or_default().replace('-', "");
        // the end of an id is chance
        let tag = tag[tag.len().saturating_sub(12)..].to_owned();
        let program = setting.efface.clone();
        let folder = Some(folder);
        let lost_orders = vec![];
        Self {
            url,
            ways,
            vendors,
            home,
            filed,
            all_are_held: true,
            lost_orders,
            program,
            said,
            tag,
            folder,
        }
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().expect("the stage has its folder until it ends").path()
    }

    /// Doors of its own, which outlive no restart of a database.
    pub async fn store(&self) -> SqlStore {
        self.home.store(&self.url).await
    }

    pub async fn peek(&self) -> Peek {
        Peek::at(&self.url).await
    }

    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    #[must_use]
    pub fn last_words(&self) -> String {
        format!("the workers' last words:\n{}", last_words(&self.said))
    }

    /// The name of the `n`-th worker, which no other stage gives.
    #[must_use]
    pub fn name(&self, n: usize) -> String {
        format!("{}{n}_{}", super::witness::ROLE, self.tag)
    }

    #[must_use]
    pub fn worker(&self, n: usize) -> WorkerProcess {
        self.worker_with(n, &[])
    }

    /// A worker with settings of its own, from its environment.
    #[must_use]
    pub fn worker_with(&self, n: usize, also: &[(&str, String)]) -> WorkerProcess {
        let name = self.name(n);
        WorkerProcess::start(&self.program, &self.home.settings, &self.said, &name, also)
    }

    /// A command given at a terminal, to its end.
    #[must_use]
    pub fn run(&self, words: &[&str]) -> Ran {
        // nobody's name but this stage's
        Ran::of(&self.program, &self.home.settings, &self.name(0), words)
    }

    /// Puts other words into the settings, for whoever starts from now on.
    pub fn set(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(&self.home.settings).expect("settings");
        assert!(text.contains(from), "no {from:?} in the settings");
        std::fs::write(&self.home.settings, text.replacen(from, to, 1)).expect("settings");
    }

    /// Another program from here on: an older or newer version.
    pub fn with_program(&mut self, program: &Path) {
        self.program = program.to_owned();
    }

    /// Waits until `enough` holds while `workers` live; how long it took.
    pub async fn until(
        &self,
        what: &str,
        workers: &mut [&mut WorkerProcess],
        most: Duration,
        enough: impl AsyncFn() -> bool,
    ) -> Duration {
        let start = stopwatch();
        while !enough().await {
            for worker in &mut *workers {
                if let Some(status) = worker.ended() {
                    panic!(
                        "{} ended by itself ({status}) before {what}; {}",
                        worker.name(),
                        self.last_words()
                    );
                }
            }
            let waited = stopwatch() - start;
            assert!(waited < most, "no {what} within {most:?}; {}", self.last_words());
            tokio::time::sleep(LOOK).await;
        }
        stopwatch() - start
    }

    /// Waits until the vendors have carried out something more.
    pub async fn until_called(&self, workers: &mut [&mut WorkerProcess]) -> Duration {
        let logged = self.vendors.logged_bytes();
        self.until("call", workers, PATIENCE, async || self.vendors.logged_bytes() > logged).await
    }

    /// Waits until nothing goes on by itself any more, then asks all to stop.
    pub async fn rest(&self, mut workers: Vec<WorkerProcess>) {
        let peek = self.peek().await;
        let start = stopwatch();
        let mut quiet = 0;
        while quiet < 3 {
            for worker in &mut workers {
                let ended = worker.ended();
                assert!(ended.is_none(), "{ended:?}: ended by itself; {}", self.last_words());
            }
            if stopwatch() - start > PATIENCE {
                let counts = self.store().await.counts().await.expect("counts");
                panic!("the workers come to no rest: {counts:?}; {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            let moving = peek.moving(WallClock.now().millis()).await;
            let begun = workers.iter().all(WorkerProcess::has_begun);
            quiet = if moving == 0 && begun { quiet + 1 } else { 0 };
        }
        for worker in workers {
            let status = worker.stop();
            assert!(
                status.success(),
                "asked to stop, a worker ended with {status}; {}",
                self.last_words()
            );
        }
        assert_eq!(peek.sending().await, 0, "a stopped worker leaves no order out");
    }

    pub async fn judge(&self) -> Verdict {
        let store = self.store().await;
        let evidence =
            Evidence::gather(&store, &self.peek().await, self.vendors.logs(), &self.filed).await;
        // whoever was erased in a time that is lost is not found again
        let all_are_held = self.all_are_held && self.lost_orders.is_empty();
        judge(&Evidence { all_are_held, lost_orders: self.lost_orders.clone(), ..evidence })
    }

    fn expect_none(&self, verdict: &Verdict) {
        let faults = verdict.faults.join("\n");
        assert!(verdict.faults.is_empty(), "{faults}\n{}", self.last_words());
    }

    /// Lets the workers, or a new one, come to rest; judges; lets a person decide about every lost
    /// order until everything is closed; judges again.
    pub async fn finish(&mut self, workers: Vec<WorkerProcess>, figures: &mut Figures) {
        self.settle(workers, figures).await;
        let (closed, open) = self.store().await.closed_and_open().await.expect("counts");
        assert_eq!((closed, open), (u64::from(self.ways.people), 0), "{}", self.last_words());
        let held = self.vendors.people();
        assert!(held.values().all(|n| *n == 0), "everybody asked to be erased: {held:?}");
    }

    /// As [`finish`](Self::finish), for people some of whom withdrew their wish.
    pub async fn settle(&mut self, workers: Vec<WorkerProcess>, figures: &mut Figures) {
        self.vendors.behave(&Word::Calm);
        self.vendors.behave(&Word::Latency { low: 5, high: 60 });
        let workers = if workers.is_empty() { vec![self.worker(1)] } else { workers };
        self.rest(workers).await;
        let mut verdict = self.judge().await;
        self.expect_none(&verdict);
        for _ in 0..DECISIONS {
            let decided = self.decide().await;
            if decided == 0 {
                break;
            }
            figures.decided += decided;
            self.rest(vec![self.worker(1)]).await;
            verdict = self.judge().await;
            self.expect_none(&verdict);
        }
        figures.judged(self.filed.len(), &verdict.tally);
    }

    /// These people ask, of whom the database knows nothing.
    pub async fn file(&mut self, people: std::ops::Range<u32>) {
        let filed = file(&self.store().await, people).await;
        self.filed.extend(filed);
    }

    /// Who is not in the database any more asks again; how many they were.
    pub async fn file_again(&mut self) -> usize {
        let store = self.store().await;
        let lost = store.unknown_requests(&self.filed).await.expect("requests");
        for (n, id) in self.filed.iter_mut().enumerate().filter(|(_, id)| lost.contains(id)) {
            let n = u32::try_from(n).unwrap_or(0);
            *id = file(&store, n..n + 1).await[0];
        }
        lost.len()
    }

    /// A person looks at each lost order and says: again.
    async fn decide(&self) -> usize {
        let store = self.store().await;
        let mut decided = 0;
        for row in store.desk(true, 10_000).await.expect("desk") {
            let lost = matches!(row.item.reason, Reason::Poison | Reason::UnknownOutcome);
            let order = matches!(row.item.subject, Subject::Order(_));
            // after a time that is lost there is more to decide
            let choice = match row.item.reason {
                Reason::NobodyFound if !self.lost_orders.is_empty() => Choice::NoMatch,
                Reason::SetBack if !self.lost_orders.is_empty() => Choice::Retry,
                _ => {
                    assert!(lost && order, "nothing else waits for a person: {:?}", row.item);
                    Choice::Retry
                }
            };
            store.decide(row.item.id, choice, "", "test").await.expect("decided");
            decided += 1;
        }
        decided
    }
}

/// The database in a folder.
#[must_use]
pub fn sqlite_in(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("t.db").display())
}

/// Every second person asks to be suppressed as well.
async fn file(store: &SqlStore, people: std::ops::Range<u32>) -> Vec<RequestId> {
    let requests = people.map(|n| {
        let action =
            if n % 2 == 0 { RequestAction::Erase } else { RequestAction::EraseAndSuppress };
        released(action, person(n).into_iter().map(|(kind, text)| proved(kind, &text)).collect())
    });
    all_new(store.file(requests.collect()).await)
}

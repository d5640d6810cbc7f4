//! The kill run: the real `efface worker` is killed (SIGKILL) again and again while orders are out
//! at vendors that live on. Then an oracle holds the database against the vendors' own logs.

pub(crate) mod home;
pub(crate) mod process;
mod report;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use efface_core::{
    RequestAction, RequestId,
    desk::{Choice, Reason, Subject},
    outside::Clock as _,
};

use self::{
    home::Home,
    process::{WorkerProcess, efface, last_words},
    report::{Kills, print},
};
use crate::{
    dice::Dice,
    oracle::{Evidence, Verdict, judge},
    peek::Peek,
    vendors::{Vendors, person},
    world::{WallClock, all_new, proved, released, stopwatch},
};

/// How much is put under the axe.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub people: u32,
    /// Kills that hit while an order was out.
    pub kills: u32,
}

/// The moment of a kill after the first call of a life, in milliseconds.
const MOMENT: (u64, u64) = (0, 400);
/// How long a new worker may take to its first call, and the last one to rest.
const PATIENCE: Duration = Duration::from_secs(150);
/// How often the onlooker looks.
const GLANCE: Duration = Duration::from_millis(3);

struct Run {
    url: String,
    program: PathBuf,
    said: PathBuf,
    vendors: Vendors,
    home: Home,
    peek: Peek,
    filed: Vec<RequestId>,
}

/// Kills, lets a last worker come to rest, and judges.
///
/// # Panics
/// When anything is not as it must be.
pub async fn run(url: &str, name: &str, stand_ins: &Path, size: Size) {
    let folder = tempfile::tempdir().expect("folder");
    let program = efface();
    let vendors = Vendors::start(stand_ins, folder.path(), size.people);
    let home = Home::build(folder.path(), url, name, &vendors.all).await;
    let filed = file(&home, size.people).await;
    let said = folder.path().join("worker.log");
    let peek = Peek::at(url).await;
    let mut run = Run { url: url.to_owned(), program, said, vendors, home, peek, filed };

    let kills = run.kill(size).await;
    run.rest().await;
    let verdict = run.judge().await;
    print(&run.url, size, &kills, &verdict.tally);
    run.expect_none(&verdict);

    // whatever waits for a person ends by a person's word
    let decided = run.decide().await;
    if decided > 0 {
        run.rest().await;
        let verdict = run.judge().await;
        run.expect_none(&verdict);
        println!("after {decided} decisions at the desk: {:?}", verdict.tally.outcomes);
    }
    let (closed, open) = run.home.store.closed_and_open().await.expect("counts");
    assert_eq!((closed, open), (u64::from(size.people), 0), "{}", run.last_words());
    let held = run.vendors.people();
    assert!(held.values().all(|n| *n == 0), "everybody asked to be erased: {held:?}");
}

/// Every second person asks to be suppressed as well.
async fn file(home: &Home, people: u32) -> Vec<RequestId> {
    let requests = (0..people).map(|n| {
        let action =
            if n % 2 == 0 { RequestAction::Erase } else { RequestAction::EraseAndSuppress };
        released(action, person(n).into_iter().map(|(kind, text)| proved(kind, &text)).collect())
    });
    all_new(home.store.file(requests.collect()).await)
}

impl Run {
    fn last_words(&self) -> String {
        format!("the workers' last words:\n{}", last_words(&self.said))
    }

    fn expect_none(&self, verdict: &Verdict) {
        let faults = verdict.faults.join("\n");
        assert!(verdict.faults.is_empty(), "{faults}\n{}", self.last_words());
    }

    fn worker(&self) -> WorkerProcess {
        WorkerProcess::start(&self.program, &self.home.settings, &self.said)
    }

    async fn kill(&self, size: Size) -> Kills {
        let mut dice = Dice::new(u64::from(size.people));
        let mut kills = Kills::default();
        let mut killed_at = None;
        while kills.counted() < size.kills as usize {
            let mut worker = self.worker();
            let taken_over = self.until_it_calls(&mut worker).await;
            if let Some(at) = killed_at {
                kills.taken_over(taken_over - at);
            }
            tokio::time::sleep(Duration::from_millis(dice.between(MOMENT.0, MOMENT.1))).await;
            worker.kill_9();
            killed_at = Some(stopwatch());
            kills.hit(self.peek.sending().await);
            assert!(
                kills.skipped() < 3 * size.kills as usize,
                "no order was out at {} of {} kills: there is too little work",
                kills.skipped(),
                kills.counted()
            );
        }
        kills
    }

    /// Waits until a new worker holds every lane and has made a call; when it held them.
    async fn until_it_calls(&self, worker: &mut WorkerProcess) -> Duration {
        let end = stopwatch() + PATIENCE;
        let before = self.peek.epochs().await;
        let logged = self.vendors.logged_bytes();
        let mut held_at = None;
        loop {
            assert!(worker.is_alive(), "the worker ended by itself; {}", self.last_words());
            assert!(stopwatch() < end, "the worker makes no call; {}", self.last_words());
            tokio::time::sleep(GLANCE).await;
            if held_at.is_none() {
                let now = self.peek.epochs().await;
                let all = now.len() > self.vendors.all.len();
                if all && now.iter().all(|(lane, epoch)| before.get(lane) < Some(epoch)) {
                    held_at = Some(stopwatch());
                }
            }
            if let Some(at) = held_at
                && self.vendors.logged_bytes() > logged
            {
                return at;
            }
        }
    }

    /// A worker runs until nothing goes on by itself any more, and is then asked to stop.
    async fn rest(&self) {
        let mut worker = self.worker();
        let end = stopwatch() + PATIENCE;
        let mut quiet = 0;
        while quiet < 3 {
            assert!(worker.is_alive(), "the worker ended by itself; {}", self.last_words());
            if stopwatch() > end {
                let counts = self.home.store.counts().await.expect("counts");
                panic!("the worker comes to no rest: {counts:?}; {}", self.last_words());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            let moving = self.peek.moving(WallClock.now().millis()).await;
            quiet = if moving == 0 { quiet + 1 } else { 0 };
        }
        let status = worker.stop();
        assert!(
            status.success(),
            "asked to stop, the worker ended with {status}; {}",
            self.last_words()
        );
        assert_eq!(self.peek.sending().await, 0, "a stopped worker leaves no order out");
    }

    async fn judge(&self) -> Verdict {
        let logs = self.vendors.logs();
        let evidence = Evidence::gather(&self.home.store, &self.peek, logs, &self.filed).await;
        judge(&Evidence { all_are_held: true, ..evidence })
    }

    /// A person looks at each lost order and says: again.
    async fn decide(&self) -> usize {
        let store = &self.home.store;
        let mut decided = 0;
        for row in store.desk(true, 10_000).await.expect("desk") {
            let lost = matches!(row.item.reason, Reason::Poison | Reason::UnknownOutcome);
            let order = matches!(row.item.subject, Subject::Order(_));
            assert!(lost && order, "nothing else waits for a person: {:?}", row.item);
            store.decide(row.item.id, Choice::Retry, "", "test").await.expect("decided");
            decided += 1;
        }
        decided
    }
}

//! The journal alone gives the stored rows.

use std::time::Duration;

use efface_core::{
    RequestAction, RequestId,
    desk::Choice,
    journal::{Entry, Replay},
    request::DenialCode,
    task::{Answered, Event, Seen, Task, TaskState},
};
use efface_store::{Error, Filed, NewRequest};

use crate::common::*;

const STEPS: usize = 200;

struct Walk {
    w: World,
    dice: Seeded,
    requests: Vec<RequestId>,
    did: usize,
}

impl Walk {
    fn request(&self) -> Option<RequestId> {
        (!self.requests.is_empty()).then(|| self.requests[self.dice.below(self.requests.len())])
    }

    async fn any_task(&self, fits: impl Fn(&Task) -> bool) -> Option<Task> {
        for _ in 0..6 {
            let tasks = self.w.tasks(self.request()?).await;
            let fitting: Vec<Task> = tasks.into_iter().filter(&fits).collect();
            if !fitting.is_empty() {
                return Some(fitting[self.dice.below(fitting.len())].clone());
            }
        }
        None
    }

    /// A refusal by the rules is an answer; anything else is not.
    fn count<T>(&mut self, done: Result<T, Error>) {
        match done {
            Ok(_) => self.did += 1,
            Err(Error::Task(_) | Error::Request(_) | Error::Refused(_)) => {}
            Err(other) => panic!("{other}"),
        }
    }

    async fn file(&mut self) {
        let name = format!("person{}", self.dice.below(12));
        let mut identifiers = vec![email(&name)];
        if self.dice.below(2) == 0 {
            identifiers.push(phone(u8::try_from(self.dice.below(4)).expect("small")));
        }
        let actions = [
            RequestAction::Erase,
            RequestAction::Suppress,
            RequestAction::EraseAndSuppress,
            RequestAction::Lift,
        ];
        let mut new: NewRequest = wish(actions[self.dice.below(4)], identifiers);
        new = match self.dice.below(4) {
            0 => unproved(new),
            1 => new,
            _ => released(new),
        };
        match self.w.file(new).await.expect("filed") {
            Filed::New(id) | Filed::Duplicate { id, .. } | Filed::Before(id) => {
                self.requests.push(id)
            }
        }
        self.did += 1;
    }

    async fn door(&mut self) {
        let Some(id) = self.request() else { return };
        let s = self.w.store.clone();
        let n = self.dice.below(100);
        match self.dice.below(11) {
            0 => self.count(s.identify(id, &proof()).await),
            1 => self.count(s.amend(id, vec![user(&format!("u-{n}"))], None, "ada").await),
            2 => self.count(s.release(id, "ada").await),
            3 => self.count(s.hold(id, "lawsuit", "ada").await),
            4 => self.count(s.end_hold(id, "ada").await),
            5 => self.count(s.answered(id, "letter", "ada").await),
            6 if n < 30 => self.count(s.cancel(id, "ada").await),
            7 if n < 30 => self.count(s.deny(id, DenialCode::Other, "note", "ada").await),
            8 => self.count(s.replan(id, "ada").await),
            9 if n < 20 => self.count(s.mark_in_error(id, "wrong", "ada").await),
            10 => self.count(s.mark_breaches().await),
            _ => {}
        }
    }

    async fn lane(&mut self) {
        if let Some(ready) = self.any_task(|t| matches!(t.state, TaskState::Ready { .. })).await {
            let ordered = self.w.order(None, &[ready], 1).await;
            self.count(ordered);
        }
    }

    async fn answer(&mut self) {
        let out = |t: &Task| {
            matches!(
                t.state,
                TaskState::Sending { .. } | TaskState::Unknown { .. } | TaskState::Waiting { .. }
            )
        };
        let Some(task) = self.any_task(out).await else { return };
        let at = self.w.now().plus(Duration::from_secs(60));
        let answer = match self.dice.below(8) {
            0 => Answered::NothingFound,
            1 => Answered::RetryLater { retry_after: None },
            2 => Answered::Refused { code: "no".into() },
            3 => Answered::AcceptedOnPromise { done_by: at },
            4 => Answered::Blocked { blocker: "b".into(), hint: "h".into(), recheck_at: at },
            5 => Answered::Choose { candidates: vec!["a…".into()] },
            _ => Answered::Confirmed { forwarded: self.dice.below(3) == 0 },
        };
        let event = match self.dice.below(10) {
            0 if matches!(task.state, TaskState::Sending { .. }) => Event::OutcomeUnknown,
            _ => Event::Answered { answer },
        };
        let moved = self.w.move_tasks(None, &[task], &event).await;
        self.count(moved);
    }

    async fn look(&mut self) {
        let Some(task) = self.any_task(|t| matches!(t.state, TaskState::Confirmed { .. })).await
        else {
            return;
        };
        let seen = [Seen::Absent, Seen::Present, Seen::CannotTell][self.dice.below(3)];
        let moved = self.w.move_tasks(None, &[task], &Event::Looked { seen }).await;
        self.count(moved);
    }

    async fn decide(&mut self) {
        let open = self.w.store.desk(true, 100).await.expect("desk");
        if open.is_empty() {
            return;
        }
        let item = &open[self.dice.below(open.len())].item;
        let choices = item.reason.choices();
        let choice: Choice = choices[self.dice.below(choices.len())];
        let decided = self.w.store.decide(item.id, choice, "1", "ada").await;
        self.count(decided);
    }

    async fn step(&mut self) {
        match self.dice.below(12) {
            0 | 1 => self.file().await,
            2 | 3 => self.door().await,
            4 | 5 => self.lane().await,
            6 | 7 => self.answer().await,
            8 => self.look().await,
            9 => self.decide().await,
            10 => self.w.clock.advance(Duration::from_secs(1800)),
            _ => self.w.follow().await,
        }
    }
}

pub async fn replaying_the_journal_gives_the_stored_rows_after_a_random_walk(bench: Bench) {
    let w = bench.world().await;
    let mut walk = Walk { w, dice: Seeded::new(42), requests: vec![], did: 0 };
    for _ in 0..STEPS {
        walk.step().await;
    }
    assert!(walk.did > STEPS / 3, "only {} steps did something", walk.did);
    let mut replay = Replay::default();
    for (body, items) in efface_store::journal_tail(&walk.w.store).await.expect("journal") {
        replay.take(Entry::read(&body, &items).expect("reads")).expect("replays");
    }
    let mut states = std::collections::BTreeSet::new();
    let mut tasks = 0;
    for id in &walk.requests {
        let view = walk.w.store.request(*id).await.expect("request");
        assert_eq!(replay.requests.get(id), Some(&view.request));
        for task in view.tasks {
            tasks += 1;
            states.insert(task.row.task.state.word());
            assert_eq!(replay.tasks.get(&task.row.task.id), Some(&task.row.task));
            agrees(&walk.w, &task.row.task).await;
        }
    }
    assert_eq!(tasks, replay.tasks.len());
    assert!(states.len() >= 5, "the walk saw little: {states:?}");
    every_pack_verifies(&walk.w, &walk.requests).await;
}

/// Whatever a request went through, its pack shows without a gap.
async fn every_pack_verifies(w: &World, requests: &[RequestId]) {
    let checkpoint = crate::log::signed(w).await;
    let note = w.store.last_checkpoint().await.expect("read").expect("one").note;
    let key = w.store.verifier_key().await.expect("key");
    for id in requests {
        let pack = crate::log::packed(w, *id, &checkpoint, &note).await;
        let report = efface_ledger::pack::verify(&pack, &key);
        assert!(report.is_verified(), "{id}: {report}");
    }
}

/// The columns beside the body say what the body says.
async fn agrees(w: &World, task: &Task) {
    let id = hex::encode(task.id.bytes());
    let literal = if w.bench.is_postgres() { format!("'\\x{id}'") } else { format!("x'{id}'") };
    let sql = format!(
        "SELECT state || ' ' || coalesce(queue, 0) || ' ' || (depends_on IS NOT NULL) FROM task WHERE id = {literal}"
    );
    let row = w.raw.texts(&sql).await.remove(0).replace("true", "1").replace("false", "0");
    let waits = stands(task) == "dependency";
    let queue = match efface_core::task::queue(task).0 {
        efface_core::task::Queue::Submit => 1,
        efface_core::task::Queue::LookUp => 2,
        efface_core::task::Queue::Recall => 3,
        efface_core::task::Queue::None => 0,
    };
    assert_eq!(row, format!("{} {queue} {}", task.state.word(), u8::from(waits)), "{task:?}");
}

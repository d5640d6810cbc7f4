//! One thread, a queue, and a clock that jumps. Whatever may run next is drawn from the seed; when
//! nothing may, the time goes to the next timer.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use efface_worker::{Runtime, Task};

use crate::dice::Dice;

/// Tasks that live and die together: a worker's, or the people's.
pub type Group = u32;

#[derive(Default)]
struct Queue {
    now: Duration,
    next_task: u64,
    next_timer: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
    /// May be polled.
    runnable: BTreeSet<u64>,
    born: Vec<(u64, Group, Task)>,
    groups: BTreeMap<u64, Group>,
    frozen: BTreeMap<Group, Duration>,
    doomed: BTreeSet<Group>,
}

/// What the executor shares with those who sleep and spawn.
#[derive(Clone, Default)]
pub struct Time(Arc<Mutex<Queue>>);

struct Bell {
    time: Time,
    task: u64,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.time.queue().runnable.insert(self.task);
    }
}

impl Time {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since the beginning; never steps.
    pub fn now(&self) -> Duration {
        self.queue().now
    }

    /// A call into a store takes its time: whoever asks in a circle sees the clock go on.
    pub fn pass(&self, by: Duration) {
        self.queue().now += by;
    }

    /// Ends every task of a group before any of them goes on.
    pub fn kill(&self, group: Group) {
        self.queue().doomed.insert(group);
    }

    /// Nothing of the group runs for so long, while everybody else's time goes on.
    pub fn freeze(&self, group: Group, by: Duration) {
        let mut queue = self.queue();
        let until = queue.now + by;
        queue.frozen.insert(group, until);
    }

    pub fn spawn(&self, group: Group, task: Task) {
        let mut queue = self.queue();
        let id = queue.next_task;
        queue.next_task += 1;
        queue.born.push((id, group, task));
    }

    pub fn sleep(&self, by: Duration) -> Sleep {
        Sleep { time: self.clone(), until: self.now() + by, timer: None }
    }
}

/// Sleeps until a moment; forgotten when dropped.
pub struct Sleep {
    time: Time,
    until: Duration,
    timer: Option<(Duration, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let time = self.time.clone();
        let mut queue = time.queue();
        if let Some(old) = self.timer.take() {
            queue.timers.remove(&old);
        }
        if queue.now >= self.until {
            return Poll::Ready(());
        }
        let key = (self.until, queue.next_timer);
        queue.next_timer += 1;
        queue.timers.insert(key, cx.waker().clone());
        self.timer = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.timer.take() {
            // the waker is dropped after the lock
            let gone = self.time.queue().timers.remove(&key);
            drop(gone);
        }
    }
}

/// Lets others go first, once.
#[derive(Default)]
pub struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// One group's hands.
pub struct Hand {
    pub time: Time,
    pub group: Group,
}

impl Runtime for Hand {
    fn sleep(&self, duration: Duration) -> Task {
        Box::pin(self.time.sleep(duration))
    }

    fn spawn(&self, task: Task) {
        self.time.spawn(self.group, task);
    }

    fn monotonic(&self) -> Duration {
        self.time.now()
    }
}

/// Polls.
pub struct Executor {
    pub time: Time,
    tasks: BTreeMap<u64, (Group, Task, Waker)>,
    dice: Dice,
}

impl Executor {
    pub fn new(seed: u64) -> Self {
        Self { time: Time::default(), tasks: BTreeMap::new(), dice: Dice::new(seed) }
    }

    /// Runs until `until`, or until nothing is left to run.
    pub fn run(&mut self, until: Duration) {
        loop {
            self.take_in();
            self.fire();
            match self.next() {
                Some(id) => self.poll(id),
                None if self.jump(until) => {}
                None => return,
            }
            if self.time.now() >= until {
                return;
            }
        }
    }

    /// Buries the doomed and takes in the newly born.
    fn take_in(&mut self) {
        let (born, doomed) = {
            let mut queue = self.time.queue();
            (std::mem::take(&mut queue.born), std::mem::take(&mut queue.doomed))
        };
        for (id, group, task) in born {
            let waker = Waker::from(Arc::new(Bell { time: self.time.clone(), task: id }));
            let mut queue = self.time.queue();
            queue.runnable.insert(id);
            queue.groups.insert(id, group);
            drop(queue);
            self.tasks.insert(id, (group, task, waker));
        }
        if !doomed.is_empty() {
            let of = |group: &Group| doomed.contains(group);
            let dead: Vec<u64> =
                self.tasks.iter().filter(|(_, (g, _, _))| of(g)).map(|(id, _)| *id).collect();
            for id in dead {
                let gone = self.tasks.remove(&id);
                drop(gone);
                self.forget(id);
            }
            // what they spawned with their last breath; dropped after the lock
            let born = std::mem::take(&mut self.time.queue().born);
            let (stillborn, alive): (Vec<_>, Vec<_>) =
                born.into_iter().partition(|(_, group, _)| of(group));
            self.time.queue().born = alive;
            drop(stillborn);
        }
    }

    fn forget(&self, id: u64) {
        let mut queue = self.time.queue();
        queue.runnable.remove(&id);
        queue.groups.remove(&id);
    }

    fn next(&mut self) -> Option<u64> {
        let mut queue = self.time.queue();
        let now = queue.now;
        queue.frozen.retain(|_, until| *until > now);
        let is_free = |id: &&u64| {
            queue.groups.get(*id).is_some_and(|group| !queue.frozen.contains_key(group))
        };
        let free: Vec<u64> = queue.runnable.iter().filter(is_free).copied().collect();
        let chosen = match free.as_slice() {
            [] => return None,
            [one] => *one,
            many => {
                let last = many.len() as u64 - 1;
                many[usize::try_from(self.dice.between(0, last)).unwrap_or(0)]
            }
        };
        queue.runnable.remove(&chosen);
        Some(chosen)
    }

    fn poll(&mut self, id: u64) {
        let Some((_, task, waker)) = self.tasks.get_mut(&id) else {
            self.forget(id);
            return;
        };
        let waker = waker.clone();
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            let done = self.tasks.remove(&id);
            drop(done);
            self.forget(id);
        }
    }

    /// Wakes whoever has slept long enough.
    fn fire(&self) {
        let mut queue = self.time.queue();
        let now = queue.now;
        let mut due = vec![];
        while let Some(first) = queue.timers.first_entry().filter(|e| e.key().0 <= now) {
            due.push(first.remove());
        }
        drop(queue);
        due.into_iter().for_each(Waker::wake);
    }

    /// Goes on to the next moment at which something happens; false when there is none before `until`.
    fn jump(&self, until: Duration) -> bool {
        let mut queue = self.time.queue();
        let now = queue.now;
        let timer = queue.timers.keys().next().map(|(at, _)| *at);
        let thaw = queue.frozen.values().min().copied();
        let Some(next) = timer.into_iter().chain(thaw).min().filter(|at| *at <= until) else {
            queue.now = now.max(until);
            return false;
        };
        queue.now = now.max(next);
        true
    }
}

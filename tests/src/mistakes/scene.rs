//! A house in time: a worker runs, the clock is moved, and what the vendors' own logs tell is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use efface_core::{
    AccountId, IdentifierKind, RequestAction, RequestId, Timestamp,
    desk::{Reason, Subject},
    manifest::EffectClass,
    outside::Clock as _,
};
use efface_store::Store as _;

use super::{
    COOLED, JUST_BEFORE,
    house::{CEILING, House},
};
use crate::{
    outside::MovedClock,
    peek::Peek,
    world::{World, all_new, proved, released, stopwatch},
};

/// The longest that anything expected may take.
const LONG: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(25);
/// Glances without any change after which nothing moves any more.
const STILL: u32 = 5;
/// Who asks to be erased for good reasons; that they are shows that the worker was at work.
const CONTROL: &str = "control@person.example";

/// A house in work.
pub struct Scene {
    pub house: Arc<House>,
    pub world: World,
    pub peek: Peek,
    clock: Arc<MovedClock>,
    /// When the hurried person had released.
    released_at: Mutex<Timestamp>,
}

/// Whom each vendor did something to, by its own log.
pub type Reached = BTreeMap<&'static str, BTreeSet<String>>;

impl Scene {
    /// # Panics
    /// When any part cannot be built, here and below: this is a test's wiring.
    pub async fn open(house: House) -> Self {
        let clock = Arc::new(MovedClock::default());
        let world = house.world(clock.clone()).await;
        let peek = Peek::at(&house.url()).await;
        let released_at = Mutex::new(clock.now());
        Self { house: Arc::new(house), world, peek, clock, released_at }
    }

    /// The cooling-off counts from here.
    pub fn release_is_now(&self) {
        *self.released_at.lock().expect("a time") = self.clock.now();
    }

    fn set_clock(&self, after_release: Duration) {
        self.clock.set(self.released_at.lock().expect("a time").plus(after_release));
    }

    /// Puts people there, held by every vendor, known by these addresses.
    pub fn people<'a>(&self, addresses: impl IntoIterator<Item = &'a str>) {
        for address in addresses {
            let person = [(IdentifierKind::Email, address.to_owned())];
            self.world.fakes.values().for_each(|fake| fake.fake().put(&person));
        }
    }

    /// Files and releases the erasure of somebody who really wants it.
    pub async fn control(&self, n: u32) -> RequestId {
        let address = format!("{n}-{CONTROL}");
        self.people([address.as_str()]);
        let who = vec![proved(IdentifierKind::Email, &address)];
        let filed = self.world.store.file(vec![released(RequestAction::Erase, who)]).await;
        all_new(filed)[0]
    }

    /// Moves the clock to a moment after the release, and waits until nothing moves.
    pub async fn at(&self, after_release: Duration) {
        self.set_clock(after_release);
        self.still().await;
    }

    /// As [`Scene::at`], and waits for `enough` before.
    pub async fn at_until(
        &self,
        after_release: Duration,
        what: &str,
        enough: impl AsyncFn() -> bool,
    ) {
        self.set_clock(after_release);
        self.world.store.wakes().ring_all();
        let end = stopwatch() + LONG;
        while !enough().await {
            assert!(stopwatch() < end, "it never came to this: {what}");
            tokio::time::sleep(GLANCE).await;
        }
        self.still().await;
    }

    /// Waits until no follow-up is due, no order is out, and no vendor hears anything.
    async fn still(&self) {
        self.world.store.wakes().ring_all();
        let end = stopwatch() + LONG;
        let (mut before, mut same) = (None, 0);
        while same < STILL {
            assert!(stopwatch() < end, "the worker comes to no rest");
            tokio::time::sleep(GLANCE).await;
            let calls: u64 = self.world.fakes.values().map(|fake| fake.calls()).sum();
            let due = self.peek.due_follow_ups(self.clock.now().millis()).await;
            let now = (calls, self.peek.sending().await, due);
            let rests = now.1 == 0 && now.2 == 0 && before == Some(now);
            same = if rests { same + 1 } else { 0 };
            before = Some(now);
        }
    }

    /// Calls of any kind that any vendor heard.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world.fakes.values().map(|fake| fake.calls()).sum()
    }

    /// Irreversible calls: effects by the vendors' logs, and orders of a changing step by ours.
    pub async fn irreversible(&self) -> usize {
        let logs = self.world.fakes.values().flat_map(|fake| fake.log());
        let effects = logs.filter(|line| !line.effects.is_empty()).count();
        let orders = self.peek.orders().await;
        let changing = orders.iter().filter(|o| o.class != EffectClass::ReadOnly).count();
        effects.max(changing)
    }

    /// Whom each vendor did something to.
    #[must_use]
    pub fn reached(&self) -> Reached {
        let of = |vendor: &&'static str| {
            let log = self.world.fakes[vendor].log();
            let who = log.iter().flat_map(|line| &line.effects).map(|effect| {
                effect.split_once(' ').map_or(effect.as_str(), |(_, who)| who).to_owned()
            });
            (*vendor, who.collect())
        };
        self.world.fakes.keys().map(of).collect()
    }

    /// Whether every vendor has erased the `n`-th control.
    #[must_use]
    pub fn control_is_gone(&self, n: u32) -> bool {
        let address = format!("{n}-{CONTROL}");
        let held = |vendor: &&'static str| {
            self.world.fakes[vendor].fake().holds(&IdentifierKind::Email, &address)
        };
        !self.world.fakes.keys().any(held)
    }

    /// Reached without the controls.
    #[must_use]
    pub fn strangers(&self) -> Reached {
        let mut reached = self.reached();
        for who in reached.values_mut() {
            who.retain(|one| !one.ends_with(CONTROL));
        }
        reached
    }

    #[must_use]
    pub fn nobody_else_was_reached(&self) -> bool {
        self.strangers().values().all(BTreeSet::is_empty)
    }

    /// Past the cooling-off: the control, released at the same moment, is erased. Returns the
    /// irreversible calls before its end.
    pub async fn cooled(&self) -> usize {
        self.at(JUST_BEFORE).await;
        let early = self.irreversible().await;
        self.at_until(COOLED, "the control is erased", async || self.control_is_gone(0)).await;
        early
    }

    /// The same house, from where it has another future.
    pub async fn fork(&self) -> Self {
        let fork = Self::open(self.house.fork(&self.peek).await).await;
        let released_at = Mutex::new(*self.released_at.lock().expect("a time"));
        Self { released_at, ..fork }
    }

    /// The most people any account has reached.
    #[must_use]
    pub fn most_reached(&self) -> usize {
        self.reached().values().map(BTreeSet::len).max().unwrap_or(0)
    }

    /// The reasons for which accounts wait for a person.
    pub async fn accounts_on_the_desk(&self) -> Vec<Reason> {
        let desk = self.world.store.desk(true, 1000).await.expect("desk");
        let of_account = desk.into_iter().filter(|r| matches!(r.item.subject, Subject::Account(_)));
        of_account.map(|row| row.item.reason).collect()
    }

    /// Requests that wait for a person because no vendor knew anybody.
    pub async fn nobody_found(&self) -> usize {
        let desk = self.world.store.desk(true, 1000).await.expect("desk");
        desk.iter().filter(|row| row.item.reason == Reason::NobodyFound).count()
    }

    /// Accounts that are parked at their ceiling.
    pub async fn parked(&self) -> usize {
        let reached = |r: &&Reason| matches!(r, Reason::CeilingReached { people: CEILING });
        self.accounts_on_the_desk().await.iter().filter(reached).count()
    }

    /// A person lets every account go on that waits for one.
    pub async fn resume(&self) {
        for vendor in self.world.fakes.keys() {
            let id = AccountId::new(vendor).expect("name");
            // one that nothing holds back says so
            let _ = self.world.store.resume_account(&id, "test").await;
        }
    }

    /// Rows a filing would leave behind.
    pub async fn stored(&self) -> [i64; 3] {
        [
            self.peek.count("request").await,
            self.peek.count("tag").await,
            self.peek.count("task").await,
        ]
    }
}

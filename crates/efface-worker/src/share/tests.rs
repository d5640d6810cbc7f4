//! Workers come, go, hang and die; lanes spread and move.

use std::{collections::BTreeMap, time::Duration};

use efface_core::LaneId;
use efface_store::{Attendance, LaneRow, WorkerRow};

use super::{Memory, View};

const LEASE: Duration = Duration::from_secs(30);

fn lane(n: usize) -> LaneId {
    LaneId::new(&format!("lane-{n:02}")).expect("name")
}

/// Workers by the rules, on a database that is only a table.
struct House {
    now: Duration,
    lanes: Vec<LaneId>,
    /// Lane → (owner, until).
    held: BTreeMap<LaneId, (String, Duration)>,
    workers: BTreeMap<String, Worker>,
}

struct Worker {
    memory: Memory,
    wanted: Vec<LaneId>,
    seen_until: Duration,
    /// Says nothing and renews nothing.
    hangs: bool,
}

impl House {
    fn of(lanes: usize) -> Self {
        let lanes = (0..lanes).map(lane).collect();
        Self { now: Duration::from_secs(1), lanes, held: BTreeMap::new(), workers: BTreeMap::new() }
    }

    fn joins(&mut self, name: &str) {
        let wanted = self.lanes.clone();
        self.joins_for(name, wanted);
    }

    fn joins_for(&mut self, name: &str, wanted: Vec<LaneId>) {
        let seen_until = self.now + LEASE;
        let worker = Worker { memory: Memory::default(), wanted, seen_until, hangs: false };
        self.workers.insert(name.into(), worker);
    }

    fn leaves(&mut self, name: &str) {
        self.workers.remove(name);
        self.held.retain(|_, (owner, _)| owner != name);
    }

    fn attendance(&self) -> Attendance {
        let living = self.workers.iter().filter(|(_, w)| w.seen_until >= self.now);
        let workers = living
            .map(|(name, w)| WorkerRow {
                name: name.clone(),
                serves: u32::try_from(w.wanted.len()).expect("few"),
            })
            .collect();
        let lanes = self
            .held
            .iter()
            .map(|(lane, (owner, until))| LaneRow {
                lane: lane.clone(),
                owner: Some(owner.clone()),
                runs_out_in: until.saturating_sub(self.now),
            })
            .collect();
        Attendance { workers, lanes }
    }

    fn mine(&self, name: &str) -> Vec<LaneId> {
        let mine = self.held.iter().filter(|(_, (owner, _))| owner == name);
        mine.map(|(lane, _)| lane.clone()).collect()
    }

    /// Everybody looks once, and time goes on by a third of a lease. How many lanes moved.
    fn round(&mut self) -> usize {
        let mut moved = 0;
        let names: Vec<String> = self.workers.keys().cloned().collect();
        for name in names {
            let worker = self.workers.get_mut(&name).expect("there");
            if worker.hangs {
                continue;
            }
            worker.seen_until = self.now + LEASE;
            for (owner, until) in self.held.values_mut() {
                if *owner == name && *until >= self.now {
                    *until = self.now + LEASE;
                }
            }
            let house = self.attendance();
            let mine = self.mine(&name);
            let worker = self.workers.get_mut(&name).expect("there");
            let decision = worker.memory.decide(&View {
                me: &name,
                wanted: &worker.wanted,
                mine: &mine,
                ending: &[],
                house: &house,
                lease: LEASE,
                now: self.now,
            });
            assert!(decision.look_in <= LEASE / 3);
            for lane in decision.give {
                assert_eq!(self.held.remove(&lane).map(|(owner, _)| owner), Some(name.clone()));
                moved += 1;
            }
            for lane in decision.take {
                let until = self.now + LEASE;
                let before = self.held.insert(lane, (name.clone(), until));
                // nobody's, or one whose lease is over
                assert!(before.is_none_or(|(_, until)| until <= self.now));
                moved += 1;
            }
        }
        self.now += LEASE / 3;
        moved
    }

    fn settle(&mut self) {
        for _ in 0..12 {
            self.round();
        }
        assert_eq!(self.round(), 0, "lanes go on moving: {:?}", self.held);
        assert!(self.held.values().all(|(_, until)| *until > self.now), "a lane lies free");
        assert_eq!(self.held.len(), self.lanes.len(), "a lane lies free");
    }

    fn loads(&self) -> Vec<usize> {
        let mut loads: Vec<usize> = self.workers.keys().map(|w| self.mine(w).len()).collect();
        loads.sort_unstable();
        loads
    }
}

#[test]
fn lanes_spread_evenly_over_any_number_of_workers() {
    for lanes in [1, 2, 7, 16, 40] {
        for workers in [1, 2, 3, 4, 8, 11] {
            let mut house = House::of(lanes);
            for n in 0..workers {
                house.joins(&format!("w{n:02}"));
            }
            house.settle();
            let loads = house.loads();
            assert!(loads[workers - 1] - loads[0] <= 1, "{lanes} lanes: {loads:?}");
        }
    }
}

#[test]
fn one_who_joins_is_given_a_share_and_one_who_leaves_is_replaced() {
    let mut house = House::of(16);
    house.joins("b");
    house.settle();
    assert_eq!(house.loads(), [16]);
    house.joins("a");
    house.settle();
    assert_eq!(house.loads(), [8, 8]);
    house.joins("c");
    house.settle();
    assert_eq!(house.loads(), [5, 5, 6]);
    house.leaves("a");
    house.settle();
    assert_eq!(house.loads(), [8, 8]);
}

#[test]
fn one_who_hangs_loses_its_lanes_when_its_lease_ends_and_gets_its_share_when_it_is_back() {
    let mut house = House::of(9);
    for name in ["a", "b", "c"] {
        house.joins(name);
    }
    house.settle();
    house.workers.get_mut("b").expect("there").hangs = true;
    let hung_at = house.now;
    while house.mine("b").len() + house.mine("c").len() + house.mine("a").len() != 9
        || !house.mine("b").is_empty()
    {
        house.round();
        // at a round's pace; between rounds a worker wakes for the very end of a lease
        assert!(house.now - hung_at <= LEASE + LEASE, "its lanes are still its own");
    }
    assert_eq!(house.loads(), [0, 4, 5]);
    house.workers.get_mut("b").expect("there").hangs = false;
    house.settle();
    assert_eq!(house.loads(), [3, 3, 3]);
}

#[test]
fn a_worker_wakes_for_the_end_of_anothers_lease() {
    let mut house = House::of(2);
    house.joins("a");
    house.joins("b");
    house.settle();
    let (lane, _) = house.held.iter().find(|(_, (o, _))| o == "b").expect("b has one");
    let lane = lane.clone();
    house.held.insert(lane, ("b".into(), house.now + Duration::from_millis(300)));
    let house_now = house.attendance();
    let mine = house.mine("a");
    let decision = Memory::default().decide(&View {
        me: "a",
        wanted: &house.lanes,
        mine: &mine,
        ending: &[],
        house: &house_now,
        lease: LEASE,
        now: house.now,
    });
    assert_eq!(decision.look_in, Duration::from_millis(320));
}

#[test]
fn what_only_one_can_serve_stays_with_it_and_nothing_swings() {
    let mut house = House::of(10);
    house.joins("a");
    // knows two of the accounts alone
    house.joins_for("b", vec![lane(0), lane(1)]);
    house.settle();
    assert_eq!(house.mine("b").len() + house.mine("a").len(), 10);
    assert!(house.mine("a").len() >= 8);
}

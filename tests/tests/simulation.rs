//! Months of a worker's life in a minute, each decided by one number.

use efface_testkit::memory::Broken;
use efface_tests::sim::{Kind, Settings, Tally, simulate};

/// So many seeds in each part of the run.
const SEEDS: u64 = 60;

fn no_promise_is_broken(seeds: std::ops::Range<u64>) {
    let mut total = Tally::default();
    for seed in seeds {
        let outcome = simulate(seed, Settings::default());
        let faults = outcome.faults.join("\n");
        assert!(faults.is_empty(), "simulate --trace {seed}:\n{faults}");
        total.add(&outcome.tally);
    }
    assert!(total.faults.len() >= 8, "little went wrong: {total}");
    assert!(total.orders.1 > 0 && total.orders.2 > 0, "no order was lost: {total}");
}

#[test]
fn no_promise_is_broken_in_thirty_days_of_faults() {
    no_promise_is_broken(1..1 + SEEDS);
}

#[test]
fn no_promise_is_broken_in_thirty_other_days() {
    no_promise_is_broken(100_000..100_000 + SEEDS);
}

#[test]
fn the_same_seed_gives_the_same_journal_byte_for_byte() {
    let mut different = std::collections::BTreeSet::new();
    for seed in [1, 2, 3, 77, 4711, 90_210] {
        let first = simulate(seed, Settings::default());
        // on another thread, so that nothing of this one is leaned on
        let again = std::thread::spawn(move || simulate(seed, Settings::default()));
        assert_eq!(again.join().expect("ran").journal, first.journal, "seed {seed}");
        different.insert(first.journal);
    }
    assert_eq!(different.len(), 6, "each seed has a journal of its own");
}

#[test]
fn a_clock_that_steps_to_and_fro_sends_no_lane_in_circles() {
    let settings = Settings { only: Some(Kind::ClockStep), ..Settings::default() };
    for seed in 1..=SEEDS / 2 {
        let outcome = simulate(seed, settings);
        assert!(outcome.faults.is_empty(), "seed {seed}: {}", outcome.faults.join("\n"));
    }
}

/// Whether the judge notices within so many seeds.
fn is_noticed(settings: Settings) -> Option<String> {
    (1..=SEEDS * 4).find_map(|seed| simulate(seed, settings).faults.into_iter().next())
}

#[test]
fn a_store_that_does_not_fence_is_noticed() {
    let broken = Broken { no_fence: true, ..Broken::default() };
    let fault = is_noticed(Settings { broken, ..Settings::default() });
    assert!(fault.is_some());
}

#[test]
fn a_store_that_takes_stale_versions_is_noticed() {
    let broken = Broken { no_versions: true, ..Broken::default() };
    let fault = is_noticed(Settings { broken, ..Settings::default() });
    assert!(fault.is_some());
}

#[test]
fn a_call_that_nobody_wrote_down_first_is_noticed() {
    let fault = is_noticed(Settings { skip_first_commit: true, ..Settings::default() });
    let fault = fault.expect("noticed");
    assert!(fault.contains("before its order was written"), "{fault}");
}

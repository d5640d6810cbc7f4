//! Two hundred mistakes of a privacy team, each with the release that somebody in a hurry gives.

use efface_tests::mistakes::{Kind, Line, count, play_all, show};

/// Nothing of a line's kind happened.
const NONE: Line = Line {
    played: 25,
    filing: 0,
    release: 0,
    cooling_off: 0,
    ceiling: 0,
    look_up: 0,
    account: 0,
    irreversible_before: 0,
    most_reached: 0,
};

/// Where each kind must be stopped.
const WANTED: [(Kind, Line); 8] = [
    (Kind::WrongFile, Line { filing: 23, look_up: 2, ..NONE }),
    (
        Kind::WholeExport,
        Line { release: 3, cooling_off: 22, ceiling: 22, most_reached: 100, ..NONE },
    ),
    (Kind::EmptyOrWildcard, Line { filing: 25, ..NONE }),
    (Kind::OwnStaff, Line { filing: 25, ..NONE }),
    (Kind::RoleMailbox, Line { filing: 25, ..NONE }),
    (Kind::SharedPhone, Line { filing: 25, ..NONE }),
    (Kind::WrongKey, Line { account: 25, ..NONE }),
    // an address of another real person is reached when nobody notices: one, and no more
    (Kind::Typo, Line { filing: 9, cooling_off: 8, look_up: 8, most_reached: 1, ..NONE }),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_mistakes_are_stopped_before_anything_irreversible_or_bounded_by_the_ceiling() {
    let played = play_all().await;
    let lines = count(&played);
    println!("{}", show(&lines));
    assert_eq!(played.len(), 200);
    for (kind, want) in WANTED {
        assert_eq!(lines.get(&kind), Some(&want), "{}", kind.words());
    }
}

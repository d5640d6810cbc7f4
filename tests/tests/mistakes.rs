//! Two hundred mistakes of a privacy team, each with the release that somebody in a hurry gives.

use efface_tests::mistakes::{Kind, Line, count, play, show};

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

/// Where each kind must be stopped: two hundred mistakes.
const WANTED: [(Kind, Line); Kind::ALL.len()] = [
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

async fn are_stopped_or_bounded(kind: Kind) {
    let lines = count(&play(kind).await);
    println!("{}", show(&lines));
    let want = WANTED.iter().find(|(of, _)| *of == kind).map(|(_, want)| want);
    assert_eq!(lines.get(&kind), want, "{}", kind.words());
}

macro_rules! stopped_before_anything_irreversible_or_bounded_by_the_ceiling {
    ($($name:ident: $kind:ident),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            are_stopped_or_bounded(Kind::$kind).await;
        }
    )*};
}

stopped_before_anything_irreversible_or_bounded_by_the_ceiling! {
    a_wrong_file: WrongFile,
    a_whole_export: WholeExport,
    an_empty_cell_or_a_wildcard: EmptyOrWildcard,
    the_own_staff: OwnStaff,
    a_role_mailbox: RoleMailbox,
    a_telephone_of_two_persons: SharedPhone,
    another_accounts_key: WrongKey,
    a_typing_error: Typo,
}

//! The scenes.

mod brake;
mod clock;
mod controls;
mod cut;
mod full;
mod key;
pub mod kill;
mod points;
mod race;
mod restart;
mod restore;
mod rolling;
mod storm;
mod upgrade;
mod zombie;

use super::{Database, Scene, Tier};

const BOTH: &[Database] = &[Database::Sqlite, Database::Postgresql];
const POSTGRESQL: &[Database] = &[Database::Postgresql];
const SQLITE: &[Database] = &[Database::Sqlite];
const ALWAYS: &[Tier] = &[Tier::Short, Tier::Night];
const AT_NIGHT: &[Tier] = &[Tier::Night];

const fn possible() -> Option<String> {
    None
}

macro_rules! scenes {
    ($($name:literal: $about:literal, $databases:ident, $tiers:ident, $cannot:path, $play:path;)+) => {
        /// All scenes, in the order they are played.
        pub const SCENES: &[Scene] = &[
            $(Scene {
                name: $name,
                about: $about,
                databases: $databases,
                tiers: $tiers,
                cannot: $cannot,
                play: |setting| Box::pin($play(setting)),
            },)+
        ];
    };
}

scenes! {
    "kill": "kill -9 while orders are out", BOTH, ALWAYS, possible, kill::play;
    "points": "the process ends at each named point of the work", BOTH, AT_NIGHT, possible, points::play;
    "zombie": "a worker sleeps past its lease, another takes over, it wakes", POSTGRESQL, ALWAYS, possible, zombie::play;
    "long-zombie": "the same with a lease of 30 s", POSTGRESQL, AT_NIGHT, possible, zombie::play_long;
    "second": "a second worker on SQLite is refused", SQLITE, ALWAYS, possible, zombie::play_second;
    "race": "eight workers begin at one moment", POSTGRESQL, ALWAYS, possible, race::play;
    "restart": "PostgreSQL is restarted, stopped at once, killed", POSTGRESQL, ALWAYS, possible, restart::play;
    "cut": "the way to PostgreSQL falls silent or is cut", POSTGRESQL, ALWAYS, possible, cut::play;
    "full": "the disk is full for a while", SQLITE, ALWAYS, full::cannot, full::play;
    "storm": "vendors refuse, fail, fall silent, talk nonsense", BOTH, ALWAYS, possible, storm::play;
    "rolling": "SIGTERM and a new worker, again and again", BOTH, ALWAYS, possible, rolling::play;
    "key": "a vendor's key is revoked and restored", BOTH, ALWAYS, possible, key::play;
    "brake": "people withdraw and `efface stop` is pulled while calls leave", BOTH, ALWAYS, possible, brake::play;
    "upgrade": "the schema changes beneath work in flight, up and back", BOTH, ALWAYS, possible, upgrade::play;
    "restore": "the database is lost and an older copy is put back, twice", BOTH, ALWAYS, possible, restore::play;
    "clock": "the wall clock of a worker steps and comes back", BOTH, ALWAYS, clock::cannot, clock::play;
    "controls": "crippled builds, in which the oracle must find faults", POSTGRESQL, AT_NIGHT, possible, controls::play;
}

//! The mistakes of a privacy team in a hurry, played to their end: real files and the real program,
//! real store and worker, the vendors' stand-ins, and a clock that is moved.

mod exports;
mod files;
mod house;
mod keys;
mod phones;
mod rows;
mod scene;
mod table;
mod typos;

use std::time::Duration;

use futures::StreamExt as _;

pub use table::{Kind, Line, Played, Stop, count, show};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The cooling-off is all but over.
const JUST_BEFORE: Duration = Duration::from_secs(24 * 3600 - 600);
/// The cooling-off is over.
const COOLED: Duration = Duration::from_secs(24 * 3600 + 600);
/// Houses in work at once.
const TOGETHER: usize = 6;

/// Plays all of a kind.
///
/// # Panics
/// When a brake does not hold.
pub async fn play(kind: Kind) -> Vec<Played> {
    match kind {
        Kind::WrongFile => files::play().await,
        Kind::WholeExport => each(exports::exports(), exports::play).await,
        Kind::EmptyOrWildcard | Kind::OwnStaff | Kind::RoleMailbox => rows::play(kind).await,
        Kind::SharedPhone => phones::play().await,
        Kind::WrongKey => each(keys::keys(), keys::play).await,
        Kind::Typo => typos::play().await,
    }
}

async fn each<F: Future<Output = Played>>(count: usize, play: fn(usize) -> F) -> Vec<Played> {
    futures::stream::iter(0..count).map(play).buffer_unordered(TOGETHER).collect().await
}

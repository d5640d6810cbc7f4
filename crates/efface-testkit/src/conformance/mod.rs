//! What every vendor must keep: one suite, run against each vendor's own stand-in.
//!
//! Each sentence is tried on fresh stands; a report per vendor says which hold. A vendor that cannot
//! keep a sentence says so by its id in `Fake::excuses`, with the reason; an excuse that is not
//! needed is itself a failure.

mod card;
mod ends;
mod faults;
mod lists;
mod look;
mod lost;
mod polls;
mod privacy;
mod recall;
mod report;
mod rig;
#[cfg(test)]
mod tests;

use efface_connector::Plugin;

pub use report::{Report, Row, Verdict, table};
use rig::Rig;

/// What stands in the way of a sentence.
#[derive(Clone, Debug)]
pub(crate) enum Broken {
    /// The vendor offers nothing the sentence is about.
    NotApplicable(String),
    By(String),
}

impl From<String> for Broken {
    fn from(why: String) -> Self {
        Self::By(why)
    }
}

impl From<&str> for Broken {
    fn from(why: &str) -> Self {
        Self::By(why.to_owned())
    }
}

pub(crate) type Kept = Result<(), Broken>;

/// Fails a sentence with words when a condition does not hold.
pub(crate) fn ensure(condition: bool, words: impl FnOnce() -> String) -> Kept {
    if condition { Ok(()) } else { Err(Broken::By(words())) }
}

pub(crate) fn not_applicable(why: &str) -> Kept {
    Err(Broken::NotApplicable(why.to_owned()))
}

/// Runs the whole suite for one vendor.
pub async fn suite(plugin: &'static Plugin) -> Report {
    let mut rig = match Rig::new(plugin).await {
        Ok(rig) => rig,
        Err(why) => return Report::broken(plugin.id, why),
    };
    card::run(&mut rig).await;
    ends::run(&mut rig).await;
    lost::run(&mut rig).await;
    faults::run(&mut rig).await;
    polls::run(&mut rig).await;
    recall::run(&mut rig).await;
    look::run(&mut rig).await;
    lists::run(&mut rig).await;
    privacy::run(&mut rig);
    rig.report()
}

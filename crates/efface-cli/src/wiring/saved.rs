//! What lies in the anchor folder beside the checkpoints: a file for each, with what must not be lost
//! when the database is set back to an older copy.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use efface_core::restore::Saved;
use efface_ledger::VerifierKey;
use efface_store::{Follows, LostHistory, RestoreRow, SqlStore, Store as _};

use super::anchor;

const ENDING: &str = "saved";
/// A checkpoint of many thousand leaves saves a few megabytes.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Where a checkpoint's file lies, beside its copy.
#[must_use]
pub fn beside(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension(ENDING)
}

/// Which part of which log is asked for.
struct Wanted {
    /// The log's name, and the names it had before.
    log: String,
    past: Vec<String>,
    /// Leaves of the older copy, and of the newest checkpoint.
    leaves: u64,
    covered: u64,
}

/// What the folder has and the database has not; `None` when the database is not behind.
///
/// # Errors
/// When the folder cannot be read, when it holds another history, or when the database is no older
/// copy of this log at all.
pub async fn lost_history(
    store: &SqlStore,
    folder: &Path,
    warn: impl Fn(&str),
) -> Result<Option<LostHistory>> {
    let key = store.verifier_key().await?;
    let past = store.past_keys().await?;
    let found = anchor::newest(folder, &key, &past, &warn)
        .map_err(|error| anchor::cannot_use(folder, &error))?;
    if let [_, (file, other), ..] = found.as_slice() {
        return Err(anchor::other_history(file, other));
    }
    let Some((file, checkpoint)) = found.into_iter().next() else { return Ok(None) };
    let leaves = match store.follows(&checkpoint).await? {
        Follows::Yes => return Ok(None),
        Follows::Behind { size } => size,
        Follows::OtherHistory => return Err(anchor::other_history(&file, &checkpoint)),
    };
    is_a_copy(store, folder, &key, leaves).await?;
    let note = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()));
    let wanted = Wanted {
        log: key.name().to_owned(),
        past: past.iter().map(|key| key.name().to_owned()).collect(),
        leaves,
        covered: checkpoint.size,
    };
    let (saved, uncovered) = read(store, folder, &wanted, &warn)?;
    Ok(Some(LostHistory { checkpoint, note: note?, saved, uncovered }))
}

/// What is saved since the older copy that is being restored already.
///
/// # Errors
/// When the folder cannot be read.
pub async fn saved_since(
    store: &SqlStore,
    folder: &Path,
    row: &RestoreRow,
    warn: impl Fn(&str),
) -> Result<Saved> {
    let before: VerifierKey = row.restore.before.parse().context("the log's former key")?;
    let past = store.past_keys().await?;
    let names = past.iter().map(|key| key.name().to_owned()).filter(|name| name != before.name());
    let wanted = Wanted {
        log: before.name().to_owned(),
        past: names.collect(),
        leaves: row.restore.leaves,
        covered: row.restore.covered,
    };
    Ok(read(store, folder, &wanted, &warn)?.0)
}

/// The newest checkpoint that the copy should know must be one of its own.
async fn is_a_copy(store: &SqlStore, folder: &Path, key: &VerifierKey, leaves: u64) -> Result<()> {
    for file in anchor::files(folder).map_err(|error| anchor::cannot_use(folder, &error))? {
        let Ok(checkpoint) = anchor::open(&file, std::slice::from_ref(key)) else { continue };
        if checkpoint.size <= leaves {
            return match store.follows(&checkpoint).await? {
                Follows::Yes => Ok(()),
                Follows::Behind { .. } | Follows::OtherHistory => {
                    Err(anchor::other_history(&file, &checkpoint))
                }
            };
        }
    }
    Ok(())
}

/// Joins what is saved; leaves of which nothing is saved come with it.
fn read(
    store: &SqlStore,
    folder: &Path,
    wanted: &Wanted,
    warn: &impl Fn(&str),
) -> Result<(Saved, Vec<(u64, u64)>)> {
    let mut all = vec![];
    for entry in fs::read_dir(folder).map_err(|error| anchor::cannot_use(folder, &error))? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != ENDING) {
            continue;
        }
        let text = read_bounded(&path);
        let saved = text.map_err(|error| error.to_string()).and_then(|text| {
            Saved::read(&text, |bytes| store.digest(bytes)).map_err(|error| error.to_string())
        });
        match saved {
            Ok(saved) => all.push(saved),
            Err(why) => warn(&format!("passed over: {}: {why}", path.display())),
        }
    }
    // of this log what follows the copy; of one that another restoration began, everything
    all.retain(|saved| match saved.log == wanted.log {
        true => saved.size > wanted.leaves && saved.size <= wanted.covered,
        false => !wanted.past.contains(&saved.log),
    });
    all.sort_by_key(|saved| (saved.at, saved.size));
    let mut at = wanted.leaves;
    let mut uncovered = vec![];
    for saved in all.iter().filter(|saved| saved.log == wanted.log) {
        if saved.from > at {
            uncovered.push((at, saved.from));
        }
        at = at.max(saved.size);
    }
    if at < wanted.covered {
        uncovered.push((at, wanted.covered));
    }
    let mut joined = Saved::default();
    all.into_iter().for_each(|saved| joined.join(saved));
    Ok((joined, uncovered))
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

//! The anchor: copies of the log's checkpoints in a folder that does not share the database's fate.
//! What lies there tells when the database was set back, and when its history was rewritten.

use std::{
    fs,
    io::{self, ErrorKind, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use efface_ledger::{Checkpoint, VerifierKey};
use efface_settings::Settings;
use efface_store::{Follows, SqlStore};
use efface_worker::Anchor;

use super::{database_file, files::write_whole, saved};
use crate::{
    exit::{Exit, Failure},
    print::leaves,
};

const ENDING: &str = "checkpoint";
/// No checkpoint is longer.
const MOST_BYTES: u64 = 64 * 1024;

/// Keeps each checkpoint as a file of its own.
#[derive(Clone, Debug)]
pub struct FolderAnchor {
    folder: PathBuf,
}

impl FolderAnchor {
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

impl Anchor for FolderAnchor {
    /// The file's name follows from the note alone: size and root. The folder is not made here: where
    /// it has gone, something else was mounted there.
    fn keep(&self, _name: &str, note: &str, saved: &str) -> io::Result<()> {
        let path = copy_of(&self.folder, note)?;
        let beside = saved::beside(&path);
        // where the checkpoint lies, what it saves lies too: until then it may be written anew, for it
        // tells of entries as they stand when it is read
        if !(path.exists() && beside.exists()) {
            write_whole(&beside, saved.as_bytes(), true)?;
        }
        keep_file(&path, note)
    }
}

fn keep_file(path: &Path, text: &str) -> io::Result<()> {
    match fs::read(path) {
        Ok(there) if there == text.as_bytes() => Ok(()),
        Ok(_) => Err(io::Error::new(
            ErrorKind::AlreadyExists,
            format!("{} holds something else and is not overwritten", path.display()),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            write_whole(path, text.as_bytes(), false)
        }
        Err(error) => Err(error),
    }
}

/// Where a checkpoint's copy lies.
///
/// # Errors
/// When the note is none.
pub fn copy_of(folder: &Path, note: &str) -> io::Result<PathBuf> {
    let checkpoint = Checkpoint::unproven(note)
        .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(folder.join(file_name(&checkpoint)))
}

/// Names sort by size, and two histories of one size have two names.
pub fn file_name(checkpoint: &Checkpoint) -> String {
    format!("{:020}-{}.{ENDING}", checkpoint.size, hex::encode(&checkpoint.root[..8]))
}

/// Where the anchor and the database share one fate: the folder lies where the database's file does,
/// or below.
#[must_use]
pub fn lies_with_database(settings: &Settings, folder: &Path) -> bool {
    let Some(file) = database_file(settings) else { return false };
    let whole = |path: &Path| {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        // what does not exist yet has no links to follow below what does
        let there = path.ancestors().find_map(|a| Some((a, a.canonicalize().ok()?)));
        match there {
            Some((ancestor, real)) => {
                path.strip_prefix(ancestor).map_or_else(|_| real.clone(), |rest| real.join(rest))
            }
            None => path,
        }
    };
    whole(&file).parent().is_some_and(|beside| whole(folder).starts_with(beside))
}

/// Whether the folder lies on the database's own disk, as far as that can be told.
#[cfg(unix)]
#[must_use]
pub fn on_one_disk(settings: &Settings, folder: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let disk = |path: &Path| {
        let path = std::path::absolute(path).ok()?;
        path.ancestors().find_map(|there| Some(fs::metadata(there).ok()?.dev()))
    };
    let file = database_file(settings).and_then(|file| disk(&file));
    file.is_some() && file == disk(folder)
}

#[cfg(not(unix))]
#[must_use]
pub fn on_one_disk(_settings: &Settings, _folder: &Path) -> bool {
    false
}

/// Refuses a database whose log does not lead to the newest checkpoint kept in the folder: it was set
/// back to an earlier day, or has another history. What is odd and no reason to refuse goes to `warn`.
///
/// # Errors
/// As said, and when the folder cannot be read.
pub async fn check_anchor(store: &SqlStore, folder: &Path, warn: impl Fn(&str)) -> Result<()> {
    let key = store.verifier_key().await?;
    let past = store.past_keys().await?;
    let newest = match newest(folder, &key, &past, &warn) {
        Ok(newest) => newest,
        // made when the first checkpoint is kept; once one was, it must be there
        Err(error) if error.kind() == ErrorKind::NotFound => match is_anchored(store).await? {
            true => return Err(not_there(folder)),
            false => return Ok(()),
        },
        Err(error) => return Err(cannot_use(folder, &error)),
    };
    if newest.is_empty() && is_anchored(store).await? {
        return Err(not_there(folder));
    }
    for (file, checkpoint) in newest {
        match store.follows(&checkpoint).await? {
            Follows::Yes => {}
            Follows::Behind { size } => return Err(behind(&file, &checkpoint, size)),
            Follows::OtherHistory => return Err(other_history(&file, &checkpoint)),
        }
    }
    // after a restoration somebody has looked at what the folder holds
    if past.is_empty()
        && let Some(file) = stranger(folder, &key).map_err(|e| cannot_use(folder, &e))?
    {
        return Err(of_another_log(&file));
    }
    Ok(())
}

/// A checkpoint of a log that is not this database's: what that log's database sent is unknown to this
/// one.
fn stranger(folder: &Path, key: &VerifierKey) -> io::Result<Option<PathBuf>> {
    let ours = |path: &PathBuf| open(path, std::slice::from_ref(key)).is_ok();
    // what is no checkpoint at all is told elsewhere
    let is_one = |path: &PathBuf| {
        fs::read_to_string(path).is_ok_and(|note| Checkpoint::unproven(&note).is_ok())
    };
    Ok(files(folder)?.into_iter().find(|path| is_one(path) && !ours(path)))
}

fn of_another_log(file: &Path) -> anyhow::Error {
    let message = format!(
        "the anchor folder holds {}, a checkpoint of another log: this database is a copy from before that log began, or another installation's",
        file.display()
    );
    Failure::refused(message)
        .hint("put the newest copy of the database back: what the other log's database sent is unknown to this one, and a worker would send it again. Another installation needs a ledger.anchor_folder of its own")
        .into()
}

/// Makes the folder where it is missing, so that a wrong place is told at the start.
///
/// # Errors
/// When it cannot be made.
pub fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| cannot_use(folder, &error))
}

async fn is_anchored(store: &SqlStore) -> Result<bool> {
    let last = store.last_checkpoint().await?;
    Ok(last.is_some_and(|row| row.anchored_at.is_some()))
}

fn not_there(folder: &Path) -> anyhow::Error {
    let shown = folder.display();
    let message = format!(
        "no checkpoint is in the anchor folder {shown}, and some of this log were kept before"
    );
    Failure::new(Exit::Failed, message)
        .hint("is it mounted? If it is meant to be a new one, copy the newest checkpoint of the old folder into it")
        .into()
}

/// The failure of a folder that cannot be used.
pub fn cannot_use(folder: &Path, error: &io::Error) -> anyhow::Error {
    let shown = folder.display();
    Failure::new(Exit::Failed, format!("the anchor folder {shown} cannot be used: {error}"))
        .hint("ledger.anchor_folder must be a folder that this user may read and write")
        .into()
}

fn behind(file: &Path, kept: &Checkpoint, size: u64) -> anyhow::Error {
    let missing = kept.size.saturating_sub(size);
    let message = format!(
        "the database is older than its last anchored checkpoint: its log ends after {}, and {} covers {}: {} missing. Was it restored from a backup?",
        leaves(size),
        file.display(),
        kept.size,
        if missing == 1 { "1 is".to_owned() } else { format!("{missing} are") }
    );
    let hint = format!(
        "{}. To go on without it all the same: `efface restore` begins a new log, applies what is saved beside the checkpoints, and sends nothing before you release it",
        wayout(file)
    );
    Failure::refused(message).hint(hint).into()
}

/// The failure of a database that has another history than a checkpoint.
pub fn other_history(file: &Path, kept: &Checkpoint) -> anyhow::Error {
    let message = format!(
        "the database has another history than its anchored checkpoint {} of {} leaves: it was restored from a backup and went on, or its journal was altered",
        file.display(),
        kept.size
    );
    Failure::refused(message).hint(wayout(file)).into()
}

fn wayout(file: &Path) -> String {
    format!(
        "put the newest copy of the database back; `efface audit verify --checkpoint {}` tells more. What is missing may have been sent, and a worker would send it again",
        file.display()
    )
}

/// The copies of checkpoints in a folder, the largest first.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == ENDING) {
            files.push(path);
        }
    }
    // by name
    files.sort_unstable_by(|a, b| b.cmp(a));
    Ok(files)
}

/// The checkpoints of the largest size that our key signed. More than one is another history. Those of
/// a log that ours goes on from say nothing of ours.
pub fn newest(
    folder: &Path,
    key: &VerifierKey,
    past: &[VerifierKey],
    warn: &impl Fn(&str),
) -> io::Result<Vec<(PathBuf, Checkpoint)>> {
    let mut found: Vec<(PathBuf, Checkpoint)> = vec![];
    for path in files(folder)? {
        let checkpoint = match open(&path, std::slice::from_ref(key)) {
            Ok(checkpoint) => checkpoint,
            Err(_) if open(&path, past).is_ok() => continue,
            Err(error) => {
                warn(&format!("passed over in the anchor folder: {error:#}"));
                continue;
            }
        };
        if found.first().is_some_and(|(_, largest)| largest.size != checkpoint.size) {
            break;
        }
        found.push((path, checkpoint));
    }
    Ok(found)
}

/// Reads a checkpoint from a file.
///
/// # Errors
/// When it cannot be read, or none of the keys signed it.
pub fn open(path: &Path, keys: &[VerifierKey]) -> Result<Checkpoint> {
    let shown = path.display();
    let mut note = String::new();
    let read = fs::File::open(path).and_then(|f| f.take(MOST_BYTES + 1).read_to_string(&mut note));
    read.with_context(|| format!("cannot read {shown}"))?;
    // one that came by mail has other ends of lines, and they are not what is signed
    let note = format!("{}\n", note.replace("\r\n", "\n").trim_end());
    let mut failed = None;
    for key in keys {
        match Checkpoint::open(&note, key) {
            Ok(checkpoint) => return Ok(checkpoint),
            // the first key is the log's own
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        Some(error) => Err(error).with_context(|| format!("{shown} is no checkpoint of this log")),
        None => bail!("{shown} is no checkpoint of this log"),
    }
}

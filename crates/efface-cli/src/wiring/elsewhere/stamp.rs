//! The time stamp: an authority (RFC 3161) signs the digest of a checkpoint's note together with its
//! own time. The answer is kept beside the checkpoint's copy in the anchor folder.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use efface_connector::{Method, Request};
use efface_core::outside::Chance as _;
use efface_ledger::timestamp::{self, Nonce, Stamp};
use efface_settings::Settings;
use efface_store::{CheckpointRow, SqlStore};

use super::{base_and_path, client, send};
use crate::wiring::{OsChance, anchor, files::write_whole};

const ENDING: &str = "tsr";

/// Has a checkpoint stamped, and keeps the answer as it came.
///
/// # Errors
/// When its copy is not in the anchor folder yet, or no stamp was given that counts.
pub async fn ask(
    store: &Arc<SqlStore>,
    settings: &Settings,
    url: &str,
    row: &CheckpointRow,
) -> Result<()> {
    let Some(folder) = &settings.ledger.anchor_folder else {
        bail!("there is no ledger.anchor_folder to keep a time stamp in");
    };
    let copy = anchor::copy_of(folder, &row.note)?;
    match fs::read(&copy) {
        Ok(there) if there == row.note.as_bytes() => {}
        Ok(_) => bail!("{} holds something else than the checkpoint", copy.display()),
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "{} is not there yet: a worker puts it there, and then it is stamped",
            copy.display()
        ),
        Err(error) => return Err(anchor::cannot_use(folder, &error)),
    }
    if is_stamped(&copy)? {
        return Ok(());
    }
    let mut drawn = [0; timestamp::NONCE_BYTES];
    OsChance.fill(&mut drawn);
    let nonce = Nonce::new(drawn);
    let question = timestamp::question(row.note.as_bytes(), nonce);
    let (base, path) = base_and_path(url);
    let request = Request::new(Method::POST, base, path).bytes(timestamp::QUESTION, question);
    let mut http = client(store, settings, url)?;
    if settings.ledger.anchor_timestamp_allow_http {
        http = http.allowing_plain_http();
    }
    let reply = send(&http, &request, store.now()).await?;
    timestamp::answer(reply.body(), row.note.as_bytes(), nonce, store.now())?;
    let file = file_of(&copy);
    match write_whole(&file, reply.body(), false) {
        // another process was faster
        Err(error) if error.kind() == ErrorKind::AlreadyExists && is_stamped(&copy)? => Ok(()),
        written => written.with_context(|| format!("cannot write {}", file.display())),
    }
}

/// The time stamp that lies beside a checkpoint's file; none where none does. Whether the authority
/// signed it is not looked at.
///
/// # Errors
/// When what lies there is no time stamp of this checkpoint, or cannot be read.
pub fn beside(checkpoint: &Path) -> Result<Option<(PathBuf, Stamp)>> {
    let file = file_of(checkpoint);
    let answer = match fs::read(&file) {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let note =
        fs::read(checkpoint).with_context(|| format!("cannot read {}", checkpoint.display()))?;
    let stamp = timestamp::kept(&answer, &note)
        .with_context(|| format!("{} does not belong to it", file.display()))?;
    Ok(Some((file, stamp)))
}

fn is_stamped(checkpoint: &Path) -> Result<bool> {
    Ok(beside(checkpoint)?.is_some())
}

fn file_of(checkpoint: &Path) -> PathBuf {
    checkpoint.with_extension(ENDING)
}

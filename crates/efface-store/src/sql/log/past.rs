//! What the log was called before, and what each of its checkpoints saves.

use efface_core::{
    SuppressionId,
    journal::Leaf,
    restore::{FORMAT, Saved},
};
use efface_ledger::{Checkpoint, Signer, VerifierKey};
use zeroize::Zeroizing;

use super::{KEY_PURPOSE, count, damaged, number, read::read_checkpoint};
use crate::{
    CheckpointRow, Error, SqlStore,
    hot::Cell,
    sql::{
        list,
        restore::{RESTORES, read},
    },
};

/// Leaves read at once.
const PAGE: u64 = 5_000;

/// A new log's name and its key.
pub(crate) struct NewLog {
    pub(crate) name: String,
    pub(crate) old_name: String,
    /// Sealed under the master, hex.
    pub(crate) sealed_key: String,
}

impl SqlStore {
    /// The keys that the log was signed with before it got its present name, the newest first. They
    /// sign nothing any more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn past_keys(&self) -> Result<Vec<VerifierKey>, Error> {
        let found = self.database.rows(RESTORES, &[]).await?;
        let key = |row: &crate::hot::Returned| read(row)?.restore.before.parse().map_err(damaged);
        found.iter().map(key).collect()
    }

    /// The newest checkpoint, whatever the log was called then.
    pub(super) async fn newest_of_any_log(&self) -> Result<Option<CheckpointRow>, Error> {
        let sql = "SELECT size, at, note, anchored_at FROM checkpoint ORDER BY size DESC LIMIT 1";
        self.database.rows(sql, &[]).await?.first().map(read_checkpoint).transpose()
    }

    pub(super) async fn open_past(&self, note: &str) -> Result<Checkpoint, Error> {
        let keys = self.past_keys().await?;
        let opened = keys.iter().find_map(|key| Checkpoint::open(note, key).ok());
        opened.ok_or_else(|| damaged("its last checkpoint is of a log that is not known"))
    }

    /// A name and a key nobody has used before.
    pub(crate) async fn new_log(&self) -> Result<NewLog, Error> {
        let old_name = self.verifier_key().await?.name().to_owned();
        let mut id = [0; 8];
        self.chance.fill(&mut id);
        let name = format!("efface.invalid/log/{}", hex::encode(id));
        let mut seed = Zeroizing::new([0; 32]);
        self.chance.fill(&mut *seed);
        Signer::new(&name, &seed).map_err(|e| Error::corrupt("log key", e))?;
        let text = Zeroizing::new(hex::encode(*seed));
        let sealed_key = hex::encode(self.sealer.seal_general(KEY_PURPOSE, &text));
        Ok(NewLog { name, old_name, sealed_key })
    }

    /// What this checkpoint saves: read out of the leaves it adds to the one before.
    pub(in crate::sql) async fn read_saved(
        &self,
        checkpoint: &CheckpointRow,
    ) -> Result<Saved, Error> {
        let sql = "SELECT coalesce(max(size), 0) FROM checkpoint WHERE size < $1";
        let found = self.database.rows(sql, &[number(checkpoint.size)]).await?;
        let from = count(found.first().map_or(Ok(0), |r| r.int(0))?);
        let says = Checkpoint::unproven(&checkpoint.note).map_err(damaged)?;
        let mut saved = Saved {
            format: FORMAT,
            log: says.origin,
            size: checkpoint.size,
            root: hex::encode(says.root),
            at: checkpoint.at,
            from,
            ..Saved::default()
        };
        let sql = if self.database.is_postgres() {
            "SELECT j.body FROM leaf l JOIN journal j ON j.id = l.entry_id WHERE l.position >= $1 AND l.position < $2 ORDER BY l.position"
        } else {
            "SELECT body FROM journal WHERE rowid > $1 AND rowid <= $2 ORDER BY rowid"
        };
        let mut at = from;
        while at < checkpoint.size {
            let to = (at + PAGE).min(checkpoint.size);
            let cells: [Cell; 2] = [number(at), number(to)];
            for row in self.database.rows(sql, &cells).await? {
                let leaf = Leaf::read(&row.text(0)?)?;
                saved.take(leaf.at, &leaf.about);
            }
            at = to;
        }
        let changed: Vec<SuppressionId> = saved.suppressions.keys().copied().collect();
        saved.entries = list::saved_entries(&self.database, &changed).await?;
        Ok(saved)
    }
}

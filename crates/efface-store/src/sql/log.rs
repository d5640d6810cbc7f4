//! The log over the journal: leaves get positions, the tree grows, checkpoints are signed.
//!
//! On SQLite, which has one writer, an entry's position follows from its row's number. On PostgreSQL
//! entries may become visible out of their ids' order: each waits in `unplaced` from its own
//! transaction on, and the owner of the `ledger` lane gives positions to what it sees there.

mod past;
mod read;

use std::collections::BTreeMap;

use efface_core::{
    Timestamp,
    journal::{Hash, leaf_hash},
};
use efface_ledger::{
    Checkpoint, Frontier, Signer, VerifierKey,
    tree::{self, TileId, TilesNeeded},
};
use zeroize::Zeroizing;

use crate::{
    CheckpointRow, Error, Lease, SqlStore,
    hot::{Cell, Tx},
    sql::{Database, commit},
};

const FRONTIER: &str = "ledger.frontier";
pub(super) const KEY: &str = "ledger.key";
pub(super) const ORIGIN: &str = "ledger.origin";
const KEY_PURPOSE: &str = "ledger-key";

/// Tiles as they were loaded.
pub(super) type Loaded = BTreeMap<TileId, Vec<Hash>>;

fn number(n: u64) -> Cell {
    Cell::from(i64::try_from(n).unwrap_or(i64::MAX))
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::corrupt("log of the journal", error)
}

/// One tile's hashes.
pub(super) const TILE: &str = "SELECT hashes FROM tile WHERE level = $1 AND number = $2";

fn read_tile(id: TileId, bytes: &[u8]) -> Result<Vec<Hash>, Error> {
    let tile = tree::Tile::from_bytes(id, bytes);
    Ok(tile.ok_or_else(|| damaged(format!("tile {id} is no tile")))?.hashes)
}

async fn load(database: &Database, needed: &TilesNeeded) -> Result<Loaded, Error> {
    let mut loaded = Loaded::new();
    for id in needed.keys() {
        let cells = [Cell::from(u32::from(id.level)), number(id.index)];
        if let Some(row) = database.rows(TILE, &cells).await?.first() {
            loaded.insert(*id, read_tile(*id, &row.bytes(0)?)?);
        }
    }
    Ok(loaded)
}

/// Bodies of entries that have no position yet, in the order in which they get one.
async fn unplaced(tx: &mut Tx<'_>, size: u64, most: u32) -> Result<Vec<String>, Error> {
    let cells = [number(size), Cell::from(most)];
    let sql = match tx {
        Tx::Postgres(_) => {
            "WITH next AS MATERIALIZED (SELECT entry_id, row_number() OVER (ORDER BY entry_id) - 1 + $1 AS position FROM (SELECT entry_id FROM unplaced ORDER BY entry_id LIMIT $2) AS x), \
             placed AS (INSERT INTO leaf (position, entry_id) SELECT position, entry_id FROM next), \
             gone AS (DELETE FROM unplaced USING next WHERE unplaced.entry_id = next.entry_id) \
             SELECT next.position, j.body FROM next LEFT JOIN LATERAL (SELECT body FROM journal WHERE journal.id = next.entry_id OFFSET 0) AS j ON true ORDER BY next.position"
        }
        Tx::Sqlite(..) | Tx::Inline(..) => {
            "SELECT rowid - 1, body FROM journal WHERE rowid > $1 ORDER BY rowid LIMIT $2"
        }
    };
    let mut bodies = vec![];
    for (row, wanted) in tx.small(sql, &cells).await?.iter().zip(size..) {
        let body = row.opt_text(1)?.filter(|_| row.int(0).is_ok_and(|at| count(at) == wanted));
        let missing = || damaged(format!("the entry at position {wanted} is missing"));
        bodies.push(body.ok_or_else(missing)?);
    }
    Ok(bodies)
}

impl SqlStore {
    /// The log's tree as far as positions were given.
    pub(super) async fn frontier(&self) -> Result<Frontier, Error> {
        match self.database.meta(FRONTIER).await? {
            Some(text) => Frontier::from_hex(&text).map_err(damaged),
            None => Ok(Frontier::default()),
        }
    }

    /// Gives positions to at most so many entries; how many got one.
    pub(super) async fn place(&self, lease: &Lease, most: u32) -> Result<u64, Error> {
        let before = self.database.meta(FRONTIER).await?;
        let mut frontier = self.frontier().await?;
        if !self.anything_unplaced(frontier.size()).await? {
            return Ok(0);
        }
        let tiles = load(&self.database, &frontier.open_tiles()).await?;
        let mut tx = self.database.begin().await?;
        commit::check_lease(&mut tx, lease).await?;
        let bodies = unplaced(&mut tx, frontier.size(), most).await?;
        let hashes: Vec<Hash> = bodies.iter().map(|body| leaf_hash(body.as_bytes())).collect();
        for tile in frontier.append(&tiles, &hashes).map_err(damaged)? {
            let cells = [
                Cell::from(u32::from(tile.id.level)),
                number(tile.id.index),
                Cell::from(tile.to_bytes()),
            ];
            tx.small("INSERT INTO tile (level, number, hashes) VALUES ($1, $2, $3) ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes", &cells).await?;
        }
        self.advance(&mut tx, before, &frontier).await?;
        tx.commit().await?;
        Ok(u64::try_from(hashes.len()).unwrap_or(u64::MAX))
    }

    /// Whoever else moved the tree meanwhile wins: nothing is written over.
    async fn advance(
        &self,
        tx: &mut Tx<'_>,
        before: Option<String>,
        frontier: &Frontier,
    ) -> Result<(), Error> {
        let name = Cell::from(FRONTIER);
        let after = Cell::from(frontier.to_hex());
        let hit = match before {
            Some(before) => {
                let sql =
                    "UPDATE meta SET value = $2 WHERE name = $1 AND value = $3 RETURNING name";
                tx.small(sql, &[name, after, Cell::from(before)]).await?
            }
            None => {
                let sql = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING RETURNING name";
                tx.small(sql, &[name, after]).await?
            }
        };
        if hit.is_empty() {
            return Err(Error::Stale { tasks: vec![] });
        }
        Ok(())
    }

    async fn anything_unplaced(&self, size: u64) -> Result<bool, Error> {
        if self.database.is_postgres() {
            return Ok(!self
                .database
                .rows("SELECT 1 FROM unplaced LIMIT 1", &[])
                .await?
                .is_empty());
        }
        let sql = "SELECT coalesce(max(rowid), 0) FROM journal";
        let last = self.database.rows(sql, &[]).await?.first().map_or(Ok(0), |r| r.int(0))?;
        // what is written next would take the places of those that are gone
        match count(last).checked_sub(size) {
            Some(waiting) => Ok(waiting > 0),
            None => Err(damaged(format!("{} entries at its end are missing", size - count(last)))),
        }
    }

    /// The log's signing key, made at its first use; its seed is sealed under the master key.
    async fn signer(&self) -> Result<Signer, Error> {
        let origin = match self.database.meta(ORIGIN).await? {
            Some(origin) => origin,
            None => {
                let mut id = [0; 8];
                self.chance.fill(&mut id);
                let origin = format!("efface.invalid/log/{}", hex::encode(id));
                self.database.claim_meta(ORIGIN, &origin).await?
            }
        };
        let sealed = match self.database.meta(KEY).await? {
            Some(sealed) => sealed,
            None => {
                let mut seed = Zeroizing::new([0; 32]);
                self.chance.fill(&mut *seed);
                let text = Zeroizing::new(hex::encode(*seed));
                let sealed = self.sealer.seal_general(KEY_PURPOSE, &text);
                self.database.claim_meta(KEY, &hex::encode(sealed)).await?
            }
        };
        let sealed = hex::decode(sealed).map_err(|e| Error::corrupt("log key", e))?;
        let text = self.sealer.open_general(KEY_PURPOSE, &sealed)?;
        let mut seed = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.expose(), &mut *seed)
            .map_err(|_| Error::corrupt("log key", "not 32 bytes of hex"))?;
        Signer::new(&origin, &seed).map_err(|e| Error::corrupt("log key", e))
    }

    /// What the log's checkpoints are checked with; made at its first use.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn verifier_key(&self) -> Result<VerifierKey, Error> {
        Ok(self.signer().await?.verifier().clone())
    }

    /// Signs the tree as it stands; the last checkpoint when nothing was placed since. `None` while
    /// the log is empty. Never signs what does not follow from the checkpoint before.
    ///
    /// # Errors
    /// When the database cannot be read or written, or the tree does not follow.
    pub async fn sign_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        // in this order: another may place and sign meanwhile
        let last = self.last_checkpoint().await?;
        let frontier = self.frontier().await?;
        let before = self.newest_of_any_log().await?;
        if frontier.size() == before.as_ref().map_or(0, |c| c.size) {
            return Ok(last);
        }
        let signer = self.signer().await?;
        let (size, root) = (frontier.size(), frontier.root());
        let note = match (&last, &before) {
            (None, None) => signer.sign(size, &root),
            (Some(last), _) => {
                let last = Checkpoint::open(&last.note, signer.verifier()).map_err(damaged)?;
                let proof = self.proof_between(last.size, size).await?;
                signer.sign_next(&last, size, &root, &proof).map_err(damaged)?
            }
            // the first of a new log: it follows from what the log before had here
            (None, Some(before)) => {
                let before = self.open_past(&before.note).await?;
                let proof = self.proof_between(before.size, size).await?;
                signer.sign_first(&before, size, &root, &proof).map_err(damaged)?
            }
        };
        let cells = [number(size), Cell::from(self.now().millis()), Cell::from(note.as_str())];
        let mut tx = self.database.begin().await?;
        tx.small("INSERT INTO checkpoint (size, at, note) VALUES ($1, $2, $3) ON CONFLICT (size) DO NOTHING", &cells).await?;
        tx.commit().await?;
        self.last_checkpoint().await
    }

    async fn proof_between(&self, from: u64, to: u64) -> Result<Vec<Hash>, Error> {
        let needed = tree::tiles_for_consistency(from, to).map_err(damaged)?;
        let tiles = load(&self.database, &needed).await?;
        tree::consistency_proof(&tiles, from, to).map_err(damaged)
    }

    /// A checkpoint's copy lies where this database cannot change it.
    pub(super) async fn write_anchored(&self, size: u64, at: Timestamp) -> Result<(), Error> {
        let mut tx = self.database.begin().await?;
        let sql = "UPDATE checkpoint SET anchored_at = $2 WHERE size = $1 AND anchored_at IS NULL";
        tx.small(sql, &[number(size), Cell::from(at.millis())]).await?;
        tx.commit().await
    }
}

//! Reading the log: where it stands, one request's leaves with their proofs, the whole of it.

use std::collections::{HashMap, HashSet};

use efface_core::{
    EntryId, RequestId, TaskId, Timestamp,
    journal::{About, Entry, ReadEntry},
    subject::Identifier,
};
use efface_ledger::{
    Checkpoint,
    log::{Audit, Verdict},
    pack::{Opening, PackedLeaf},
    tree::{self, TILE_WIDTH, TileId, TilesNeeded},
};
use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as SeaValue};

use super::{TILE, count, damaged, load, number, read_tile};
use crate::{
    Audited, CheckpointRow, Error, Follows, LogStatus, SqlStore,
    hot::{Cell, Returned},
};

/// Leaves read at once.
const PAGE: u64 = 5_000;
/// On PostgreSQL an entry's position may lie this far from those of its time.
const STRAY: u64 = 20_000;

pub(super) fn read_checkpoint(row: &Returned) -> Result<CheckpointRow, Error> {
    Ok(CheckpointRow {
        size: count(row.int(0)?),
        at: Timestamp::from_millis(row.int(1)?),
        note: row.text(2)?,
        anchored_at: row.opt_int(3)?.map(Timestamp::from_millis),
    })
}

/// An entry's items are those its leaf promises, and it stands under its own id.
fn stands_beside(
    position: u64,
    body: &str,
    items: &str,
    id: uuid::Uuid,
) -> Result<ReadEntry, Error> {
    match Entry::read(body, items) {
        Ok(entry) if entry.id.0 == id => Ok(entry),
        Ok(entry) => {
            Err(damaged(format!("leaf {position} is that of entry {}, not of {id}", entry.id)))
        }
        Err(error) => Err(damaged(format!("leaf {position}: {error}"))),
    }
}

/// Leaves that are empty, by their entry and with their position, and those a record's end names.
#[derive(Default)]
struct Ended {
    empty: HashMap<EntryId, u64>,
    named: HashSet<EntryId>,
}

impl Ended {
    fn told(&mut self, about: About) {
        if let About::RecordEnded { entries, .. } = about {
            self.named.extend(entries);
        }
    }

    /// The first empty leaf that no record's end names.
    fn untold(&self) -> Option<Error> {
        let untold = self.empty.iter().filter(|(id, _)| !self.named.contains(id));
        untold.map(|(_, position)| *position).min().map(|position| {
            damaged(format!("leaf {position} is empty, and no leaf says that its record has ended"))
        })
    }
}

/// An entry with its position.
struct Placed {
    position: u64,
    body: String,
    items: String,
    /// Whether it names the request itself; else it has, or mentions, a task of it.
    own: bool,
}

impl SqlStore {
    /// Where the log stands.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn log_status(&self) -> Result<LogStatus, Error> {
        let size = self.frontier().await?.size();
        let unplaced = if self.database.is_postgres() {
            self.database.rows("SELECT count(*) FROM unplaced", &[]).await?
        } else {
            let sql = "SELECT coalesce(max(rowid), 0) - $1 FROM journal";
            self.database.rows(sql, &[number(size)]).await?
        };
        let unplaced = unplaced.first().map_or(Ok(0), |r| r.int(0))?;
        if unplaced < 0 {
            return Err(damaged(format!("{} entries at its end are missing", -unplaced)));
        }
        let checkpoint = self.last_checkpoint().await?;
        Ok(LogStatus { size, unplaced: count(unplaced), checkpoint })
    }

    /// The newest checkpoint of the log as it is called now.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_checkpoint(&self) -> Result<Option<CheckpointRow>, Error> {
        let sql = "SELECT size, at, note, anchored_at FROM checkpoint WHERE size > coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE name = 'ledger.past'), 0) ORDER BY size DESC LIMIT 1";
        self.database.rows(sql, &[]).await?.first().map(read_checkpoint).transpose()
    }

    pub(in crate::sql) async fn unanchored(&self) -> Result<Vec<CheckpointRow>, Error> {
        let sql = "SELECT size, at, note, anchored_at FROM checkpoint WHERE anchored_at IS NULL ORDER BY size LIMIT 100";
        self.database.rows(sql, &[]).await?.iter().map(read_checkpoint).collect()
    }

    /// Whether the log, as the database has it, is the one a checkpoint was signed over.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn follows(&self, signed: &Checkpoint) -> Result<Follows, Error> {
        let size = self.log_status().await?.size;
        if size < signed.size {
            return Ok(Follows::Behind { size });
        }
        let tiles = load(&self.database, &tree::tiles_for_root(signed.size)).await?;
        let root = tree::root(&tiles, signed.size).map_err(damaged)?;
        Ok(if root == signed.root { Follows::Yes } else { Follows::OtherHistory })
    }

    /// Reads the whole journal against a checkpoint; `told` hears how many leaves were read so far. A
    /// leaf whose record has ended is empty, and another leaf must say so.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn audit(
        &self,
        signed: &Checkpoint,
        mut told: impl FnMut(u64) + Send,
    ) -> Result<Audited, Error> {
        let mut audit = Audit::new(signed.clone());
        let mut ended = Ended::default();
        let (mut read, mut from, mut tile, mut beside) = (0u64, 0u64, vec![], None);
        loop {
            let sql = if self.database.is_postgres() {
                "SELECT l.position, j.body, j.items, l.entry_id FROM leaf l LEFT JOIN journal j ON j.id = l.entry_id WHERE l.position >= $1 AND l.position < $2 ORDER BY l.position"
            } else {
                "SELECT rowid - 1, body, items, id FROM journal WHERE rowid > $1 AND rowid <= $2 ORDER BY rowid"
            };
            let found = self.database.rows(sql, &[number(from), number(from + PAGE)]).await?;
            for row in &found {
                // a row that is gone is a leaf that is gone
                if let Some(body) = row.opt_text(1)? {
                    let stored = self.stored_hash(read, &mut tile).await?;
                    match stored.filter(|_| body.is_empty()) {
                        Some(stored) => {
                            audit.ended(stored);
                            ended.empty.insert(EntryId(row.id(3)?), read);
                        }
                        None => {
                            audit.leaf(body.as_bytes(), stored);
                            let checked = stands_beside(read, &body, &row.text(2)?, row.id(3)?);
                            match checked {
                                Ok(entry) => ended.told(entry.about),
                                Err(error) => beside = beside.or(Some(error)),
                            }
                        }
                    }
                    read += 1;
                }
            }
            told(read);
            from += PAGE;
            // whatever is missing before it, the log does not end sooner
            if found.is_empty() && from > self.frontier().await?.size() {
                break;
            }
        }
        if self.database.is_postgres() {
            let lost = "SELECT count(*) FROM journal j WHERE NOT EXISTS (SELECT 1 FROM leaf l WHERE l.entry_id = j.id) AND NOT EXISTS (SELECT 1 FROM unplaced u WHERE u.entry_id = j.id)";
            let lost = self.database.rows(lost, &[]).await?;
            let lost = lost.first().map_or(Ok(0), |r| r.int(0))?;
            if lost > 0 {
                return Err(damaged(format!(
                    "{lost} entries have no place in it and wait for none"
                )));
            }
        }
        while let Some(hash) = self.stored_hash(read, &mut tile).await? {
            audit.only_stored(hash);
            read += 1;
        }
        match (audit.finish(), beside.or(ended.untold())) {
            // the leaves are those that were signed; what stands beside one of them is not
            (Verdict::Whole { .. }, Some(error)) => Err(error),
            (verdict, _) => Ok(Audited { verdict, ended: ended.empty.len() as u64 }),
        }
    }

    /// The stored hash at a position; tiles are read one after the other.
    async fn stored_hash(
        &self,
        position: u64,
        tile: &mut Vec<efface_core::journal::Hash>,
    ) -> Result<Option<efface_core::journal::Hash>, Error> {
        let width = u64::from(TILE_WIDTH);
        let at = usize::try_from(position % width).unwrap_or(0);
        if at == 0 {
            let id = TileId { level: 0, index: position / width };
            let found = self.database.rows(TILE, &[Cell::from(0u32), number(id.index)]).await?;
            *tile = match found.first() {
                Some(row) => read_tile(id, &row.bytes(0)?)?,
                None => vec![],
            };
        }
        Ok(tile.get(at).copied())
    }

    /// A request's leaves with the paths that lead to a checkpoint; `None` while one of them has no
    /// position under it. The journal is read from the request's filing on.
    ///
    /// # Errors
    /// When there is no such request, or the database cannot be read.
    pub async fn packed_leaves(
        &self,
        id: RequestId,
        signed: &Checkpoint,
    ) -> Result<Option<Vec<PackedLeaf>>, Error> {
        let view = self.request(id).await?;
        let tasks: HashSet<TaskId> = view.tasks.iter().map(|t| t.row.task.id).collect();
        let Some(entries) = self.entries_of(id, view.request.state.is_over(), &tasks).await? else {
            return Ok(None);
        };
        if entries.iter().any(|e| e.position >= signed.size) {
            return Ok(None);
        }
        let mut needed = TilesNeeded::new();
        for entry in &entries {
            let tiles = tree::tiles_for_inclusion(entry.position, signed.size).map_err(damaged)?;
            for (tile, width) in tiles {
                let known = needed.entry(tile).or_default();
                *known = (*known).max(width);
            }
        }
        let tiles = load(&self.database, &needed).await?;
        let mut leaves = vec![];
        for Placed { position, body, items, own } in entries {
            let proof = tree::inclusion_proof(&tiles, position, signed.size).map_err(damaged)?;
            let shown = |change: &efface_core::journal::TaskChange| tasks.contains(&change.task);
            let leaf = PackedLeaf::new(position, proof, &body, &items, shown)?;
            if own || !leaf.items.is_empty() {
                leaves.push(leaf);
            }
        }
        Ok(Some(leaves))
    }

    /// The entries that speak of a request or of one of its tasks, in the order of their positions.
    /// `None` while one of the request's own has no position.
    async fn entries_of(
        &self,
        id: RequestId,
        over: bool,
        tasks: &HashSet<TaskId>,
    ) -> Result<Option<Vec<Placed>>, Error> {
        let own = if self.database.is_postgres() {
            "SELECT l.position FROM journal j LEFT JOIN leaf l ON l.entry_id = j.id WHERE j.request_id = $1"
        } else {
            "SELECT rowid - 1 FROM journal WHERE request_id = $1"
        };
        let found = self.database.rows(own, &[Cell::from(id.bytes())]).await?;
        let own: Option<Vec<u64>> =
            found.iter().map(|r| r.opt_int(0).map(|p| p.map(count))).collect::<Result<_, _>>()?;
        let size = self.frontier().await?.size();
        let Some(own) = own.filter(|all| all.iter().all(|at| *at < size)) else { return Ok(None) };
        let (Some(first), Some(last)) = (own.iter().min(), own.iter().max()) else {
            return Ok(Some(vec![]));
        };
        // an ended request's last leaf is its own
        let end = if over { last.saturating_add(1 + STRAY) } else { u64::MAX / 2 };
        let end = end.min(size);
        let mut from = first.saturating_sub(STRAY);
        let mut entries = vec![];
        while from < end {
            let to = (from + PAGE).min(end);
            entries.extend(self.entries_between(id, tasks, from, to).await?);
            from = to;
        }
        Ok(Some(entries))
    }

    async fn entries_between(
        &self,
        id: RequestId,
        tasks: &HashSet<TaskId>,
        from: u64,
        to: u64,
    ) -> Result<Vec<Placed>, Error> {
        let place = |n: u64| SeaValue::from(i64::try_from(n).unwrap_or(i64::MAX));
        let mut values = vec![place(from), place(to), id.bytes().to_vec().into()];
        let mut speaks_of = "j.request_id = $3".to_owned();
        for task in tasks {
            values.push(format!("%{task}%").into());
            speaks_of.push_str(&format!(" OR j.items LIKE ${}", values.len()));
        }
        let (backend, head) = if self.database.is_postgres() {
            let head = "SELECT l.position AS position, j.body AS body, j.items AS items, j.request_id AS request_id FROM leaf l JOIN journal j ON j.id = l.entry_id WHERE l.position >= $1 AND l.position < $2";
            (DbBackend::Postgres, head)
        } else {
            let head = "SELECT j.rowid - 1 AS position, j.body AS body, j.items AS items, j.request_id AS request_id FROM journal j WHERE j.rowid > $1 AND j.rowid <= $2";
            (DbBackend::Sqlite, head)
        };
        let sql = format!("{head} AND ({speaks_of}) ORDER BY 1");
        let statement = Statement::from_sql_and_values(backend, sql, values);
        let found = self.database.orm().query_all_raw(statement).await?;
        let one = |row: &sea_orm::QueryResult| {
            Ok(Placed {
                position: count(row.try_get("", "position")?),
                body: row.try_get("", "body")?,
                items: row.try_get("", "items")?,
                own: row.try_get::<Option<Vec<u8>>>("", "request_id")?.as_deref()
                    == Some(&id.bytes()[..]),
            })
        };
        found.iter().map(one).collect()
    }

    /// What opens the commitment to this identifier, as a person types it; `None` when the request does
    /// not name it, or it is shared with somebody else.
    ///
    /// # Errors
    /// When there is no such request, or it cannot be opened.
    pub async fn opening(&self, id: RequestId, typed: &str) -> Result<Option<Opening>, Error> {
        let dossier = self.dossier(id).await?;
        let controller = self.request(id).await?.request.controller;
        let region = self
            .directory
            .controllers
            .get(&controller)
            .and_then(|rules| rules.default_phone_region.clone());
        let mut nonce = [0; 32];
        hex::decode_to_slice(&dossier.nonce, &mut nonce).map_err(|e| Error::corrupt("nonce", e))?;
        for (known, position) in dossier.identifiers.iter().zip(0u32..) {
            // behind a shared one there is another person too
            if known.standing == efface_core::Standing::Shared {
                continue;
            }
            let provenance = efface_core::Provenance::Stated;
            let asked = Identifier::parse(known.kind.clone(), typed, provenance, region.as_deref());
            if asked.is_ok_and(|asked| asked.normal.expose() == known.normal.expose()) {
                return Ok(Some(Opening {
                    position,
                    kind: known.kind.word(),
                    value: known.normal.clone(),
                    opening: efface_vault::opening(&nonce, position),
                }));
            }
        }
        Ok(None)
    }
}

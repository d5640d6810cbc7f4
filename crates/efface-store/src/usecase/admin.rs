//! The small tables: imports, API keys, idempotency, errands, schedule.

use std::time::Duration;

use efface_core::{
    AccountId, ControllerId, Identifier, ImportId, RequestId, Scope, Timestamp, journal::About,
};

use crate::{
    ApiKeyRow, ErrandKind, ErrandState, Error, ImportRow, KeptAnswer, SqlStore, Store, Unit,
    hot::{Batch, Cell, Hot},
    sql::{decode_row, encode_row, read_request_row},
};

macro_rules! overdue {
    ($hint:literal) => {
        concat!(
            "SELECT id, due_at, body FROM request ",
            $hint,
            "WHERE state IN ('received', 'identified', 'released', 'running') AND due_at < $1 AND (due_at, id) > ($2, $3) ORDER BY due_at, id LIMIT 1000"
        )
    };
}

/// Open requests past their date, page by page, on SQLite (which else goes by the state) and on
/// PostgreSQL.
pub(crate) const OVERDUE: (&str, &str) = (overdue!("INDEXED BY request_due "), overdue!(""));

impl SqlStore {
    /// Begins an import, or finds the one with this digest.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_import(
        &self,
        name: &str,
        digest: &str,
        by: &str,
    ) -> Result<ImportId, Error> {
        let id = ImportId::new(self.now(), &*self.chance);
        let cells =
            [id.bytes().into(), name.into(), digest.into(), self.now().millis().into(), by.into()];
        let mut tx = self.database.begin().await?;
        tx.small("INSERT INTO import (id, name, digest, at, by_whom, rows_read, filed, refused, finished) VALUES ($1, $2, $3, $4, $5, 0, 0, 0, 0) ON CONFLICT (digest) DO NOTHING", &cells).await?;
        let found = tx.small("SELECT id FROM import WHERE digest = $1", &[digest.into()]).await?;
        let stands = found.first().map_or(Ok(id), |r| r.id(0).map(ImportId))?;
        tx.commit().await?;
        Ok(stands)
    }

    /// Ends an import with its counts.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish_import(
        &self,
        id: ImportId,
        rows: u64,
        filed: u64,
        refused: u64,
        by: &str,
    ) -> Result<(), Error> {
        let number = |n: u64| Cell::from(i64::try_from(n).unwrap_or(i64::MAX));
        let mut tx = self.database.begin().await?;
        let cells = [id.bytes().into(), number(rows), number(filed), number(refused)];
        tx.small("UPDATE import SET rows_read = $2, filed = $3, refused = $4, finished = 1 WHERE id = $1", &cells).await?;
        tx.commit().await?;
        let mut unit = Unit::default();
        unit.entries.push(self.entry(
            by,
            About::ImportTaken { import: id.to_string(), rows, filed, refused },
            &[],
            None,
        ));
        self.commit(unit).await
    }

    /// # Errors
    /// When the database cannot be read.
    pub async fn imports(&self) -> Result<Vec<ImportRow>, Error> {
        let found = self.database.rows("SELECT id, name, at, by_whom, rows_read, filed, refused, finished FROM import ORDER BY id DESC LIMIT 200", &[]).await?;
        found
            .iter()
            .map(|r| {
                Ok(ImportRow {
                    id: ImportId(r.id(0)?),
                    name: r.text(1)?,
                    at: Timestamp::from_millis(r.int(2)?),
                    by: r.text(3)?,
                    rows: r.int(4)?,
                    filed: r.int(5)?,
                    refused: r.int(6)?,
                    finished: r.int(7)? != 0,
                })
            })
            .collect()
    }

    /// A keyed hash for filing keys, so that a repeated row is recognised without being kept.
    #[must_use]
    pub fn filing_key(&self, controller: &ControllerId, text: &str) -> [u8; 32] {
        let mut out = [0; 32];
        let digest = self.digest(format!("filing\n{controller}\n{text}").as_bytes());
        // the digest is 32 bytes of hex by construction
        let _ = hex::decode_to_slice(digest, &mut out);
        out
    }

    /// Requests about a person, newest first, by one identifier.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_person(&self, identifier: &Identifier) -> Result<Vec<RequestId>, Error> {
        let tag = self.sealer.tag(identifier);
        let found = self
            .database
            .rows(
                "SELECT request_id FROM tag WHERE tag = $1 ORDER BY request_id DESC LIMIT 200",
                &[Cell::from(&tag)],
            )
            .await?;
        found.iter().map(|r| Ok(RequestId(r.id(0)?))).collect()
    }

    /// Stores an API key's hash. The key itself is never stored.
    ///
    /// # Errors
    /// When the id is taken or the database cannot be written.
    pub async fn create_api_key(
        &self,
        id: &str,
        name: &str,
        hash: &[u8; 32],
        by: &str,
    ) -> Result<(), Error> {
        let cells =
            [id.into(), name.into(), Cell::from(hash), self.now().millis().into(), by.into()];
        let mut tx = self.database.begin().await?;
        tx.small("INSERT INTO api_key (id, name, hash, created_at, created_by) VALUES ($1, $2, $3, $4, $5)", &cells).await?;
        tx.commit().await?;
        self.note_key(&format!("api key {id}"), "created", by).await
    }

    /// Writes what was done to a key into the journal.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_key(&self, key: &str, change: &str, by: &str) -> Result<(), Error> {
        let mut unit = Unit::default();
        unit.entries.push(self.entry(
            by,
            About::KeyChanged { key: key.into(), change: change.into(), by: by.into() },
            &[],
            None,
        ));
        self.commit(unit).await
    }

    /// # Errors
    /// When there is no such key, or it was revoked before.
    pub async fn revoke_api_key(&self, id: &str, by: &str) -> Result<(), Error> {
        let cells = [id.into(), self.now().millis().into()];
        let mut tx = self.database.begin().await?;
        let hit = tx.small("UPDATE api_key SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL RETURNING id", &cells).await?;
        tx.commit().await?;
        if hit.is_empty() {
            return Err(Error::NotFound {
                what: "live api key",
                id: id.to_owned(),
                list: "api-key",
            });
        }
        self.note_key(&format!("api key {id}"), "revoked", by).await
    }

    /// # Errors
    /// When the database cannot be read.
    pub async fn api_keys(&self) -> Result<Vec<ApiKeyRow>, Error> {
        let found = self.database.rows("SELECT id, name, hash, created_at, created_by, revoked_at FROM api_key ORDER BY created_at", &[]).await?;
        found
            .iter()
            .map(|r| {
                Ok(ApiKeyRow {
                    id: r.text(0)?,
                    name: r.text(1)?,
                    hash: r.bytes(2)?,
                    created_at: Timestamp::from_millis(r.int(3)?),
                    created_by: r.text(4)?,
                    revoked_at: r.opt_int(5)?.map(Timestamp::from_millis),
                })
            })
            .collect()
    }

    /// The stored answer to an idempotency key: `(hash of the body it answered, status, answer)`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn idempotent_answer(
        &self,
        key: &str,
    ) -> Result<Option<([u8; 32], u16, String)>, Error> {
        let hash = self.key_hash(key);
        let found = self
            .database
            .rows(
                "SELECT body_hash, status, answer FROM idempotency WHERE key_hash = $1",
                &[Cell::from(&hash)],
            )
            .await?;
        let Some(row) = found.first() else { return Ok(None) };
        let body: [u8; 32] = row
            .bytes(0)?
            .try_into()
            .map_err(|_| Error::corrupt("idempotency row", "wrong length"))?;
        let answer = self
            .sealer
            .open_general(&format!("idempotency/{}", hex::encode(hash)), &row.bytes(2)?)?;
        Ok(Some((body, u16::try_from(row.int(1)?).unwrap_or(200), answer.expose().to_owned())))
    }

    /// Keeps answers for replay, in one transaction. An answer kept before stays.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn keep_answers(&self, answers: &[KeptAnswer]) -> Result<(), Error> {
        let now = self.now().millis();
        let mut batch = Batch::default();
        for kept in answers {
            let hash = self.key_hash(&kept.key);
            let sealed = self
                .sealer
                .seal_general(&format!("idempotency/{}", hex::encode(hash)), &kept.answer);
            batch.push([
                Cell::from(&hash),
                Cell::from(&kept.body_hash),
                now.into(),
                i64::from(kept.status).into(),
                sealed.into(),
            ]);
        }
        let mut tx = self.database.begin().await?;
        tx.run(Hot::KEEP_ANSWERS, &batch).await?;
        tx.commit().await
    }

    fn key_hash(&self, key: &str) -> [u8; 32] {
        let mut out = [0; 32];
        let _ =
            hex::decode_to_slice(self.digest(format!("idempotency\n{key}").as_bytes()), &mut out);
        out
    }

    /// Asks a lane to run an errand (a probe, a rehearsal).
    ///
    /// # Errors
    /// When the account is not in the settings.
    pub async fn send_errand(
        &self,
        account: &AccountId,
        kind: &ErrandKind,
        people: &[Vec<Identifier>],
    ) -> Result<uuid::Uuid, Error> {
        let spec = self.directory.account(account).ok_or_else(|| Error::NotFound {
            what: "account",
            id: account.to_string(),
            list: "connector",
        })?;
        let id = efface_core::EntryId::new(self.now(), &*self.chance).0;
        let sealed = if people.is_empty() {
            None
        } else {
            Some(
                self.sealer
                    .seal_general(&format!("errand-people/{id}"), &encode_row("errand", &people)?),
            )
        };
        let cells = [
            Cell::from(id.as_bytes()),
            spec.lane.as_str().into(),
            account.as_str().into(),
            self.now().millis().into(),
            encode_row("errand", kind)?.into(),
            Cell::Bytes(sealed),
        ];
        let mut tx = self.database.begin().await?;
        tx.small("INSERT INTO errand (id, lane, account, at, body, sealed) VALUES ($1, $2, $3, $4, $5, $6)", &cells).await?;
        tx.commit().await?;
        self.wakes().ring(&spec.lane);
        Ok(id)
    }

    /// The scan that is under way at an account, where there is one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn open_scan(
        &self,
        account: &AccountId,
    ) -> Result<Option<(uuid::Uuid, Scope)>, Error> {
        let sql = "SELECT id, body FROM errand WHERE account = $1 AND done_at IS NULL ORDER BY at";
        for row in self.database.rows(sql, &[account.as_str().into()]).await? {
            match decode_row("errand", &row.text(1)?)? {
                ErrandKind::Scan { scope, .. } => return row.id(0).map(|id| Some((id, scope))),
                ErrandKind::Probe | ErrandKind::Rehearse => {}
            }
        }
        Ok(None)
    }

    /// How an errand fares.
    ///
    /// # Errors
    /// When there is none.
    pub async fn errand(&self, id: uuid::Uuid) -> Result<ErrandState, Error> {
        let found = self
            .database
            .rows("SELECT answer FROM errand WHERE id = $1", &[Cell::from(id.as_bytes())])
            .await?;
        let row = found.first().ok_or_else(|| Error::NotFound {
            what: "errand",
            id: id.to_string(),
            list: "connector",
        })?;
        match row.opt_bytes(0)? {
            None => Ok(ErrandState::Waiting),
            Some(sealed) => Ok(ErrandState::Done(
                self.sealer.open_general(&format!("errand/{id}"), &sealed)?.expose().to_owned(),
            )),
        }
    }

    /// Remembers when a scheduled job ran.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn note_run(&self, job: &str, result: &str) -> Result<(), Error> {
        let cells = [job.into(), self.now().millis().into(), result.into()];
        let mut tx = self.database.begin().await?;
        tx.small("INSERT INTO schedule (job, last_run_at, last_result) VALUES ($1, $2, $3) ON CONFLICT (job) DO UPDATE SET last_run_at = $2, last_result = $3", &cells).await?;
        tx.commit().await
    }

    /// Begins what only one process is to do at a time; [`Self::note_run`] under the same name ends it.
    /// `false` where another began less than `patience` ago and has not ended.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn begin_run(&self, job: &str, patience: Duration) -> Result<bool, Error> {
        let now = self.now();
        let cells = [job.into(), now.millis().into(), now.minus(patience).millis().into()];
        let mut tx = self.database.begin().await?;
        let begun = tx.small("INSERT INTO schedule (job, last_run_at, last_result) VALUES ($1, $2, 'under way') ON CONFLICT (job) DO UPDATE SET last_run_at = $2, last_result = 'under way' WHERE schedule.last_result <> 'under way' OR schedule.last_run_at <= $3 RETURNING job", &cells).await?;
        tx.commit().await?;
        Ok(!begun.is_empty())
    }

    /// Last runs of scheduled jobs: `(job, when, result)`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_runs(&self) -> Result<Vec<(String, Timestamp, String)>, Error> {
        let found = self
            .database
            .rows("SELECT job, last_run_at, last_result FROM schedule ORDER BY job", &[])
            .await?;
        found
            .iter()
            .map(|r| Ok((r.text(0)?, Timestamp::from_millis(r.int(1)?), r.text(2)?)))
            .collect()
    }

    /// Marks requests whose due date has passed without the person being told. Returns how many.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn mark_breaches(&self) -> Result<usize, Error> {
        let now = self.now();
        let overdue = if self.database.is_postgres() { OVERDUE.1 } else { OVERDUE.0 };
        let mut marked = 0;
        let (mut after, mut after_id) = (i64::MIN, vec![]);
        loop {
            let cells = [now.millis().into(), after.into(), Cell::from(after_id.clone())];
            let found = self.database.rows(overdue, &cells).await?;
            let Some(last) = found.last() else { return Ok(marked) };
            (after_id, after) = (last.bytes(0)?, last.int(1)?);
            for row in &found {
                let request = read_request_row(&row.text(2)?)?;
                if request.breached_at.is_none() && request.told.is_none() {
                    marked += usize::from(self.mark_breach(request.id).await?);
                }
            }
        }
    }

    async fn mark_breach(&self, id: RequestId) -> Result<bool, Error> {
        self.until_fresh(|| async {
            let loaded = self.load(id).await?;
            let event = efface_core::request::Event::Breached;
            let request = &loaded.request;
            if request.breached_at.is_some() || request.told.is_some() || request.state.is_over() {
                return Ok((Unit::default(), false));
            }
            let next = efface_core::request::apply(request, &event, self.now())?;
            let mut unit = Unit::default();
            let about = About::RequestMoved {
                event: event.word().into(),
                after: Box::new(next.clone()),
                commitments: vec![],
            };
            unit.entries.push(self.entry("schedule", about, &[], Some(id)));
            unit.requests.push(crate::RequestWrite {
                read_version: request.version,
                request: next,
                dossier: None,
                nobody_found_decided: loaded.nobody_found_decided,
            });
            Ok((unit, true))
        })
        .await
    }
}

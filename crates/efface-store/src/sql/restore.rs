//! The rows of a restoration: a new log begins in the very transaction that remembers why.

use efface_core::Timestamp;

use crate::{
    Error, RestoreRow, RestoreStage, RestoreWrite,
    hot::{Cell, Returned, Tx},
    sql::{log, rows},
};

/// Leaves up to here were signed under an earlier name.
const PAST: &str = "ledger.past";

/// The newest first.
pub(crate) const RESTORES: &str =
    "SELECT stage, body, progress FROM restore ORDER BY begun_at DESC, id DESC";

pub(crate) fn read(row: &Returned) -> Result<RestoreRow, Error> {
    let word = row.text(0)?;
    let stage = RestoreStage::read(&word)
        .ok_or_else(|| Error::corrupt("restoration", format!("stage {word:?}")))?;
    Ok(RestoreRow {
        stage,
        restore: rows::decode("restoration", &row.text(1)?)?,
        progress: rows::decode("restoration", &row.text(2)?)?,
    })
}

pub(super) async fn write(tx: &mut Tx<'_>, write: &RestoreWrite) -> Result<(), Error> {
    match write {
        RestoreWrite::Begin { restore, old_log, sealed_key, orders } => {
            let cells = [
                Cell::from(restore.id.as_bytes()),
                Cell::from(restore.begun_at.millis()),
                Cell::word(RestoreStage::Begun.word()),
                rows::encode("restoration", restore)?.into(),
                rows::encode("restoration", &crate::RestoreProgress::default())?.into(),
            ];
            tx.small(
                "INSERT INTO restore (id, begun_at, stage, body, progress) VALUES ($1, $2, $3, $4, $5)",
                &cells,
            )
            .await?;
            let renamed =
                "UPDATE meta SET value = $2 WHERE name = $1 AND value = $3 RETURNING name";
            let cells =
                [Cell::from(log::ORIGIN), restore.log.as_str().into(), old_log.as_str().into()];
            // another has begun a new log since
            if tx.small(renamed, &cells).await?.is_empty() {
                return Err(Error::Stale { tasks: vec![] });
            }
            // the old key goes: nothing is ever signed under the old name again
            let anew = "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            tx.small(anew, &[Cell::from(log::KEY), sealed_key.as_str().into()]).await?;
            let past = "SELECT coalesce(max(size), 0) FROM checkpoint";
            let past = tx.small(past, &[]).await?.first().map_or(Ok(0), |r| r.int(0))?;
            tx.small(anew, &[Cell::from(PAST), past.to_string().into()]).await?;
            for (lane, last) in orders {
                let number = Cell::from(i64::try_from(last.number).unwrap_or(i64::MAX));
                tx.small(
                    "INSERT INTO lane (name, last_number) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET last_number = CASE WHEN lane.last_number < excluded.last_number THEN excluded.last_number ELSE lane.last_number END",
                    &[lane.as_str().into(), number],
                )
                .await?;
            }
            Ok(())
        }
        RestoreWrite::Go { read, stage, progress } => {
            let cells = [
                Cell::from(read.restore.id.as_bytes()),
                Cell::word(stage.word()),
                rows::encode("restoration", progress)?.into(),
                Cell::word(read.stage.word()),
                rows::encode("restoration", &read.progress)?.into(),
            ];
            let sql = "UPDATE restore SET stage = $2, progress = $3 WHERE id = $1 AND stage = $4 AND progress = $5 RETURNING id";
            match tx.small(sql, &cells).await?.is_empty() {
                true => Err(Error::Stale { tasks: vec![] }),
                false => Ok(()),
            }
        }
    }
}

/// When the database was last written to.
pub(crate) const LAST_WRITTEN: &str = "SELECT coalesce(max(at), 0) FROM journal";

pub(crate) fn millis(row: Option<&Returned>) -> Result<Timestamp, Error> {
    row.map_or(Ok(0), |r| r.int(0)).map(Timestamp::from_millis)
}

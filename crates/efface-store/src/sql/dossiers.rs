//! Requests' dossiers, read for several at once and opened when they are needed.

use std::collections::{BTreeSet, HashMap};

use efface_core::{RequestId, subject::Dossier};
use efface_vault::{RequestKey, WrappedKey};

use crate::{
    Error,
    hot::Batch,
    sql::{Database, seal::Sealer},
};

const DOSSIERS: (&str, &str) = (
    "SELECT r.id, r.sealed, r.wrapped_key, r.wrapped_by FROM (VALUES {rows}) AS x CROSS JOIN request r ON r.id = x.column1",
    "SELECT r.id, r.sealed, r.wrapped_key, r.wrapped_by FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM request WHERE request.id = x.id OFFSET 0) AS r",
);

/// Dossiers as they are stored, each with its wrapped key.
#[derive(Default)]
pub(super) struct Dossiers(HashMap<RequestId, (Vec<u8>, WrappedKey)>);

impl Dossiers {
    pub(super) async fn read(
        database: &Database,
        ids: impl Iterator<Item = RequestId>,
    ) -> Result<Self, Error> {
        let ids: BTreeSet<RequestId> = ids.collect();
        let asked = Batch::ids(ids.iter().map(RequestId::bytes));
        let found = database.rows_by_batch(DOSSIERS.0, DOSSIERS.1, &asked).await?;
        let rows = found.iter().map(|row| {
            let wrapped = WrappedKey { bytes: row.bytes(2)?, wrapped_by: row.text(3)? };
            Ok((RequestId(row.id(0)?), (row.bytes(1)?, wrapped)))
        });
        Ok(Self(rows.collect::<Result<_, Error>>()?))
    }

    /// # Errors
    /// When there is no such request, it is forgotten, or its key does not open it.
    pub(super) fn open(
        &self,
        sealer: &Sealer,
        id: RequestId,
    ) -> Result<(RequestKey, Dossier), Error> {
        let missing = || Error::NotFound { what: "request", id: id.to_string(), list: "request" };
        let (sealed, wrapped) = self.0.get(&id).ok_or_else(missing)?;
        if wrapped.bytes.is_empty() {
            return Err(Error::Forgotten(id));
        }
        let key = sealer.key(id, wrapped)?;
        let dossier = sealer.open_dossier(&key, id, sealed)?;
        Ok((key, dossier))
    }
}

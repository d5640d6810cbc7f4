//! The emergency brake: takes effect before the next order, and tells what is already out.

use efface_core::{AccountId, ImportId, RequestId};
use futures::{StreamExt as _, stream};

use crate::{Error, SqlStore, StopReport, Store, hot::Cell};

/// Holds under way at once: their commits travel together.
const TOGETHER: usize = 64;

/// Why a request of a stopped import is held.
const STOPPED: &str = "stopped with its import";

impl SqlStore {
    /// Pauses every account, or one.
    ///
    /// # Errors
    /// When the account is not known.
    pub async fn stop_accounts(
        &self,
        only: Option<&AccountId>,
        by: &str,
    ) -> Result<StopReport, Error> {
        let (mut stopped, mut failed) = (vec![], None);
        for row in self.accounts().await? {
            if only.is_some_and(|id| row.id != *id) {
                continue;
            }
            // one that cannot be stopped keeps none of the others from it
            match self.stop_account(&row.id, by).await {
                Ok(()) => stopped.push(row.id.to_string()),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        if let (Some(id), true) = (only, stopped.is_empty()) {
            return Err(Error::NotFound { what: "account", id: id.to_string(), list: "connector" });
        }
        let out = self.what_is_out(only, None).await?;
        Ok(StopReport { stopped, held_before: vec![], out })
    }

    async fn stop_account(&self, id: &AccountId, by: &str) -> Result<(), Error> {
        match self.pause_account(id, "stopped", by).await {
            // paused before, or by somebody else at this moment
            Err(_) if self.account(id).await?.condition.pause.is_some() => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Holds every open request of an import.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn stop_import(&self, import: ImportId, by: &str) -> Result<StopReport, Error> {
        let known = "SELECT 1 FROM import WHERE id = $1 UNION ALL SELECT 1 FROM request WHERE import_id = $1 LIMIT 1";
        if self.database.rows(known, &[import.bytes().into()]).await?.is_empty() {
            return Err(Error::NotFound {
                what: "import",
                id: import.to_string(),
                list: "request",
            });
        }
        let sql = "SELECT id FROM request WHERE import_id = $1 AND state IN ('received', 'identified', 'released', 'running') ORDER BY id";
        let found = self.database.rows(sql, &[import.bytes().into()]).await?;
        let ids =
            found.iter().map(|row| Ok(RequestId(row.id(0)?))).collect::<Result<Vec<_>, Error>>()?;
        let mut holds = stream::iter(ids)
            .map(async |id| (id, self.hold(id, STOPPED, by).await))
            .buffered(TOGETHER);
        let (mut stopped, mut held_before, mut failed) = (vec![], vec![], None);
        // one that cannot be held keeps none of the others from it
        while let Some((id, held)) = holds.next().await {
            match held {
                Ok(_) => stopped.push(id.to_string()),
                // it stands still already, or it ended at this moment
                Err(Error::Request(_)) => {
                    let hold = self.request(id).await?.request.hold;
                    if hold.is_some_and(|hold| hold.reason != STOPPED) {
                        held_before.push(id.to_string());
                    }
                }
                Err(other) => failed = Some(other),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        let out = self.what_is_out(None, Some(import)).await?;
        Ok(StopReport { stopped, held_before, out })
    }

    /// Tasks that are out at a vendor: `(account, state, how many, can be recalled)`.
    async fn what_is_out(
        &self,
        account: Option<&AccountId>,
        import: Option<ImportId>,
    ) -> Result<Vec<(String, String, u64, bool)>, Error> {
        let found = match import {
            Some(import) => {
                let sql = "SELECT t.account, t.state, count(*) FROM task t JOIN request r ON r.id = t.request_id \
                           WHERE r.import_id = $1 AND t.state IN ('sending', 'unknown', 'waiting') GROUP BY t.account, t.state ORDER BY t.account";
                self.database.rows(sql, &[Cell::from(import.bytes())]).await?
            }
            None => {
                let sql = "SELECT account, state, count(*) FROM task WHERE state IN ('sending', 'unknown', 'waiting') GROUP BY account, state ORDER BY account";
                self.database.rows(sql, &[]).await?
            }
        };
        let mut out = vec![];
        for row in &found {
            let (id, state) = (row.text(0)?, row.text(1)?);
            if account.is_some_and(|a| a.as_str() != id) {
                continue;
            }
            let recalls =
                self.directory.accounts.iter().any(|a| a.id.as_str() == id && a.manifest.recalls);
            out.push((id, state, u64::try_from(row.int(2)?).unwrap_or(0), recalls));
        }
        Ok(out)
    }
}

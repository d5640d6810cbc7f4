//! What waits on people's desks.

use super::DeskRow;
use crate::hot::Cell;
use crate::sql::{decode_row, read_order_row};
use crate::{Error, SqlStore};
use efface_core::desk::DeskItem;
use efface_core::{DeskId, Timestamp};

impl SqlStore {
    /// Open desk items (or all), oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn desk(&self, open_only: bool, limit: u32) -> Result<Vec<DeskRow>, Error> {
        self.desk_after(open_only, None, limit).await
    }

    /// As [`SqlStore::desk`], from after the item named.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn desk_after(
        &self,
        open_only: bool,
        after: Option<DeskId>,
        limit: u32,
    ) -> Result<Vec<DeskRow>, Error> {
        let cells = [
            Cell::from(i64::from(open_only)),
            Cell::from(limit.clamp(1, 10_000)),
            Cell::from(after.map_or(vec![], |id| id.bytes().to_vec())),
        ];
        let sql = "SELECT body, closed_at, coalesce(closed_by, ''), coalesce(closed_how, '') FROM desk WHERE ($1 = 0 OR closed_at IS NULL) AND id > $3 ORDER BY id LIMIT $2";
        let found = self.database.rows(sql, &cells).await?;
        let mut out = vec![];
        for row in &found {
            let mut item: DeskItem = decode_row("desk item", &row.text(0)?)?;
            if let Some(at) = row.opt_int(1)? {
                item.closed = Some(efface_core::desk::Closed {
                    at: Timestamp::from_millis(at),
                    by: row.text(2)?,
                    how: row.text(3)?,
                });
            }
            out.push(self.concern(item).await?);
        }
        Ok(out)
    }

    /// One desk item with what it concerns.
    ///
    /// # Errors
    /// When there is none.
    pub async fn desk_row(&self, id: DeskId) -> Result<DeskRow, Error> {
        let item = self.desk_item(id).await?;
        self.concern(item).await
    }

    async fn concern(&self, item: DeskItem) -> Result<DeskRow, Error> {
        use efface_core::desk::Subject;
        let (request, account) = match &item.subject {
            Subject::Task(id) => match self.load_task(*id).await {
                Ok(row) => (Some(row.task.request), Some(row.task.account)),
                Err(Error::NotFound { .. }) => (None, None),
                Err(other) => return Err(other),
            },
            Subject::Order(id) => {
                let found = self
                    .database
                    .rows("SELECT body FROM orders WHERE id = $1", &[Cell::from(id.bytes())])
                    .await?;
                let order = found.first().map(|r| read_order_row(&r.text(0)?)).transpose()?;
                (None, order.map(|o| o.account))
            }
            Subject::Request(id) => (Some(*id), None),
            Subject::Account(id) => (None, Some(id.clone())),
            Subject::Lane(_) => (None, None),
            Subject::Listed { account, .. } => (None, Some(account.clone())),
        };
        Ok(DeskRow { item, request, account })
    }
}

//! Receipts asked for by name, whenever their next poll is due.

use efface_core::{ReceiptId, order::StoredReceipt, task::TaskState};

use crate::{
    DueReceipt, Error,
    hot::{Batch, Returned},
    sql::{Database, read, rows, seal::Sealer},
};

pub(crate) const RECEIPTS_BY_ID: (&str, &str) = (
    "SELECT c.body, o.body FROM (VALUES {rows}) AS x CROSS JOIN receipt c ON c.id = x.column1 JOIN orders o ON o.id = c.order_id",
    "SELECT c.body, o.body FROM unnest($1::bytea[]) AS x(id) CROSS JOIN LATERAL (SELECT * FROM receipt WHERE receipt.id = x.id OFFSET 0) AS c CROSS JOIN LATERAL (SELECT * FROM orders WHERE orders.id = c.order_id OFFSET 0) AS o",
);

pub(super) async fn receipts(
    database: &Database,
    sealer: &Sealer,
    ids: &[ReceiptId],
) -> Result<Vec<DueReceipt>, Error> {
    let ids = Batch::ids(ids.iter().map(ReceiptId::bytes));
    let found = database.rows_by_batch(RECEIPTS_BY_ID.0, RECEIPTS_BY_ID.1, &ids).await?;
    with_items(database, sealer, &found).await
}

/// Rows of a receipt's and its order's body, each with the items that wait on the receipt.
pub(super) async fn with_items(
    database: &Database,
    sealer: &Sealer,
    found: &[Returned],
) -> Result<Vec<DueReceipt>, Error> {
    let mut receipts = vec![];
    for row in found {
        let receipt: StoredReceipt = rows::decode("receipt", &row.text(0)?)?;
        let order = rows::read_order(&row.text(1)?)?;
        let waits = |state: &TaskState| state.waits_on() == Some(receipt.id);
        let items = read::tasks_by_id(database, sealer, &order.items, waits).await?;
        receipts.push(DueReceipt { receipt, order, items });
    }
    Ok(receipts)
}

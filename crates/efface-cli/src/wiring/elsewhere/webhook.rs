//! The webhook: the newest checkpoint as JSON, at an address of your own choice.

use std::sync::Arc;

use anyhow::Result;
use efface_connector::{Method, Request, Secret};
use efface_settings::Settings;
use efface_store::{CheckpointRow, SqlStore};
use serde_json::json;

use super::{base_and_path, client, send};

/// Posts a checkpoint.
///
/// # Errors
/// When the address does not answer with a success.
pub async fn post(
    store: &Arc<SqlStore>,
    settings: &Settings,
    url: &str,
    row: &CheckpointRow,
) -> Result<()> {
    let (base, path) = base_and_path(url);
    let body = json!({ "checkpoint": row.note, "size": row.size, "signed_at": row.at });
    let mut request = Request::new(Method::POST, base, path).json(&body)?;
    if let Some(token) = &settings.ledger.anchor_webhook_token {
        request = request.bearer(&Secret::new(token.expose()));
    }
    send(&client(store, url)?, &request, store.now()).await?;
    Ok(())
}

//! The webhook: the newest checkpoint as JSON, at an address of your own choice.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use efface_connector::{Method, Request, Secret};
use efface_core::Timestamp;
use efface_settings::Settings;
use efface_store::{CheckpointRow, SqlStore};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use super::{base_and_path, client, mark, send};

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
    if let Some(secret) = &settings.ledger.anchor_webhook_secret {
        request = signed(request, secret, &mark(store, row), store.now())?;
    }
    if let Some(token) = &settings.ledger.anchor_webhook_token {
        request = request.bearer(&Secret::new(token.expose()));
    }
    send(&client(store, settings, url)?, &request, store.now()).await?;
    Ok(())
}

/// Signs a message as Standard Webhooks 1 has it: HMAC-SHA256 over id, seconds and body. The id
/// follows from the checkpoint, so that one that comes twice is known for one.
fn signed(
    request: Request,
    secret: &efface_settings::Secret,
    mark: &str,
    now: Timestamp,
) -> Result<Request> {
    let key = secret.expose().strip_prefix("whsec_").unwrap_or_default();
    let key = BASE64_STANDARD.decode(key).context("ledger.anchor_webhook_secret is not base64")?;
    let id = format!("efface-{}", mark.replace(' ', "-"));
    let seconds = now.millis() / 1000;
    let body = request.body_text().unwrap_or_default();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).context("no key for the signature")?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    Ok(request
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", format!("v1,{signature}")))
}

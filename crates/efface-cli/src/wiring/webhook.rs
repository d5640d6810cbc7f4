//! The anchor on another machine: each newest checkpoint is posted to an address of your own choice.
//! Whoever keeps what arrives there can tell from that day on whether the journal was rewritten.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use efface_connector::{Digest, Http, HttpConfig, Method, Request, Secret, place_of};
use efface_core::Timestamp;
use efface_settings::Settings;
use efface_store::{CheckpointRow, SqlStore, Store as _};
use serde_json::json;

/// Under this name the last success is remembered, with the checkpoint that arrived.
const WEBHOOK: &str = "anchor_webhook";
const TIME_LIMIT: Duration = Duration::from_secs(20);
/// Nothing of the answer is needed.
const BODY_CAP: u64 = 64 * 1024;
/// So many digits of a note's digest tell two histories of one size apart.
const MARK_DIGITS: usize = 16;
const HERE: [&str; 3] = ["http://127.0.0.1", "http://localhost", "http://[::1]"];

/// Which checkpoint it is, told by size and note.
fn mark(store: &SqlStore, row: &CheckpointRow) -> String {
    let mut digest = store.digest(row.note.as_bytes());
    digest.truncate(MARK_DIGITS);
    format!("{} {digest}", row.size)
}

/// When a checkpoint last arrived, and of how many leaves; none where none did.
///
/// # Errors
/// When the database cannot be read.
pub async fn last_success(store: &SqlStore) -> Result<Option<(Timestamp, String)>> {
    let runs = store.last_runs().await?;
    let found = runs.into_iter().find(|(name, _, _)| name == WEBHOOK);
    Ok(found.map(|(_, at, mark)| {
        let leaves = mark.split(' ').next().unwrap_or_default().to_owned();
        (at, leaves)
    }))
}

/// Posts the newest checkpoint, unless it has arrived already; what came of it. A failure stops
/// nothing, and the next tick tries again.
///
/// # Errors
/// When the address does not answer with a success.
pub async fn tell(store: &Arc<SqlStore>, settings: &Settings) -> Result<String> {
    let Some(url) = settings.ledger.anchor_webhook.as_deref() else {
        return Ok("ledger.anchor_webhook is not set".into());
    };
    let Some(row) = store.last_checkpoint().await? else {
        return Ok("no checkpoint was signed yet".into());
    };
    let mark = mark(store, &row);
    let runs = store.last_runs().await?;
    if runs.iter().any(|(name, _, told)| name == WEBHOOK && *told == mark) {
        return Ok(format!("the checkpoint of {} leaves has arrived already", row.size));
    }
    post(store, settings, url, &row).await.context("ledger.anchor_webhook")?;
    store.note_run(WEBHOOK, &mark).await?;
    Ok(format!("the checkpoint of {} leaves arrived", row.size))
}

async fn post(
    store: &Arc<SqlStore>,
    settings: &Settings,
    url: &str,
    row: &CheckpointRow,
) -> Result<()> {
    let keyed = store.clone();
    let digest: Digest = Arc::new(move |bytes| keyed.digest(bytes));
    let http = Http::new(HttpConfig {
        hosts: place_of(url).into_iter().collect(),
        allow_loopback: HERE.iter().any(|here| url.starts_with(here)),
        timeout: TIME_LIMIT,
        body_cap_bytes: BODY_CAP,
        digest,
    })?;
    let scheme = url.find("://").map_or(0, |at| at + 3);
    let (base, path) = match url[scheme..].find('/') {
        Some(at) => url.split_at(scheme + at),
        None => (url, "/"),
    };
    let body = json!({ "checkpoint": row.note, "size": row.size, "signed_at": row.at });
    let mut request = Request::new(Method::POST, base, path).json(&body)?;
    if let Some(token) = &settings.ledger.anchor_webhook_token {
        request = request.bearer(&Secret::new(token.expose()));
    }
    let digest = http.digest(&request);
    let (_, reply) = http.send(&request, digest, store.now()).await;
    let reply = reply?;
    match reply.is_2xx() {
        true => Ok(()),
        false => Err(reply.failure().into()),
    }
}

//! The vendor's stand-in: answers every call at once with 200 and a short body, and counts.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt as _,
};

use super::watch;

/// 78 bytes.
pub const ANSWER: &str =
    r#"{"status":"deleted","job":"5f0c6a1e-9d2b-4c57-8f43-2a7be01d9c64","errors":[]} "#;

#[derive(Default)]
struct Seen {
    calls: AtomicU64,
    /// When calls came in; kept only after `/keep` was asked for.
    keep: AtomicU64,
    at: Mutex<Vec<u64>>,
    /// By account, for those who name it.
    of_account: Mutex<BTreeMap<String, Vec<u64>>>,
}

async fn erase(State(seen): State<Arc<Seen>>, body: Bytes) -> impl IntoResponse {
    seen.calls.fetch_add(1, Ordering::Relaxed);
    if seen.keep.load(Ordering::Relaxed) > 0
        && let Ok(mut at) = seen.at.lock()
    {
        at.push(watch::wall_nanos());
    }
    drop(body);
    ([(header::CONTENT_TYPE, "application/json")], ANSWER)
}

async fn erase_at(
    State(seen): State<Arc<Seen>>,
    Path(account): Path<String>,
    body: Bytes,
) -> impl IntoResponse {
    if let Ok(mut of_account) = seen.of_account.lock() {
        of_account.entry(account).or_default().push(watch::wall_nanos());
    }
    erase(State(seen), body).await
}

async fn arrivals_of(State(seen): State<Arc<Seen>>) -> String {
    let of_account = seen.of_account.lock().map(|of| of.clone()).unwrap_or_default();
    serde_json::to_string(&of_account).unwrap_or_default()
}

async fn calls(State(seen): State<Arc<Seen>>) -> String {
    seen.calls.load(Ordering::Relaxed).to_string()
}

async fn keep(State(seen): State<Arc<Seen>>) -> &'static str {
    if let Ok(mut at) = seen.at.lock() {
        at.clear();
    }
    seen.keep.store(1, Ordering::Relaxed);
    "ok"
}

async fn arrivals(State(seen): State<Arc<Seen>>) -> String {
    let at = seen.at.lock().map(|at| at.clone()).unwrap_or_default();
    serde_json::to_string(&at).unwrap_or_default()
}

/// Prints the address, then serves until the parent ends it.
pub async fn serve() -> Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", serde_json::json!({ "base": format!("http://{}", listener.local_addr()?) }));
    let app = Router::new()
        .route("/erase", post(erase))
        .route("/account/{account}/erase", post(erase_at))
        .route("/calls", get(calls))
        .route("/accounts", get(arrivals_of))
        .route("/keep", get(keep))
        .route("/arrivals", get(arrivals))
        .with_state(Arc::new(Seen::default()));
    let listener = listener.tap_io(|stream| {
        // small answers leave at once; a refusal of the option only slows the stub
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, app).await?;
    Ok(())
}

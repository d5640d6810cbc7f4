//! THE COUNTER. The JSON API: a request is filed, followed and decided upon here.
//!
//! One file per endpoint under `endpoint/`; each holds its causes of refusal, its handler, its
//! documentation and its tests. Every refusal is a problem document (RFC 9457) that names the field
//! at fault and never repeats a value. The OpenAPI document comes from the same code.
//!
//! What is *not* here: a rule (core has them), a statement (the store has them), a call to a vendor.

mod cached;
mod caller;
mod endpoint;
mod extract;
mod filing;
mod frame;
mod idempotency;
mod openapi;
mod page;
mod parse;
mod problem;
mod receipt;
mod state;
#[cfg(test)]
mod testing;
mod views;
mod words;

use std::future::Future;

use axum::serve::ListenerExt as _;

pub use openapi::document;
pub use state::{ApiOptions, ApiState};

/// The API as a router: endpoints, middleware, fallbacks.
pub fn router(state: ApiState) -> axum::Router {
    frame::around(endpoint::table(&state), state)
}

/// Serves until `shutdown` resolves; then finishes the calls under way and writes what is still to
/// be written.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // answers are small and leave at once
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection keeps waiting for company");
        }
    });
    let served =
        axum::serve(listener, router(state.clone())).with_graceful_shutdown(shutdown).await;
    state.answers.flush().await;
    served
}

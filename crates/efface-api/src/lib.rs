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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use crate::testing::{Rig, erase, key_text};

    #[tokio::test]
    async fn what_was_answered_over_the_wire_is_kept_when_the_server_stops() {
        let rig = Rig::new().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let served = super::serve(listener, rig.state.clone(), async move {
            let _ = stopped.await;
        });
        let server = tokio::spawn(served);
        let body = erase("ada@example.org");
        let call = format!(
            "POST /v1/requests HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             authorization: Bearer {}\r\ncontent-type: application/json\r\n\
             idempotency-key: k\r\ncontent-length: {}\r\n\r\n{body}",
            key_text("shop", 's'),
            body.len()
        );
        let mut wire = tokio::net::TcpStream::connect(address).await.expect("connects");
        wire.write_all(call.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        wire.read_to_string(&mut answer).await.expect("answered");
        assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
        stop.send(()).expect("still up");
        server.await.expect("no panic").expect("served");
        let kept = rig.store.idempotent_answer("file\nshop\nk").await.expect("read");
        assert!(answer.ends_with(&kept.expect("kept").2));
    }
}

//! What stands around every endpoint: request id, time limit, body limit, caught panics, headers
//! that keep personal data out of caches and logs, and problem documents for unknown paths.

use std::{
    any::Any,
    sync::atomic::{AtomicU64, Ordering},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer, sensitive_headers::SetSensitiveRequestHeadersLayer,
};

use crate::{
    ApiState,
    problem::{Kind, Problem},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the frame around the endpoints.
pub fn around(endpoints: Router<ApiState>, state: ApiState) -> Router {
    let layers = ServiceBuilder::new()
        .layer(SetSensitiveRequestHeadersLayer::new([header::AUTHORIZATION]))
        .layer(from_fn_with_state(state.clone(), frame))
        .layer(CatchPanicLayer::custom(caught))
        .layer(DefaultBodyLimit::max(state.options.max_body_bytes));
    endpoints
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(layers)
        .with_state(state)
}

async fn no_such_path() -> Problem {
    Problem::new(Kind::NotFound, "there is no such path; /openapi.json lists those there are")
}

async fn no_such_method() -> Problem {
    Problem::new(
        Kind::MethodNotAllowed,
        "this path takes other methods; the `allow` header lists them",
    )
}

/// The payload stays out of answer and log: it may hold what was being worked on.
fn caught(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    Problem::new(Kind::Internal, "an unexpected error; the server's log tells more").into_response()
}

async fn frame(State(state): State<ApiState>, request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_plain(id)).cloned();
    let id = id.unwrap_or_else(|| next_id(&state));
    let keep_out_of_caches = request.uri().path().starts_with("/v1/");
    let answer = tokio::time::timeout(state.options.request_timeout, next.run(request)).await;
    let mut response = answer.unwrap_or_else(|_| {
        Problem::new(
            Kind::TookTooLong,
            "no answer within the time limit; a change may have been made all the same: repeat it with the same Idempotency-Key, or read first",
        )
        .into_response()
    });
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if keep_out_of_caches {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn is_plain(id: &HeaderValue) -> bool {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !id.is_empty() && id.len() <= 64 && id.as_bytes().iter().all(plain)
}

/// Unique within a process and told apart between processes by the time of their first call.
fn next_id(state: &ApiState) -> HeaderValue {
    static FIRST: std::sync::OnceLock<i64> = std::sync::OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let first = FIRST.get_or_init(|| state.store.now().millis());
    let text = format!("{first:x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{ApiOptions, testing::Rig};

    #[tokio::test]
    async fn unknown_paths_and_methods_are_problems() {
        let rig = Rig::new().await;
        for (method, path, status, kind) in [
            ("GET", "/nothing", 404, "not-found"),
            ("GET", "/v1/nothing", 404, "not-found"),
            ("GET", "/v1/requests/not-an-id", 404, "not-found"),
            ("DELETE", "/v1/requests", 405, "method-not-allowed"),
            ("POST", "/healthz", 405, "method-not-allowed"),
        ] {
            let answer = rig.call(method, path, "").await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
            assert_eq!(answer.body["type"], format!("urn:efface:problem:{kind}"), "{path}");
            assert_eq!(answer.body["status"], status);
            if status == 405 {
                assert!(answer.header("allow").is_some(), "{method} {path}");
            }
        }
    }

    #[tokio::test]
    async fn answers_carry_an_id_and_stay_out_of_caches() {
        let rig = Rig::new().await;
        let first = rig.get("/v1/requests").await;
        assert_eq!(first.header("cache-control"), Some("no-store"));
        assert_eq!(
            rig.get_as(None, "/v1/requests").await.header("cache-control"),
            Some("no-store")
        );
        let second = rig.get("/v1/requests").await;
        assert!(first.header("x-request-id").is_some());
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
        assert_eq!(rig.get("/healthz").await.header("cache-control"), None);
        let kept = rig.call_with("GET", "/healthz", "", &[("x-request-id", "abc-1")]).await;
        assert_eq!(kept.header("x-request-id"), Some("abc-1"));
        let strange = rig.call_with("GET", "/healthz", "", &[("x-request-id", "a b@c")]).await;
        assert_ne!(strange.header("x-request-id"), Some("a b@c"));
    }

    #[tokio::test]
    async fn a_body_too_large_and_one_that_is_not_json_are_refused() {
        let rig = Rig::with(ApiOptions { max_body_bytes: 100, ..ApiOptions::default() }).await;
        let large = format!(r#"{{"action":"erase","note":"{}"}}"#, "x".repeat(200));
        let answer = rig.post("/v1/requests", &large).await;
        assert_eq!((answer.status, &answer.body["status"]), (413, &413.into()));
        let answer =
            rig.call_with("POST", "/v1/requests", "{}", &[("content-type", "text/plain")]).await;
        assert_eq!(answer.status, 415);
        let answer = rig.post("/v1/requests", "{").await;
        assert_eq!(answer.status, 400);
    }

    #[tokio::test]
    async fn a_call_that_takes_too_long_is_given_up() {
        let options =
            ApiOptions { request_timeout: Duration::from_millis(20), ..ApiOptions::default() };
        let state = Rig::with(options).await.state;
        let slow = Router::new().route("/v1/slow", axum::routing::get(std::future::pending::<()>));
        let answer = crate::testing::ask(around(slow, state), "GET", "/v1/slow", "", &[]).await;
        assert_eq!(answer.status, 503);
        assert_eq!(answer.body["type"], "urn:efface:problem:took-too-long");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }

    #[tokio::test]
    async fn a_panic_is_a_problem_without_its_text() {
        let state =
            Rig::with(ApiOptions { ready: Arc::new(|| true), ..ApiOptions::default() }).await.state;
        async fn broken() -> &'static str {
            panic!("canary@example.com");
        }
        let router = Router::new().route("/v1/broken", axum::routing::get(broken));
        let answer = crate::testing::ask(around(router, state), "GET", "/v1/broken", "", &[]).await;
        assert_eq!(answer.status, 500);
        assert!(!answer.body.to_string().contains("canary"));
        assert!(answer.header("x-request-id").is_some());
    }
}

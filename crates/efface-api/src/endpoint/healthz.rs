//! `GET /healthz`: the process is up.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process is up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    status: &'static str,
    version: &'static str,
}

/// Whether the process is up
///
/// Says nothing of the database; see `/readyz`.
#[utoipa::path(
    get, path = "/healthz", operation_id = "health", tag = "service", security(()),
    responses((status = 200, description = "The process is up.", body = Health))
)]
pub async fn handle() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn it_is_up() {
        let answer = Rig::new().await.get_as(None, "/healthz").await;
        assert_eq!((answer.status, answer.body["status"].as_str()), (200, Some("ok")));
    }
}

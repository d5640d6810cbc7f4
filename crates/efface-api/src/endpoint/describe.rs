//! `GET /openapi.json`: this API, described.

use std::sync::OnceLock;

use axum::http::{HeaderName, header};

/// This API, described
///
/// OpenAPI 3.1, from the code.
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "describe", tag = "service", security(()),
    responses((status = 200, description = "The OpenAPI document.", body = serde_json::Value))
)]
pub async fn handle() -> ([(HeaderName, &'static str); 1], &'static str) {
    static TEXT: OnceLock<String> = OnceLock::new();
    // a document of texts always becomes JSON
    let text = TEXT.get_or_init(|| crate::document().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], text)
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn the_document_is_served() {
        let answer = Rig::new().await.get_as(None, "/openapi.json").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["info"]["title"], "efface");
        assert_eq!(answer.body["components"]["securitySchemes"]["api_key"]["scheme"], "bearer");
    }
}

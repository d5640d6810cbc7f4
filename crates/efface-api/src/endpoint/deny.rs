//! `POST /v1/requests/{id}/deny`: refuses a request, with the reason the person is told.

use axum::{Json, extract::State};
use efface_core::{RequestId, request::DenialCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_NOTE, required},
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::RequestSummary,
    words::DenialReason,
};

/// Why it is denied.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Denial {
    #[schema(value_type = DenialReason)]
    code: DenialCode,
    /// What the person is told. Goes into the journal: name nobody.
    #[schema(min_length = 1, max_length = 4000)]
    note: String,
}

/// Deny a request
#[utoipa::path(
    post, path = "/v1/requests/{id}/deny", operation_id = "deny_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    request_body = Denial,
    responses((status = 200, description = "Denied.", body = RequestSummary), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Body(body): Body<Denial>,
) -> Result<Json<RequestSummary>, Problem> {
    let note = required("note", body.note, LONGEST_NOTE)?;
    let request = state.store.deny(id, body.code, &note, &caller.actor).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_denial_has_a_code_and_a_note() {
        let rig = Rig::new().await;
        let path = format!("/v1/requests/{}/deny", rig.filed("ada@example.org").await);
        for (body, fault) in [
            (json!({"note": "x"}), (422, "code")),
            (json!({"code": "canary", "note": "x"}), (422, "code")),
            (json!({"code": "excessive"}), (422, "note")),
            (json!({"code": "excessive", "note": " "}), (422, "note")),
            (json!({"code": "excessive", "note": "third time this week"}), (200, "")),
            (json!({"code": "excessive", "note": "third time this week"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            assert!(!answer.text.contains("canary"));
        }
        let read = rig.get(path.trim_end_matches("/deny")).await;
        assert_eq!(read.body["description"], "denied: excessive");
    }
}

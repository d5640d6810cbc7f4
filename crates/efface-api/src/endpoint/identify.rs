//! `POST /v1/requests/{id}/identify`: records how the person proved who they are.

use axum::{Json, extract::State};
use efface_core::RequestId;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::ProofBody,
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::RequestSummary,
};

/// Record a proof of identity
///
/// The identifiers stated so far count as proved by it.
#[utoipa::path(
    post, path = "/v1/requests/{id}/identify", operation_id = "identify_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    request_body = ProofBody,
    responses((status = 200, description = "Recorded.", body = RequestSummary), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Body(proof): Body<ProofBody>,
) -> Result<Json<RequestSummary>, Problem> {
    let proof = proof.checked("", &caller)?;
    let request = state.store.identify(id, &proof).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_proof_identifies_once() {
        let rig = Rig::new().await;
        let body = json!({"action": "erase", "identifiers": [{"kind": "email", "value": "ada@example.org"}]});
        let filed = rig.post_json("/v1/requests", body).await;
        let path = format!("/v1/requests/{}/identify", filed.body["id"].as_str().expect("an id"));
        for (body, fault) in [
            (json!({}), (422, "how")),
            (json!({"how": ""}), (422, "how")),
            (json!({"how": "login", "by": "me"}), (422, "by")),
            (json!({"how": "login"}), (200, "")),
            (json!({"how": "login"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
        }
        let read = rig.get(path.trim_end_matches("/identify")).await;
        assert_eq!(read.body["state"], "identified");
        assert_eq!(read.body["identifiers"], json!([{"kind": "email", "count": 1, "proved": 1}]));
    }
}

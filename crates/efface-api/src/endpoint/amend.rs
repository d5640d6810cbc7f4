//! `POST /v1/requests/{id}/amend`: adds identifiers, and a proof of them.

use axum::{Json, extract::State};
use efface_core::RequestId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{self, IdentifierBody, ProofBody},
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::RequestSummary,
};

/// What is added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amendment {
    #[schema(min_items = 1, max_items = 50)]
    identifiers: Vec<IdentifierBody>,
    /// Counts for everything stated so far.
    #[serde(default)]
    proof: Option<ProofBody>,
}

/// Add identifiers
///
/// Nothing is ever removed. A released request is planned anew and needs release again.
#[utoipa::path(
    post, path = "/v1/requests/{id}/amend", operation_id = "amend_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    request_body = Amendment,
    responses((status = 200, description = "Amended.", body = RequestSummary), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Body(body): Body<Amendment>,
) -> Result<Json<RequestSummary>, Problem> {
    let filed = state.store.request(id).await?.request;
    let (_, rules) = filing::controller(&state.store, Some(filed.controller.as_str()))?;
    // whatever is asked for, an addition passes the whole guard list
    let identifiers = filing::identifiers(rules, &body.identifiers, true)?;
    let proof = body.proof.map(|proof| proof.checked("proof", &caller)).transpose()?;
    let request = state.store.amend(id, identifiers, proof.as_ref(), &caller.actor).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn identifiers_are_added_and_release_is_due_again() {
        let rig = Rig::new().await;
        let id = rig.filed("ada@example.org").await;
        let path = format!("/v1/requests/{id}/amend");
        rig.post(&format!("/v1/requests/{id}/release"), "").await;
        for (body, fault) in [
            (json!({}), (422, "identifiers")),
            (json!({"identifiers": []}), (422, "identifiers")),
            (json!({"identifiers": [{"kind": "email", "value": "canary"}]}), (422, "identifiers[0].value")),
            (json!({"identifiers": [{"kind": "email", "value": "info@example.org"}]}), (422, "identifiers[0].value")),
            (json!({"identifiers": [{"kind": "user_id", "value": "u-7"}], "proof": {}}), (422, "proof.how")),
            (json!({"identifiers": [{"kind": "user_id", "value": "u-7"}]}), (200, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            assert!(!answer.text.contains("canary"));
        }
        let read = rig.get(&format!("/v1/requests/{id}")).await;
        assert_eq!(read.body["state"], "identified");
        assert_eq!(read.body["identifiers"].as_array().map(Vec::len), Some(2));
        let nobody = "/v1/requests/00000000-0000-7000-8000-000000000000/amend";
        let body = json!({"identifiers": [{"kind": "user_id", "value": "u-7"}]});
        assert_eq!(rig.post_json(nobody, body).await.status, 404);
    }
}

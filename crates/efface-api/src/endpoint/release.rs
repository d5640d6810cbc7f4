//! `POST /v1/requests/{id}/release`: lets an identified request go; the cooling-off begins.

use axum::{Json, extract::State};
use efface_core::RequestId;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Id, Nothing},
    openapi::DoorRefusals,
    problem::Problem,
    views::RequestSummary,
};

/// Release a request
///
/// In the name of the key. What destroys data still waits for the cooling-off.
#[utoipa::path(
    post, path = "/v1/requests/{id}/release", operation_id = "release_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    responses((status = 200, description = "Released.", body = RequestSummary), DoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    _: Nothing,
) -> Result<Json<RequestSummary>, Problem> {
    let request = state.store.release(id, &caller.actor).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn an_identified_request_is_released_once() {
        let rig = Rig::new().await;
        let path = format!("/v1/requests/{}/release", rig.filed("ada@example.org").await);
        let answer = rig.post(&path, "").await;
        assert_eq!((answer.status, &answer.body["state"]), (200, &json!("released")));
        assert_eq!(answer.body["cooling_until"], "2026-11-23T12:00:00.000Z");
        let again = rig.post(&path, "{}").await;
        assert_eq!(again.status, 409);
        assert_eq!(again.body["type"], "urn:efface:problem:refused");
        assert_eq!(again.body["detail"], "a request that is released cannot be released");
    }

    #[tokio::test]
    async fn nothing_unproved_is_released_and_no_field_is_read() {
        let rig = Rig::new().await;
        let body = json!({"action": "erase", "identifiers": [{"kind": "user_id", "value": "u-7"}]});
        let filed = rig.post_json("/v1/requests", body).await;
        let path = format!("/v1/requests/{}/release", filed.body["id"].as_str().expect("an id"));
        assert_eq!(rig.post(&path, "").await.status, 409);
        assert_eq!(rig.post(&path, r#"{"all_of":"x"}"#).await.fault(), (422, "all_of"));
        let nobody = "/v1/requests/00000000-0000-7000-8000-000000000000/release";
        assert_eq!(rig.post(nobody, "").await.status, 404);
    }
}

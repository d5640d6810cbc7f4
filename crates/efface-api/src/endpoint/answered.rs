//! `POST /v1/requests/{id}/answered`: the person was told; the statutory clock stops.

use axum::{Json, extract::State};
use efface_core::RequestId;
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
};

/// How the person was told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// Which notice, when and how. Goes into the journal: name nobody.
    #[schema(min_length = 1, max_length = 4000, example = "outcome letter of 2026-12-01")]
    notice: String,
}

/// Record that the person was told
///
/// The outcome or the refusal; the statutory clock stops with it.
#[utoipa::path(
    post, path = "/v1/requests/{id}/answered", operation_id = "record_answer", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    request_body = Notice,
    responses((status = 200, description = "Recorded.", body = RequestSummary), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Body(body): Body<Notice>,
) -> Result<Json<RequestSummary>, Problem> {
    let notice = required("notice", body.notice, LONGEST_NOTE)?;
    let request = state.store.answered(id, &notice, &caller.actor).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn the_person_is_told_once() {
        let rig = Rig::new().await;
        let id = rig.filed("ada@example.org").await;
        let path = format!("/v1/requests/{id}/answered");
        let early = rig.post_json(&path, json!({"notice": "letter of today"})).await;
        assert_eq!(early.fault(), (409, ""), "nothing was done yet: {}", early.text);
        rig.post_json(&format!("/v1/requests/{id}/cancel"), json!({})).await;
        for (body, fault) in [
            (json!({}), (422, "notice")),
            (json!({"notice": ""}), (422, "notice")),
            (json!({"notice": "letter of today"}), (200, "")),
            (json!({"notice": "letter of today"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
        }
        let read = rig.get(path.trim_end_matches("/answered")).await;
        assert_eq!(read.body["answered_at"], "2026-11-22T12:00:00.000Z");
    }
}

//! `POST /v1/tasks/{id}/waive`: ends a task without doing it, in a name and with a reason.

use axum::{Json, extract::State};
use efface_core::TaskId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_NOTE, required},
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::TaskDetail,
};

/// Why it need not be done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Goes into the journal: name nobody.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Waive a task
///
/// One that has not left, or waits on the desk.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/waive", operation_id = "waive_task", tag = "tasks",
    params(("id" = uuid::Uuid, Path, description = "The task.")),
    request_body = Waiver,
    responses((status = 200, description = "Waived.", body = TaskDetail), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(body): Body<Waiver>,
) -> Result<Json<TaskDetail>, Problem> {
    let reason = required("reason", body.reason, LONGEST_NOTE)?;
    state.store.waive_task(id, &reason, &caller.actor).await?;
    Ok(Json(TaskDetail::of(&state.store.task(id).await?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_waiver_needs_a_reason_and_ends_the_task() {
        let rig = Rig::new().await;
        let request = rig.filed("ada@example.org").await;
        let path = format!("/v1/tasks/{}/waive", rig.task_of(&request, "post").await);
        for (body, fault) in [
            (json!({}), (422, "reason")),
            (json!({"reason": " "}), (422, "reason")),
            (json!({"reason": "the account was closed last year"}), (200, "")),
            (json!({"reason": "the account was closed last year"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            if answer.status == 200 {
                assert_eq!(answer.body["outcome"], "waived");
            }
        }
    }
}

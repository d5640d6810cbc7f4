//! `POST /v1/tasks/{id}/retry`: puts a task on the desk back to work.

use axum::{Json, extract::State};
use efface_core::TaskId;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Id, Nothing},
    openapi::DoorRefusals,
    problem::Problem,
    views::TaskDetail,
};

/// Retry a task
///
/// Only one that waits on the desk; the others go on by themselves.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/retry", operation_id = "retry_task", tag = "tasks",
    params(("id" = uuid::Uuid, Path, description = "The task.")),
    responses((status = 200, description = "Back in its lane.", body = TaskDetail), DoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<TaskId>,
    _: Nothing,
) -> Result<Json<TaskDetail>, Problem> {
    state.store.retry_task(id, &caller.actor).await?;
    Ok(Json(TaskDetail::of(&state.store.task(id).await?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn a_task_on_the_desk_is_retried_and_no_other() {
        let rig = Rig::new().await;
        let request = rig.filed("ada@example.org").await;
        let task = rig.task_of(&request, "post").await;
        let path = format!("/v1/tasks/{task}/retry");
        let refused = rig.post(&path, "").await;
        assert_eq!(refused.status, 409, "{}", refused.text);
        rig.put_on_desk(&task).await;
        let answer = rig.post(&path, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_ne!(answer.body["state"], "desk");
        assert_eq!(rig.post(&format!("/v1/tasks/{request}/retry"), "").await.status, 404);
    }
}

//! `GET /v1/tasks/{id}`: one task.

use axum::{Json, extract::State};
use efface_core::TaskId;

use crate::{ApiState, extract::Id, openapi::ReadRefusals, problem::Problem, views::TaskDetail};

/// Read a task
#[utoipa::path(
    get, path = "/v1/tasks/{id}", operation_id = "read_task", tag = "tasks",
    params(("id" = uuid::Uuid, Path, description = "The task.")),
    responses((status = 200, description = "The task.", body = TaskDetail), ReadRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Id(id): Id<TaskId>,
) -> Result<Json<TaskDetail>, Problem> {
    Ok(Json(TaskDetail::of(&state.store.task(id).await?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn a_task_is_shown_or_not_found() {
        let rig = Rig::new().await;
        let request = rig.filed("ada@example.org").await;
        let task = rig.task_of(&request, "post").await;
        let answer = rig.get(&format!("/v1/tasks/{task}")).await;
        assert_eq!((answer.status, answer.body["request"].as_str()), (200, Some(request.as_str())));
        assert_eq!(answer.body["connector"], "paper");
        assert_eq!(rig.get(&format!("/v1/tasks/{request}")).await.status, 404);
    }
}

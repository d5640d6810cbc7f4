//! `POST /v1/tasks/{id}/attest`: records that a task was done by hand, with a proof.

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

/// What was done.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// What was done and where it can be seen. Goes into the journal: name nobody.
    #[schema(min_length = 1, max_length = 4000, example = "deleted in the vendor's console, ticket 4711")]
    proof: String,
}

/// Attest a task
///
/// One that has not left, or waits on the desk. Its evidence is `attested`.
#[utoipa::path(
    post, path = "/v1/tasks/{id}/attest", operation_id = "attest_task", tag = "tasks",
    params(("id" = uuid::Uuid, Path, description = "The task.")),
    request_body = Attestation,
    responses((status = 200, description = "Recorded.", body = TaskDetail), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<TaskId>,
    Body(body): Body<Attestation>,
) -> Result<Json<TaskDetail>, Problem> {
    let proof = required("proof", body.proof, LONGEST_NOTE)?;
    state.store.attest_task(id, &proof, &caller.actor).await?;
    Ok(Json(TaskDetail::of(&state.store.task(id).await?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn an_attestation_needs_a_proof_and_says_what_stands_behind_it() {
        let rig = Rig::new().await;
        rig.live("post").await;
        let request = rig.filed("ada@example.org").await;
        let task = rig.task_of(&request, "post").await;
        rig.put_on_desk(&task).await;
        let path = format!("/v1/tasks/{task}/attest");
        for (body, fault) in [
            (json!({}), (422, "proof")),
            (json!({"proof": ""}), (422, "proof")),
            (json!({"proof": "ticket 4711"}), (200, "")),
            (json!({"proof": "ticket 4711"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            if answer.status == 200 {
                assert_eq!((&answer.body["outcome"], &answer.body["evidence"]), (&json!("erased"), &json!("attested")));
            }
        }
    }
}

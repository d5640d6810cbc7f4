//! `GET /v1/requests/{id}/why`: what keeps a request open.

use axum::{Json, extract::State};
use efface_core::{RequestId, TaskId};
use efface_store::WhyLine;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    ApiState, extract::Id, openapi::ReadRefusals, problem::Problem, words::Moment,
};

/// What keeps a request open; empty when it is over.
#[derive(Debug, Serialize, ToSchema)]
pub struct Why {
    reasons: Vec<WhyReason>,
}

/// One thing that keeps a request open.
#[derive(Debug, Serialize, ToSchema)]
pub struct WhyReason {
    /// Absent when it is the request itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    task: Option<TaskId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    state: String,
    reason: String,
    since: Moment,
    /// When it goes on by itself, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Moment>,
    /// Who can move it on.
    who: String,
}

impl From<WhyLine> for WhyReason {
    fn from(line: WhyLine) -> Self {
        Self {
            task: line.task,
            account: line.account,
            action: line.action,
            state: line.state,
            reason: line.reason,
            since: Moment(line.since),
            next_attempt: line.next_attempt.map(Moment),
            who: line.who,
        }
    }
}

/// Why is it not done?
///
/// For each open task: the reason, since when, the next attempt, and who can move it on.
#[utoipa::path(
    get, path = "/v1/requests/{id}/why", operation_id = "explain_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    responses((status = 200, description = "What keeps it open.", body = Why), ReadRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Id(id): Id<RequestId>,
) -> Result<Json<Why>, Problem> {
    let lines = state.store.why(id).await?;
    Ok(Json(Why { reasons: lines.into_iter().map(WhyReason::from).collect() }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn it_says_what_is_missing_and_nothing_when_all_is_over() {
        let rig = Rig::new().await;
        let id = rig.filed("ada@example.org").await;
        let answer = rig.get(&format!("/v1/requests/{id}/why")).await;
        let reasons = answer.body["reasons"].as_array().expect("a list");
        assert_eq!(
            reasons[0]["reason"],
            "awaits release; every account it goes to is in observe, so nothing will be changed"
        );
        assert_eq!(reasons[0]["since"], "2026-11-22T12:00:00.000Z");
        assert_eq!(reasons.len(), 3);
        rig.post(&format!("/v1/requests/{id}/cancel"), "").await;
        let answer = rig.get(&format!("/v1/requests/{id}/why")).await;
        assert_eq!(answer.body["reasons"], serde_json::json!([]));
        assert_eq!(rig.get("/v1/requests/nothing/why").await.status, 404);
    }
}

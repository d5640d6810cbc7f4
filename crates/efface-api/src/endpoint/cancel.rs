//! `POST /v1/requests/{id}/cancel`: takes a request back as far as it can be.

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

/// Cancel a request
///
/// Where nothing was sent it ends here. What is out already is taken back where the vendor offers
/// that, or runs to its own end, and the state says so.
#[utoipa::path(
    post, path = "/v1/requests/{id}/cancel", operation_id = "cancel_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    responses((status = 200, description = "Cancelled as far as it can be.", body = RequestSummary), DoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    _: Nothing,
) -> Result<Json<RequestSummary>, Problem> {
    let request = state.store.cancel(id, &caller.actor).await?;
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn what_was_not_sent_is_cancelled_once() {
        let rig = Rig::new().await;
        let path = format!("/v1/requests/{}/cancel", rig.filed("ada@example.org").await);
        let answer = rig.post(&path, "").await;
        assert_eq!((answer.status, answer.body["state"].as_str()), (200, Some("cancelled")));
        assert_eq!(rig.post(&path, "").await.status, 409);
    }
}

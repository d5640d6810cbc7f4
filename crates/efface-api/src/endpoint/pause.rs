//! `POST /v1/accounts/{id}/pause`: no order leaves for an account until it is resumed.

use axum::{Json, extract::State};
use efface_core::AccountId;
use efface_store::Store as _;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_NOTE, required},
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::AccountDetail,
};

/// Why it is paused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PauseOrder {
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
}

/// Pause an account
///
/// Takes effect before the next order; what is out already is not called back.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/pause", operation_id = "pause_account", tag = "accounts",
    params(("id" = String, Path, description = "The account's name.")),
    request_body = PauseOrder,
    responses((status = 200, description = "Paused.", body = AccountDetail), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<AccountId>,
    Body(body): Body<PauseOrder>,
) -> Result<Json<AccountDetail>, Problem> {
    let reason = required("reason", body.reason, LONGEST_NOTE)?;
    let row = state.store.pause_account(&id, &reason, &caller.actor).await?;
    Ok(Json(AccountDetail::of(&row, state.store.directory(), state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_pause_needs_a_reason_and_is_shown() {
        let rig = Rig::new().await;
        for (path, body, fault) in [
            ("/v1/accounts/post/pause", json!({}), (422, "reason")),
            ("/v1/accounts/post/pause", json!({"reason": ""}), (422, "reason")),
            ("/v1/accounts/post/pause", json!({"reason": "vendor moves house"}), (200, "")),
            ("/v1/accounts/post/pause", json!({"reason": "vendor moves house"}), (409, "")),
            ("/v1/accounts/nobody/pause", json!({"reason": "x"}), (404, "")),
            ("/v1/accounts/NOBODY/pause", json!({"reason": "x"}), (404, "")),
        ] {
            let answer = rig.post_json(path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{path} {body}: {}", answer.text);
            if answer.status == 200 {
                let reason = "paused by api key shop: vendor moves house";
                assert_eq!(answer.body["held_back"], json!({ "reason": reason }));
            }
        }
    }
}

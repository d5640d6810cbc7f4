//! `POST /v1/accounts/{id}/resume`: ends what holds an account back.

use axum::{Json, extract::State};
use efface_core::AccountId;
use efface_store::Store as _;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Id, Nothing},
    openapi::DoorRefusals,
    problem::Problem,
    views::AccountDetail,
};

/// Resume an account
///
/// Ends a pause, a refused key, wrong settings or a spent quota, once mended; raises a reached
/// ceiling by its own size for today.
#[utoipa::path(
    post, path = "/v1/accounts/{id}/resume", operation_id = "resume_account", tag = "accounts",
    params(("id" = String, Path, description = "The account's name.")),
    responses((status = 200, description = "Resumed.", body = AccountDetail), DoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<AccountId>,
    _: Nothing,
) -> Result<Json<AccountDetail>, Problem> {
    let row = state.store.resume_account(&id, &caller.actor).await?;
    Ok(Json(AccountDetail::of(&row, state.store.directory(), state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn a_paused_account_is_resumed_once() {
        let rig = Rig::new().await;
        rig.post("/v1/accounts/post/pause", r#"{"reason":"a moment"}"#).await;
        let answer = rig.post("/v1/accounts/post/resume", "").await;
        assert_eq!((answer.status, answer.body["held_back"].is_null()), (200, true));
        assert_eq!(rig.post("/v1/accounts/post/resume", "").await.status, 409);
        assert_eq!(rig.post("/v1/accounts/nobody/resume", "").await.status, 404);
    }
}

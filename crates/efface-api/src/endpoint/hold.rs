//! `POST /v1/requests/{id}/hold`: a legal hold begins or ends.

use axum::{Json, extract::State};
use efface_core::RequestId;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_NOTE, field},
    openapi::BodyDoorRefusals,
    problem::Problem,
    views::RequestSummary,
};

/// Begins a hold with a reason, or ends one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldOrder {
    /// Why; required to begin.
    #[serde(default)]
    #[schema(max_length = 4000)]
    reason: Option<String>,
    /// Ends the hold.
    #[serde(default)]
    end: bool,
}

/// Why an order is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("is required to begin a hold")]
    NoReason,
    #[error("does not go with `end`; leave one out")]
    Both,
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        Self::invalid("reason", why.to_string())
    }
}

/// Hold a request, or end the hold
///
/// While it is held nothing new is sent.
#[utoipa::path(
    post, path = "/v1/requests/{id}/hold", operation_id = "hold_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    request_body = HoldOrder,
    responses((status = 200, description = "Done.", body = RequestSummary), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<RequestId>,
    Body(body): Body<HoldOrder>,
) -> Result<Json<RequestSummary>, Problem> {
    let request = match (field("reason", body.reason, LONGEST_NOTE)?, body.end) {
        (Some(reason), false) => state.store.hold(id, &reason, &caller.actor).await?,
        (None, true) => state.store.end_hold(id, &caller.actor).await?,
        (None, false) => return Err(Refusal::NoReason.into()),
        (Some(_), true) => return Err(Refusal::Both.into()),
    };
    Ok(Json(RequestSummary::of(&request, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_hold_begins_with_a_reason_and_ends_once() {
        let rig = Rig::new().await;
        let path = format!("/v1/requests/{}/hold", rig.filed("ada@example.org").await);
        for (body, fault, held) in [
            (json!({}), (422, "reason"), None),
            (json!({"end": true}), (409, ""), None),
            (json!({"reason": "litigation"}), (200, ""), Some(true)),
            (json!({"reason": "litigation"}), (409, ""), None),
            (json!({"reason": "litigation", "end": true}), (422, "reason"), None),
            (json!({"end": true}), (200, ""), Some(false)),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            if let Some(held) = held {
                assert_eq!(answer.body["held_since"].is_string(), held, "{body}");
            }
        }
    }
}

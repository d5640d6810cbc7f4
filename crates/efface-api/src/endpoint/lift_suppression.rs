//! `POST /v1/suppressions/{id}/lift`: an entry is taken off the list, never without a record of the
//! consent.

use axum::{Json, extract::State};
use efface_core::{RequestId, SuppressionId};
use efface_store::LiftBegun;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_FIELD, required},
    openapi::BodyDoorRefusals,
    problem::Problem,
};

/// What proves that the person wants it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LiftOrder {
    /// The record of the person's new consent; write nothing about the person.
    #[schema(min_length = 1, max_length = 255, example = "sign-up form 2026-11-22, record 4711")]
    consent: String,
}

/// How the lift goes on.
#[derive(Debug, Serialize, ToSchema)]
pub struct Lift {
    #[schema(value_type = uuid::Uuid)]
    id: SuppressionId,
    /// Whether it is lifted now; else it is when `request` has closed.
    lifted: bool,
    /// The request that gives back what accounts were told.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    request: Option<RequestId>,
}

/// Lift a suppression
///
/// Where no account was told the entry is lifted at once. Where some were, a request to lift is
/// filed, and the entry stands until that has closed; it needs its release like any other.
#[utoipa::path(
    post, path = "/v1/suppressions/{id}/lift", operation_id = "lift_suppression", tag = "suppressions",
    params(("id" = uuid::Uuid, Path, description = "The entry.")),
    request_body = LiftOrder,
    responses((status = 200, description = "Begun, or done.", body = Lift), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<SuppressionId>,
    Body(body): Body<LiftOrder>,
) -> Result<Json<Lift>, Problem> {
    let consent = required("consent", body.consent, LONGEST_FIELD)?;
    let begun = state.store.lift(id, &consent, &caller.actor).await?;
    let request = match begun {
        LiftBegun::AtOnce => None,
        LiftBegun::By(request) => Some(request),
    };
    Ok(Json(Lift { id, lifted: request.is_none(), request }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Rig;

    #[tokio::test]
    async fn an_entry_is_lifted_once_and_only_with_a_consent_that_says_something() {
        let rig = Rig::new().await;
        let id = rig.listed("ada@example.org").await;
        let path = format!("/v1/suppressions/{id}/lift");
        for (body, status) in [
            (json!({}), 422),
            (json!({"consent": " "}), 422),
            (json!({"consent": "n/a"}), 409),
            (json!({"consent": "form 7", "canary": 1}), 422),
            (json!({"consent": "form 7"}), 200),
            (json!({"consent": "form 7"}), 409),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.status, status, "{body}: {}", answer.text);
            if status == 200 {
                assert_eq!(answer.body, json!({"id": id, "lifted": true}));
            }
        }
        let unknown = "/v1/suppressions/00000000-0000-7000-8000-000000000000/lift";
        assert_eq!(rig.post_json(unknown, json!({"consent": "form 7"})).await.status, 404);
        let asked = json!({"identifiers": [{"kind": "email", "value": "ada@example.org"}]});
        let found = rig.post_json("/v1/suppressions/check", asked).await;
        assert_eq!(found.body["results"][0]["suppressed"], false, "{}", found.text);
    }
}

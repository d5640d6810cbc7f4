//! `GET /v1/requests/{id}`: one request with its tasks. Identifiers by kind and number alone.

use axum::{Json, extract::State};
use efface_core::RequestId;

use crate::{ApiState, extract::Id, openapi::ReadRefusals, problem::Problem, views::RequestDetail};

/// Read a request
///
/// With its tasks: state, outcome and how much evidence stands behind it.
#[utoipa::path(
    get, path = "/v1/requests/{id}", operation_id = "read_request", tag = "requests",
    params(("id" = uuid::Uuid, Path, description = "The request.")),
    responses((status = 200, description = "The request.", body = RequestDetail), ReadRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Id(id): Id<RequestId>,
) -> Result<Json<RequestDetail>, Problem> {
    let view = state.store.request(id).await?;
    let kinds = state.store.identifier_kinds(id).await?;
    Ok(Json(RequestDetail::of(&view, kinds, state.store.now())))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn it_shows_tasks_and_counts_and_nobody() {
        let rig = Rig::new().await;
        rig.live("post").await;
        let body = json!({
            "action": "erase",
            "identifiers": [
                {"kind": "email", "value": "canary@example.com"},
                {"kind": "email", "value": "canary2@example.com"},
                {"kind": "user_id", "value": "canary-7"},
            ],
            "proof": {"how": "account login"},
            "requester": {"relation": "executor", "contact": "canary-contact", "authority": "canary-will"},
            "note": "canary-note", "external_reference": "canary-ref",
            "regime": "gdpr", "channel": "letter", "release": true,
        });
        let filed = rig.post_json("/v1/requests", body).await;
        let id = filed.body["id"].as_str().expect("an id");
        let answer = rig.get(&format!("/v1/requests/{id}")).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
        assert_eq!(
            answer.body["identifiers"],
            json!([{"kind": "email", "count": 2, "proved": 2}, {"kind": "user_id", "count": 1, "proved": 1}])
        );
        for (name, want) in [
            ("state", json!("released")),
            ("requester_relation", json!("executor")),
            ("regime", json!("gdpr")),
            ("overdue", json!(false)),
            ("filed_at", json!("2026-11-22T12:00:00.000Z")),
            ("cooling_until", json!("2026-11-23T12:00:00.000Z")),
        ] {
            assert_eq!(answer.body[name], want, "{name}");
        }
        let tasks = answer.body["tasks"].as_array().expect("tasks");
        let brief: Vec<_> = tasks
            .iter()
            .map(|t| (t["account"].as_str(), t["action"].as_str(), t["state"].as_str(), t["evidence"].as_str()))
            .collect();
        assert_eq!(brief.len(), 2, "{brief:?}");
        assert!(brief.contains(&(Some("post"), Some("erase"), Some("blocked"), Some("none"))));
        assert!(brief.contains(&(Some("crm"), Some("look_up"), Some("blocked"), Some("none"))));
    }

    #[tokio::test]
    async fn a_request_that_is_not_there_is_not_found() {
        let rig = Rig::new().await;
        for id in ["00000000-0000-7000-8000-000000000000", "canary", "%20"] {
            let answer = rig.get(&format!("/v1/requests/{id}")).await;
            assert_eq!(answer.status, 404, "{id}");
            assert_eq!(answer.body["type"], "urn:efface:problem:not-found");
            assert!(!answer.text.contains("canary"));
        }
    }
}

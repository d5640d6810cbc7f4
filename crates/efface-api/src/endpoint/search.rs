//! `POST /v1/requests/search`: the requests about a person. The identifier travels in the body: a
//! query string ends up in logs.

use axum::{Json, extract::State};
use efface_core::{ControllerId, RequestId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiState,
    extract::Body,
    filing::{self, IdentifierBody},
    openapi::FilingRefusals,
    problem::Problem,
    views::RequestSummary,
};

/// Whom to look up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    /// `default` where left out.
    #[serde(default)]
    #[schema(default = "default", max_length = 63)]
    controller: Option<String>,
    identifier: IdentifierBody,
}

/// The requests about a person, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Hits {
    requests: Vec<RequestSummary>,
}

/// Find a person's requests
///
/// By one identifier, at most 200, newest first. Nothing found is an empty list.
#[utoipa::path(
    post, path = "/v1/requests/search", operation_id = "search_requests", tag = "requests",
    request_body = Search,
    responses((status = 200, description = "The person's requests.", body = Hits), FilingRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Body(search): Body<Search>,
) -> Result<Json<Hits>, Problem> {
    let (controller, rules) = filing::controller(&state.store, search.controller.as_deref())?;
    let identifier = search.identifier.read(rules).map_err(|p| p.within("identifier"))?;
    let found = state.store.find_person(&identifier).await?;
    Ok(Json(Hits { requests: summaries(&state, &controller, found).await? }))
}

async fn summaries(
    state: &ApiState,
    controller: &ControllerId,
    ids: Vec<RequestId>,
) -> Result<Vec<RequestSummary>, Problem> {
    let mut requests = Vec::with_capacity(ids.len());
    for id in ids {
        let request = state.store.request(id).await?.request;
        if request.controller == *controller {
            requests.push(RequestSummary::of(&request, state.store.now()));
        }
    }
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_person_is_found_however_the_address_is_written() {
        let rig = Rig::new().await;
        let id = rig.filed("ada@example.org").await;
        rig.filed("bob@example.org").await;
        for (value, hits) in
            [("ada@example.org", 1), (" ADA@Example.org", 1), ("carl@example.org", 0)]
        {
            let body = json!({"identifier": {"kind": "email", "value": value}});
            let answer = rig.post_json("/v1/requests/search", body).await;
            let requests = answer.body["requests"].as_array().expect("a list");
            assert_eq!((answer.status, requests.len()), (200, hits), "{value}");
            if hits == 1 {
                assert_eq!(requests[0]["id"], id);
            }
            assert!(!answer.text.to_lowercase().contains("example.org"));
        }
    }

    #[tokio::test]
    async fn a_bad_search_names_its_field() {
        let rig = Rig::new().await;
        for (body, field) in [
            (json!({}), "identifier"),
            (json!({"identifier": {"kind": "canary", "value": "x"}}), "identifier.kind"),
            (json!({"identifier": {"kind": "email", "value": "canary"}}), "identifier.value"),
            (json!({"email": "canary@example.com"}), "email"),
            (
                json!({"controller": "canary", "identifier": {"kind": "user_id", "value": "u"}}),
                "controller",
            ),
        ] {
            let answer = rig.post_json("/v1/requests/search", body).await;
            assert_eq!(answer.fault(), (422, field), "{}", answer.text);
            assert!(!answer.text.contains("canary"));
        }
    }
}

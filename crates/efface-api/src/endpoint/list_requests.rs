//! `GET /v1/requests`: requests, newest first, page by page.

use axum::{Json, extract::State};
use efface_core::{ControllerId, ImportId, RequestAction, RequestId};
use efface_store::{RequestFilter, is_request_state};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    extract::Filter,
    openapi::ListRefusals,
    page,
    problem::Problem,
    views::RequestSummary,
    words::{Action, RequestStateWord},
};

/// Which requests to list. A person is looked up by `POST /v1/requests/search`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[param(value_type = Option<RequestStateWord>, inline)]
    state: Option<String>,
    controller: Option<String>,
    #[param(value_type = Option<Action>, inline)]
    action: Option<String>,
    #[param(value_type = Option<uuid::Uuid>)]
    import: Option<String>,
    /// Only those open past their date.
    #[param(value_type = Option<bool>)]
    overdue: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page {
    requests: Vec<RequestSummary>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Why a list is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("must be one of {}", efface_core::request::RequestState::WORDS.join(", "))]
    State,
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        let Refusal::State = why;
        Self::invalid("state", why.to_string())
    }
}

impl Query {
    fn filter(self, state: &ApiState) -> Result<RequestFilter, Problem> {
        if self.state.as_deref().is_some_and(|word| !is_request_state(word)) {
            return Err(Refusal::State.into());
        }
        let actions = "erase, suppress, erase_and_suppress or lift";
        let action: Option<RequestAction> = page::read("action", self.action.as_deref(), actions)?;
        let controller: Option<ControllerId> =
            page::read("controller", self.controller.as_deref(), "a controller's name")?;
        let import: Option<ImportId> = page::read("import", self.import.as_deref(), "an id")?;
        let overdue = page::flag("overdue", self.overdue.as_deref())?;
        Ok(RequestFilter {
            state: self.state,
            controller: controller.map(|c| c.to_string()),
            action: action.map(|a| a.word().to_owned()),
            import,
            overdue_at: overdue.then(|| state.store.now()),
            after: page::after(self.cursor.as_deref())?.map(RequestId),
            limit: page::limit(self.limit.as_deref())?,
        })
    }
}

/// List requests
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/requests", operation_id = "list_requests", tag = "requests",
    params(Query),
    responses((status = 200, description = "One page.", body = Page), ListRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Filter(query): Filter<Query>,
) -> Result<Json<Page>, Problem> {
    let mut filter = query.filter(&state)?;
    let wanted = filter.limit;
    // one more tells whether there is a next page
    filter.limit = wanted + 1;
    let mut found = state.store.requests(&filter).await?;
    let next_cursor = page::cut(&mut found, wanted, |last| last.id.0);
    let now = state.store.now();
    let requests = found.iter().map(|request| RequestSummary::of(request, now)).collect();
    Ok(Json(Page { requests, next_cursor }))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, time::Duration};

    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn pages_show_each_request_once_newest_first() {
        let rig = Rig::new().await;
        let mut filed = vec![];
        for n in 0..7 {
            rig.clock.pass(Duration::from_millis(1));
            filed.push(rig.filed(&format!("p{n}@example.org")).await);
        }
        filed.reverse();
        let mut seen = vec![];
        let mut path = "/v1/requests?limit=3".to_owned();
        let mut sizes = vec![];
        loop {
            let answer = rig.get(&path).await;
            let page = answer.body["requests"].as_array().expect("a list");
            sizes.push(page.len());
            seen.extend(page.iter().map(|r| r["id"].as_str().expect("an id").to_owned()));
            let Some(cursor) = answer.body["next_cursor"].as_str() else { break };
            path = format!("/v1/requests?limit=3&cursor={cursor}");
        }
        assert_eq!((seen, sizes), (filed, vec![3, 3, 1]));
    }

    #[tokio::test]
    async fn a_last_full_page_has_no_cursor() {
        let rig = Rig::new().await;
        rig.filed("ada@example.org").await;
        let answer = rig.get("/v1/requests?limit=1").await;
        assert_eq!(answer.body["requests"].as_array().map(Vec::len), Some(1));
        assert!(answer.body["next_cursor"].is_null());
    }

    #[tokio::test]
    async fn filters_narrow_the_list() {
        let rig = Rig::new().await;
        rig.filed("ada@example.org").await;
        let body = json!({"action": "suppress", "scope": "marketing",
                          "identifiers": [{"kind": "email", "value": "bob@example.org"}]});
        rig.post_json("/v1/requests", body).await;
        for (query, count) in [
            ("", 2),
            ("?state=identified", 1),
            ("?state=received", 1),
            ("?action=erase", 1),
            ("?controller=default", 2),
            ("?controller=other", 0),
            ("?import=00000000-0000-7000-8000-000000000000", 0),
            ("?overdue=true", 0),
            ("?overdue=false&action=suppress", 1),
        ] {
            let answer = rig.get(&format!("/v1/requests{query}")).await;
            assert_eq!(answer.body["requests"].as_array().map(Vec::len), Some(count), "{query}");
        }
        rig.clock.pass(Duration::from_secs(40 * 86_400));
        let answer = rig.get("/v1/requests?overdue=true").await;
        let late: BTreeSet<bool> = answer.body["requests"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|r| r["overdue"] == true)
            .collect();
        assert_eq!(late, BTreeSet::from([true]));
    }

    #[tokio::test]
    async fn a_bad_query_names_its_parameter_and_a_person_is_not_looked_up_here() {
        let rig = Rig::new().await;
        for (query, field) in [
            ("state=canary", "state"),
            ("action=canary", "action"),
            ("controller=Canary", "controller"),
            ("import=canary", "import"),
            ("overdue=canary", "overdue"),
            ("limit=201", "limit"),
            ("cursor=canary", "cursor"),
            ("email=canary@example.com", "email"),
            ("limit=1&limit=2", "limit"),
        ] {
            let answer = rig.get(&format!("/v1/requests?{query}")).await;
            assert_eq!(answer.fault(), (422, field), "{query}: {}", answer.text);
            assert!(!answer.text.to_lowercase().contains("canary"), "{query}: {}", answer.text);
        }
    }
}

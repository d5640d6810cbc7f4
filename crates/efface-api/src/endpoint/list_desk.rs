//! `GET /v1/desk`: what waits for a person, oldest first.

use axum::{Json, extract::State};
use efface_core::DeskId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState, extract::Filter, openapi::ListRefusals, page, problem::Problem, views::DeskEntry,
};

/// Which items to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Also those dealt with.
    #[param(value_type = Option<bool>)]
    closed: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// What waits for a person, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Desk {
    items: Vec<DeskEntry>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// List the desk
///
/// What waits for a person, why, and what may be decided; oldest first.
#[utoipa::path(
    get, path = "/v1/desk", operation_id = "list_desk", tag = "desk",
    params(Query),
    responses((status = 200, description = "The desk.", body = Desk), ListRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Filter(query): Filter<Query>,
) -> Result<Json<Desk>, Problem> {
    let also_closed = page::flag("closed", query.closed.as_deref())?;
    let limit = page::limit(query.limit.as_deref())?;
    let after = page::after(query.cursor.as_deref())?.map(DeskId);
    // one more tells whether there is a next page
    let mut rows = state.store.desk_after(!also_closed, after, limit + 1).await?;
    let next_cursor = page::cut(&mut rows, limit, |last| last.item.id.0);
    Ok(Json(Desk { items: rows.into_iter().map(DeskEntry::of).collect(), next_cursor }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn items_say_why_and_what_may_be_decided() {
        let rig = Rig::new().await;
        assert_eq!(rig.get("/v1/desk").await.body["items"], json!([]));
        let request = rig.filed("ada@example.org").await;
        let task = rig.task_of(&request, "post").await;
        rig.put_on_desk(&task).await;
        let answer = rig.get("/v1/desk").await;
        let item = &answer.body["items"][0];
        for (name, want) in [
            ("subject_kind", "task"),
            ("subject_id", task.as_str()),
            ("request", request.as_str()),
            ("account", "post"),
            ("opened_at", "2026-11-22T12:00:00.000Z"),
        ] {
            assert_eq!(item[name], want, "{name}");
        }
        assert_eq!(item["reason"]["word"], "ambiguous_match");
        assert_eq!(item["reason"]["decisions"], json!(["retry", "attest", "waive"]));
        rig.clock.pass(std::time::Duration::from_millis(1));
        let other = rig.task_of(&request, "crm").await;
        rig.put_on_desk(&other).await;
        let first = rig.get("/v1/desk?limit=1").await.body;
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let second = rig.get(&format!("/v1/desk?limit=1&cursor={cursor}")).await.body;
        assert!(second["next_cursor"].is_null());
        assert_eq!(first["items"][0]["subject_id"], task.as_str());
        assert_eq!(second["items"][0]["subject_id"], other.as_str());
        for (query, field) in [
            ("closed=canary", "closed"),
            ("limit=x", "limit"),
            ("who=1", "who"),
            ("cursor=zz", "cursor"),
        ] {
            assert_eq!(rig.get(&format!("/v1/desk?{query}")).await.fault(), (422, field));
        }
    }
}

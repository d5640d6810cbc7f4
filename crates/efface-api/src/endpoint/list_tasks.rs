//! `GET /v1/tasks`: tasks, earliest deadline first.

use axum::{Json, extract::State};
use efface_core::{AccountId, TaskId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    extract::Filter,
    openapi::ListRefusals,
    page,
    problem::Problem,
    views::TaskDetail,
    words::{TASK_STATES, TaskStateWord},
};

/// Which tasks to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[param(value_type = Option<TaskStateWord>, inline)]
    state: Option<String>,
    account: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// Tasks, earliest deadline first.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tasks {
    tasks: Vec<TaskDetail>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Why a list is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("must be one of {}", TASK_STATES.join(", "))]
    State,
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        let Refusal::State = why;
        Self::invalid("state", why.to_string())
    }
}

/// List tasks
///
/// Earliest statutory deadline first.
#[utoipa::path(
    get, path = "/v1/tasks", operation_id = "list_tasks", tag = "tasks",
    params(Query),
    responses((status = 200, description = "Tasks.", body = Tasks), ListRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Filter(query): Filter<Query>,
) -> Result<Json<Tasks>, Problem> {
    if query.state.as_deref().is_some_and(|word| !TASK_STATES.contains(&word)) {
        return Err(Refusal::State.into());
    }
    let account: Option<AccountId> =
        page::read("account", query.account.as_deref(), "an account's name")?;
    let limit = page::limit(query.limit.as_deref())?;
    let after = page::after::<(Timestamp, uuid::Uuid)>(query.cursor.as_deref())?;
    let after = after.map(|(deadline, id)| (deadline, TaskId(id)));
    // one more tells whether there is a next page
    let word = query.state.as_deref();
    let mut found = state.store.tasks(word, account.as_ref(), after, limit + 1).await?;
    let next_cursor =
        page::cut(&mut found, limit, |last| (last.row.deadline, last.row.task.id.0));
    Ok(Json(Tasks { tasks: found.iter().map(TaskDetail::of).collect(), next_cursor }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;

    #[tokio::test]
    async fn tasks_are_listed_by_state_and_account() {
        let rig = Rig::new().await;
        rig.filed("ada@example.org").await;
        for (query, count) in [
            ("", 2),
            ("?state=blocked", 2),
            ("?state=settled", 0),
            ("?account=post", 1),
            ("?account=nobody", 0),
            ("?limit=1", 1),
        ] {
            let answer = rig.get(&format!("/v1/tasks{query}")).await;
            assert_eq!(answer.body["tasks"].as_array().map(Vec::len), Some(count), "{query}");
        }
        let all = rig.get("/v1/tasks").await.body;
        assert!(all["next_cursor"].is_null());
        let first = rig.get("/v1/tasks?limit=1").await.body;
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let second = rig.get(&format!("/v1/tasks?limit=1&cursor={cursor}")).await.body;
        assert!(second["next_cursor"].is_null());
        assert_eq!(all["tasks"], serde_json::json!([first["tasks"][0], second["tasks"][0]]));
        for (query, field) in [
            ("state=canary", "state"),
            ("account=Canary", "account"),
            ("limit=0", "limit"),
            ("cursor=00", "cursor"),
        ] {
            let answer = rig.get(&format!("/v1/tasks?{query}")).await;
            assert_eq!(answer.fault(), (422, field), "{query}");
        }
    }
}

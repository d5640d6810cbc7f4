//! `GET /v1/accounts`: connected vendor accounts and their conditions. No secrets.

use axum::{Json, extract::State};
use efface_store::Store as _;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{ApiState, openapi::ListRefusals, problem::Problem, views::AccountDetail};

/// Every connected vendor account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Accounts {
    accounts: Vec<AccountDetail>,
}

/// List accounts
///
/// Mode, what holds calls back, and the day's ceiling of people.
#[utoipa::path(
    get, path = "/v1/accounts", operation_id = "list_accounts", tag = "accounts",
    responses((status = 200, description = "The accounts.", body = Accounts), ListRefusals)
)]
pub async fn handle(State(state): State<ApiState>) -> Result<Json<Accounts>, Problem> {
    let (directory, now) = (state.store.directory(), state.store.now());
    let rows = state.store.accounts().await?;
    let accounts = rows.iter().map(|row| AccountDetail::of(row, directory, now)).collect();
    Ok(Json(Accounts { accounts }))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn accounts_show_mode_condition_and_ceiling() {
        let rig = Rig::new().await;
        rig.live("post").await;
        let answer = rig.get("/v1/accounts").await;
        let accounts = answer.body["accounts"].as_array().expect("a list");
        let post = accounts.iter().find(|a| a["id"] == "post").expect("there");
        assert_eq!(
            *post,
            json!({
                "id": "post", "connector": "paper", "title": "Paper & Sons", "controller": "default",
                "lane": "post", "mode": "live", "vendor_account": "vendor-7", "breaker": "closed",
                "credentials": "good",
                "ceiling": {"people_per_day": 100, "used_today": 0, "left_today": 100, "reached": false},
            })
        );
        let crm = accounts.iter().find(|a| a["id"] == "crm").expect("there");
        assert_eq!((&crm["mode"], &crm["credentials"]), (&json!("observe"), &json!("unproved")));
    }
}

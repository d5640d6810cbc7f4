//! `GET /v1/suppressions`: the suppression list, newest entry first, page by page.

use axum::{Json, extract::State};
use efface_core::{
    ControllerId, RequestId, Scope, SuppressionId,
    suppression::{EntryState, Kind, Observed, Reason},
};
use efface_store::{SuppressionFilter, SuppressionView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{
    ApiState,
    extract::Filter,
    openapi::ListRefusals,
    page,
    problem::Problem,
    words::{EntryKind, EntryReason, EntryStateWord, Moment, ObservedWord, SuppressScope},
};

/// Which entries to list. A person is looked up by `POST /v1/suppressions/check`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Query {
    #[param(value_type = Option<EntryStateWord>, inline)]
    state: Option<String>,
    controller: Option<String>,
    #[param(value_type = Option<SuppressScope>, inline)]
    scope: Option<String>,
    #[param(value_type = Option<EntryKind>, inline)]
    kind: Option<String>,
    #[param(value_type = Option<u32>, minimum = 1, maximum = 200)]
    limit: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

/// One page of entries.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionPage {
    suppressions: Vec<SuppressionEntry>,
    /// Where the next page begins; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// One entry, without the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionEntry {
    #[schema(value_type = uuid::Uuid)]
    id: SuppressionId,
    controller: String,
    #[schema(value_type = SuppressScope)]
    scope: Scope,
    #[schema(value_type = EntryKind)]
    kind: Kind,
    #[schema(value_type = EntryReason)]
    reason: Reason,
    #[schema(value_type = EntryStateWord)]
    state: &'static str,
    since: Moment,
    by: String,
    /// The request it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    source: Option<RequestId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    legal_basis: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifted_at: Option<Moment>,
    /// Accounts that are not as they should be.
    drift: usize,
    accounts: Vec<AccountPart>,
}

/// What one account was told.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountPart {
    account: String,
    #[schema(value_type = ObservedWord)]
    observed: Observed,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Moment>,
    /// Whether somebody has to act.
    drifts: bool,
}

impl SuppressionEntry {
    pub fn of(view: &SuppressionView) -> Self {
        let entry = &view.entry;
        let lifted_at = match &entry.state {
            EntryState::Lifted { at, .. } => Some(Moment(*at)),
            EntryState::InForce | EntryState::Lifting { .. } => None,
        };
        let part = |a: &efface_store::AccountStand| AccountPart {
            account: a.account.to_string(),
            observed: a.observed,
            since: a.since.map(Moment),
            drifts: a.drifts,
        };
        Self {
            id: entry.id,
            controller: entry.controller.to_string(),
            scope: entry.scope,
            kind: entry.kind,
            reason: entry.reason,
            state: entry.state.word(),
            since: Moment(entry.since),
            by: entry.by.clone(),
            source: entry.source,
            legal_basis: entry.legal_basis.clone(),
            expires_at: entry.expires_at.map(Moment),
            lifted_at,
            drift: view.drift(),
            accounts: view.accounts.iter().map(part).collect(),
        }
    }
}

impl Query {
    fn filter(self) -> Result<SuppressionFilter, Problem> {
        let words = EntryState::WORDS;
        if self.state.as_deref().is_some_and(|word| !words.contains(&word)) {
            return Err(Problem::invalid("state", format!("must be one of {}", words.join(", "))));
        }
        let controller: Option<ControllerId> =
            page::read("controller", self.controller.as_deref(), "a controller's name")?;
        let scopes = "marketing, sale_or_sharing, collection or all_processing";
        Ok(SuppressionFilter {
            controller,
            scope: page::read("scope", self.scope.as_deref(), scopes)?,
            kind: page::read("kind", self.kind.as_deref(), "sealed or hash_only")?,
            state: self.state,
            after: page::after(self.cursor.as_deref())?.map(SuppressionId),
            limit: page::limit(self.limit.as_deref())?,
        })
    }
}

/// List suppressions
///
/// Newest first, with what each account was told. Nobody is named.
#[utoipa::path(
    get, path = "/v1/suppressions", operation_id = "list_suppressions", tag = "suppressions",
    params(Query),
    responses((status = 200, description = "One page.", body = SuppressionPage), ListRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Filter(query): Filter<Query>,
) -> Result<Json<SuppressionPage>, Problem> {
    let mut filter = query.filter()?;
    let wanted = filter.limit;
    // one more tells whether there is a next page
    filter.limit = wanted + 1;
    let mut found = state.store.suppressions(&filter).await?;
    let next_cursor = page::cut(&mut found, wanted, |last| last.entry.id.0);
    let suppressions = found.iter().map(SuppressionEntry::of).collect();
    Ok(Json(SuppressionPage { suppressions, next_cursor }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::testing::Rig;

    #[tokio::test]
    async fn pages_show_each_entry_once_newest_first_and_name_nobody() {
        let rig = Rig::new().await;
        let mut listed = vec![];
        for n in 0..5 {
            rig.clock.pass(Duration::from_millis(1));
            listed.push(rig.listed(&format!("p{n}@example.org")).await);
        }
        listed.reverse();
        let (mut seen, mut path) = (vec![], "/v1/suppressions?limit=2".to_owned());
        loop {
            let answer = rig.get(&path).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(!answer.text.contains("example.org"));
            let page = answer.body["suppressions"].as_array().expect("a list");
            seen.extend(page.iter().map(|r| r["id"].as_str().expect("an id").to_owned()));
            let Some(cursor) = answer.body["next_cursor"].as_str() else { break };
            path = format!("/v1/suppressions?limit=2&cursor={cursor}");
        }
        assert_eq!(seen, listed);
    }

    #[tokio::test]
    async fn filters_narrow_the_list_and_a_bad_one_is_named() {
        let rig = Rig::new().await;
        rig.listed("ada@example.org").await;
        for (query, count) in [
            ("", 1),
            ("?state=in_force", 1),
            ("?state=lifted", 0),
            ("?scope=marketing", 1),
            ("?scope=collection", 0),
            ("?kind=hash_only", 0),
            ("?controller=other", 0),
        ] {
            let answer = rig.get(&format!("/v1/suppressions{query}")).await;
            let entries = answer.body["suppressions"].as_array().map(Vec::len);
            assert_eq!(entries, Some(count), "{query}: {}", answer.text);
        }
        for field in ["state", "scope", "kind", "limit", "cursor", "email"] {
            let answer = rig.get(&format!("/v1/suppressions?{field}=Canary")).await;
            assert_eq!(answer.fault(), (422, field), "{}", answer.text);
            assert!(!answer.text.contains("Canary"), "{}", answer.text);
        }
    }
}

//! `POST /v1/suppressions`: somebody is put on the suppression list.

use axum::{Json, extract::State, http::StatusCode};
use efface_core::{Scope, deadline, suppression::Reason};
use efface_store::{Added, NewSuppression};
use jiff::civil::Date;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    endpoint::list_suppressions::SuppressionEntry,
    extract::Body,
    filing::{self, IdentifierBody, LONGEST_FIELD, LONGEST_NOTE, field, required},
    openapi::FilingRefusals,
    problem::Problem,
    words::SuppressScope,
};

/// Somebody to be left alone from now on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEntry {
    /// On whose behalf; `default` where there is one controller.
    #[serde(default)]
    #[schema(default = "default", max_length = 63)]
    controller: Option<String>,
    #[schema(value_type = SuppressScope)]
    scope: Scope,
    /// Whom it is about. Kept sealed.
    #[schema(min_items = 1, max_items = 50)]
    identifiers: Vec<IdentifierBody>,
    /// Why, in your words; name nobody there.
    #[schema(min_length = 1, max_length = 4000)]
    reason: String,
    /// The law it rests on.
    #[serde(default)]
    #[schema(max_length = 255, example = "GDPR Art. 21(2)")]
    legal_basis: Option<String>,
    /// The last day it holds, in the controller's time zone; until it is lifted where left out.
    #[serde(default)]
    #[schema(format = Date, example = "2027-11-22")]
    expires_on: Option<String>,
}

/// Put somebody on the suppression list
///
/// A new entry is answered with 201. Somebody who stands there already with the same scope is
/// answered with 200 and their entry, which takes up the further identifiers, so that a repeated
/// call adds nothing. No account is told by this: `drift` says how many there are to tell.
#[utoipa::path(
    post, path = "/v1/suppressions", operation_id = "add_suppression", tag = "suppressions",
    request_body = NewEntry,
    responses(
        (status = 201, description = "Listed.", body = SuppressionEntry),
        (status = 200, description = "Listed before.", body = SuppressionEntry),
        FilingRefusals,
    )
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Body(body): Body<NewEntry>,
) -> Result<(StatusCode, Json<SuppressionEntry>), Problem> {
    let (controller, rules) = filing::controller(&state.store, body.controller.as_deref())?;
    let expires_at = match body.expires_on.as_deref() {
        None => None,
        Some(text) => {
            let fault = |why: String| Problem::invalid("expires_on", why);
            let day: Date =
                text.parse().map_err(|_| fault("must be a date, YYYY-MM-DD".into()))?;
            let end = deadline::end_of(day, &rules.zone).map_err(|why| fault(why.to_string()))?;
            if end <= state.store.now() {
                return Err(fault("is over already".into()));
            }
            Some(end)
        }
    };
    let new = NewSuppression {
        controller,
        scope: body.scope,
        identifiers: filing::identifiers(rules, &body.identifiers, false)?,
        reason: Reason::Added,
        note: Some(required("reason", body.reason, LONGEST_NOTE)?),
        legal_basis: field("legal_basis", body.legal_basis, LONGEST_FIELD)?,
        expires_at,
        by: caller.actor.to_string(),
    };
    let added = state.store.suppress(new).await?;
    let entry = SuppressionEntry::of(&state.store.suppression(added.id()).await?);
    let status = match added {
        Added::New(_) => StatusCode::CREATED,
        Added::Before(_) => StatusCode::OK,
    };
    Ok((status, Json(entry)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::testing::Rig;

    const PATH: &str = "/v1/suppressions";

    fn entry(more: Value) -> Value {
        let who = json!([{"kind": "email", "value": "ada@example.org"}]);
        let mut body = json!({"scope": "marketing", "identifiers": who, "reason": "asked"});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    }

    #[tokio::test]
    async fn somebody_is_listed_once_and_found_by_a_check() {
        let rig = Rig::new().await;
        let added = rig.post_json(PATH, entry(json!({"expires_on": "2027-11-22"}))).await;
        assert_eq!(added.status, 201, "{}", added.text);
        assert_eq!((&added.body["kind"], &added.body["by"]), (&"sealed".into(), &"api key shop".into()));
        assert!(added.body["expires_at"].is_string() && !added.text.contains("example.org"));
        let again = rig.post_json(PATH, entry(json!({}))).await;
        assert_eq!((again.status, &again.body["id"]), (200, &added.body["id"]), "{}", again.text);
        let other = rig.post_json(PATH, entry(json!({"scope": "collection"}))).await;
        assert_eq!(other.status, 201, "{}", other.text);
        let asked = json!({"identifiers": [{"kind": "email", "value": "ADA@example.org"}]});
        let found = rig.post_json("/v1/suppressions/check", asked).await;
        let entries = found.body["results"][0]["entries"].as_array().map(Vec::len);
        assert_eq!(entries, Some(2), "{}", found.text);
    }

    #[tokio::test]
    async fn a_bad_entry_names_its_field_and_is_not_listed() {
        let rig = Rig::new().await;
        let who = |value: &str| json!({"identifiers": [{"kind": "email", "value": value}]});
        for (more, field) in [
            (json!({"scope": "canary"}), "scope"),
            (json!({"reason": " "}), "reason"),
            (json!({"controller": "canary"}), "controller"),
            (json!({"identifiers": []}), "identifiers"),
            (who("canary"), "identifiers[0].value"),
            (who("*@canary.example"), "identifiers[0].value"),
            (json!({"expires_on": "canary"}), "expires_on"),
            (json!({"expires_on": "2020-01-01"}), "expires_on"),
            (json!({"canary": 1}), "canary"),
        ] {
            let answer = rig.post_json(PATH, entry(more.clone())).await;
            assert_eq!(answer.fault().0, 422, "{more}: {}", answer.text);
            assert_eq!(answer.fault().1, field, "{more}: {}", answer.text);
        }
        let all = rig.get(PATH).await;
        assert_eq!(all.body["suppressions"], json!([]), "{}", all.text);
    }
}

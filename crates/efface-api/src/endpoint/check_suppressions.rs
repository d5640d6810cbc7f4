//! `POST /v1/suppressions/check`: whether people stand on the suppression list. Identifiers, or hashes
//! of them, travel in the body; nothing is written and nobody is named in the answer.

use axum::{Json, extract::State};
use efface_core::{
    IdentifierKind, Scope,
    subject::Value,
    suppression::{Kind, Reason, parse_client_hash},
};
use efface_store::{Asked, ControllerRules, MOST_CHECKED, Verdict};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ApiState,
    extract::Body,
    filing::{self, IdentifierBody},
    openapi::FilingRefusals,
    problem::Problem,
    words::{EntryKind, EntryReason, Moment, SuppressScope},
};

/// Whom to look up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// `default` where left out.
    #[serde(default)]
    #[schema(default = "default", max_length = 63)]
    controller: Option<String>,
    #[schema(min_items = 1, max_items = 5000)]
    identifiers: Vec<AskedBody>,
}

/// One identifier, in the clear or hashed on your side.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskedBody {
    #[schema(
        pattern = "^(email|phone|user_id|anonymous_id|device_id|advertising_id|vendor:[a-z0-9_-]{1,63})$",
        example = "email"
    )]
    kind: String,
    /// The identifier itself; or give `sha256`.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 512, example = "ada@example.org")]
    value: Option<Value>,
    /// SHA-256 in hexadecimal of the normal form: an e-mail address trimmed and in lower case, a
    /// telephone number in E.164. For these two kinds alone.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 64, max_length = 64)]
    sha256: Option<Value>,
}

/// One answer for each identifier, in the order asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verdicts {
    results: Vec<Answer>,
}

/// Whether somebody is suppressed.
#[derive(Debug, Serialize, ToSchema)]
pub struct Answer {
    suppressed: bool,
    /// The entries in force that say so; several where the scopes differ.
    entries: Vec<Entry>,
}

/// An entry in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct Entry {
    #[schema(value_type = SuppressScope)]
    scope: Scope,
    since: Moment,
    #[schema(value_type = EntryReason)]
    reason: Reason,
    #[schema(value_type = EntryKind)]
    kind: Kind,
}

impl Entry {
    fn of(verdict: &Verdict) -> Self {
        Self {
            scope: verdict.scope,
            since: Moment(verdict.since),
            reason: verdict.reason,
            kind: verdict.kind,
        }
    }
}

impl AskedBody {
    fn read(self, rules: &ControllerRules) -> Result<Asked, Problem> {
        match (self.value, self.sha256) {
            (Some(value), None) => {
                IdentifierBody::new(self.kind, value).read(rules).map(Asked::Plain)
            }
            (None, Some(hash)) => {
                let kind = match self.kind.parse() {
                    Ok(kind @ (IdentifierKind::Email | IdentifierKind::Phone)) => kind,
                    Ok(_) | Err(_) => {
                        return Err(Problem::invalid("kind", "must be email or phone for a hash"));
                    }
                };
                let hash = parse_client_hash(hash.expose()).ok_or_else(|| {
                    Problem::invalid("sha256", "must be 64 hexadecimal digits")
                })?;
                Ok(Asked::Hashed { kind, hash })
            }
            (Some(_), Some(_)) => Err(Problem::invalid("sha256", "give `value` or this, not both")),
            (None, None) => Err(Problem::invalid("value", "give this or `sha256`")),
        }
    }
}

/// Check the suppression list
///
/// Up to 5000 identifiers in one call, in the clear or hashed on your side. Nothing is written, and
/// the answers name nobody.
#[utoipa::path(
    post, path = "/v1/suppressions/check", operation_id = "check_suppressions", tag = "suppressions",
    request_body = Check,
    responses((status = 200, description = "One answer for each identifier.", body = Verdicts), FilingRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    Body(check): Body<Check>,
) -> Result<Json<Verdicts>, Problem> {
    let (controller, rules) = filing::controller(&state.store, check.controller.as_deref())?;
    if check.identifiers.is_empty() || check.identifiers.len() > MOST_CHECKED {
        return Err(Problem::invalid("identifiers", format!("give 1 to {MOST_CHECKED}")));
    }
    let mut asked = Vec::with_capacity(check.identifiers.len());
    for (n, one) in check.identifiers.into_iter().enumerate() {
        asked.push(one.read(rules).map_err(|p| p.within(&format!("identifiers[{n}]")))?);
    }
    let found = state.store.check_list(&controller, &asked).await?;
    let results = found
        .iter()
        .map(|verdicts| Answer {
            suppressed: !verdicts.is_empty(),
            entries: verdicts.iter().map(Entry::of).collect(),
        })
        .collect();
    Ok(Json(Verdicts { results }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::testing::Rig;

    #[tokio::test]
    async fn people_are_found_in_the_clear_and_by_hash_and_never_named() {
        let rig = Rig::new().await;
        rig.listed("ada@example.org").await;
        // SHA-256 of ada@example.org and of bob@example.org
        let hash = |text: &str| {
            use sha2::Digest as _;
            hex::encode(sha2::Sha256::digest(text.as_bytes()))
        };
        let body = json!({"identifiers": [
            {"kind": "email", "value": " ADA@example.org"},
            {"kind": "email", "sha256": hash("ada@example.org").to_uppercase()},
            {"kind": "email", "sha256": hash("bob@example.org")},
            {"kind": "user_id", "value": "U-7"},
        ]});
        let answer = rig.post_json("/v1/suppressions/check", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let results = answer.body["results"].as_array().expect("results");
        let said: Vec<_> = results.iter().map(|r| r["suppressed"].as_bool()).collect();
        assert_eq!(said, [Some(true), Some(true), Some(false), Some(false)]);
        assert_eq!(results[0]["entries"][0]["scope"], "marketing");
        assert_eq!(results[0]["entries"][0]["reason"], "added");
        assert!(!answer.text.contains("example.org"));
    }

    #[tokio::test]
    async fn a_bad_check_names_its_field() {
        let rig = Rig::new().await;
        let one = |identifier| json!({"identifiers": [identifier]});
        for (body, field) in [
            (json!({"identifiers": []}), "identifiers"),
            (one(json!({"kind": "canary", "value": "x"})), "identifiers[0].kind"),
            (one(json!({"kind": "email", "value": "canary"})), "identifiers[0].value"),
            (one(json!({"kind": "email", "sha256": "canary"})), "identifiers[0].sha256"),
            (one(json!({"kind": "user_id", "sha256": "canary"})), "identifiers[0].kind"),
            (one(json!({"kind": "email"})), "identifiers[0].value"),
            (
                one(json!({"kind": "email", "value": "canary@a.example", "sha256": "canary"})),
                "identifiers[0].sha256",
            ),
        ] {
            let answer = rig.post_json("/v1/suppressions/check", body).await;
            assert_eq!(answer.fault(), (422, field), "{}", answer.text);
            assert!(!answer.text.contains("canary"), "{}", answer.text);
        }
    }
}

//! `POST /v1/desk/{id}/decide`: a person's decision about a desk item.

use axum::{Json, extract::State};
use efface_core::{
    DeskId,
    desk::{Choice, DeskItem},
};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::{Body, Id},
    filing::{LONGEST_NOTE, field},
    openapi::BodyDoorRefusals,
    problem::{Kind, Problem},
    views::DeskEntry,
    words::Decision,
};

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    #[schema(value_type = Decision)]
    decision: Choice,
    /// The proof of an attestation, the reason of a waiver, the number of the candidate picked; a
    /// note otherwise. Goes into the journal: name nobody.
    #[serde(default)]
    #[schema(max_length = 4000)]
    detail: Option<String>,
}

/// Why a decision is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this item was closed before")]
    Closed,
    #[error("may not be decided here; choose {0}")]
    NotOffered(String),
    #[error("is required to {0}")]
    NoDetail(Choice),
    #[error("must be the number of a candidate, from 1 to {0}")]
    NoCandidate(usize),
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        let said = why.to_string();
        match why {
            Refusal::Closed => Self::new(Kind::Refused, said),
            Refusal::NotOffered(_) => Self::invalid("decision", said),
            Refusal::NoDetail(_) | Refusal::NoCandidate(_) => Self::invalid("detail", said),
        }
    }
}

fn check(item: &DeskItem, choice: Choice, detail: Option<&str>) -> Result<(), Refusal> {
    if item.closed.is_some() {
        return Err(Refusal::Closed);
    }
    let choices = item.reason.choices();
    if !choices.contains(&choice) {
        let offered: Vec<&str> = choices.iter().map(|c| c.word()).collect();
        return Err(Refusal::NotOffered(offered.join(", ")));
    }
    match (choice, &item.reason, detail) {
        (Choice::Attest | Choice::Waive, _, None) => Err(Refusal::NoDetail(choice)),
        (Choice::Pick, efface_core::desk::Reason::Choose { candidates }, detail) => {
            let number = detail.and_then(|d| d.trim().parse::<usize>().ok());
            match number {
                Some(n) if (1..=candidates.len()).contains(&n) => Ok(()),
                Some(_) | None => Err(Refusal::NoCandidate(candidates.len())),
            }
        }
        _ => Ok(()),
    }
}

/// Decide about a desk item
///
/// What may be decided stands with the item.
#[utoipa::path(
    post, path = "/v1/desk/{id}/decide", operation_id = "decide", tag = "desk",
    params(("id" = uuid::Uuid, Path, description = "The desk item.")),
    request_body = DecisionBody,
    responses((status = 200, description = "Decided.", body = DeskEntry), BodyDoorRefusals)
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    Id(id): Id<DeskId>,
    Body(body): Body<DecisionBody>,
) -> Result<Json<DeskEntry>, Problem> {
    let detail = field("detail", body.detail, LONGEST_NOTE)?;
    let item = state.store.desk_item(id).await?;
    check(&item, body.decision, detail.as_deref())?;
    let detail = detail.unwrap_or_default();
    state.store.decide(id, body.decision, &detail, &caller.actor).await?;
    Ok(Json(DeskEntry::of(state.store.desk_row(id).await?)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Rig;
    use serde_json::json;

    #[tokio::test]
    async fn a_decision_is_one_of_those_offered_and_is_made_once() {
        let rig = Rig::new().await;
        let request = rig.filed("ada@example.org").await;
        rig.put_on_desk(&rig.task_of(&request, "post").await).await;
        let desk = rig.get("/v1/desk").await;
        let id = desk.body["items"][0]["id"].as_str().expect("an id");
        let path = format!("/v1/desk/{id}/decide");
        for (body, fault) in [
            (json!({}), (422, "decision")),
            (json!({"decision": "canary"}), (422, "decision")),
            (json!({"decision": "resume"}), (422, "decision")),
            (json!({"decision": "waive"}), (422, "detail")),
            (json!({"decision": "waive", "detail": "closed account"}), (200, "")),
            (json!({"decision": "waive", "detail": "closed account"}), (409, "")),
        ] {
            let answer = rig.post_json(&path, body.clone()).await;
            assert_eq!(answer.fault(), fault, "{body}: {}", answer.text);
            assert!(!answer.text.contains("canary"));
            if answer.status == 200 {
                assert_eq!(answer.body["closed"]["by"], "api key shop");
            }
        }
        assert_eq!(rig.get("/v1/desk").await.body["items"], json!([]));
        let closed = rig.get("/v1/desk?closed=true").await;
        assert_eq!(closed.body["items"].as_array().map(Vec::len), Some(1));
        let nothing = "/v1/desk/00000000-0000-7000-8000-000000000000/decide";
        assert_eq!(rig.post_json(nothing, json!({"decision": "retry"})).await.status, 404);
    }
}

//! `POST /v1/requests/batch`: files up to 1,000 requests; each is told its own fate.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{
    ApiState,
    caller::Caller,
    extract::RawJson,
    filing::{self, Checked, NewRequestBody},
    idempotency::{self, Key},
    openapi::FilingRefusals,
    parse,
    problem::Problem,
    receipt::{Outcome, Receipt},
};

/// The most requests of one batch.
const MOST: usize = 1000;

/// Requests to be filed together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch<'a> {
    /// Each as `POST /v1/requests` takes it.
    #[serde(borrow)]
    #[schema(value_type = Vec<NewRequestBody>, min_items = 1, max_items = 1000)]
    requests: Vec<&'a RawValue>,
}

/// What became of each request, in the order they came.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchReceipt {
    results: Vec<BatchResult>,
    filed: usize,
    /// Duplicates of requests under way, and requests filed before under the same key.
    known: usize,
    refused: usize,
}

/// What became of one request of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchResult {
    /// Its place in the batch, from 0.
    index: usize,
    /// The status it would have had alone.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<Receipt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// Why a batch is refused as a whole.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("holds nothing; give at least one request")]
    Empty,
    #[error("holds {0} requests; at most {MOST} go together")]
    TooMany(usize),
}

impl From<Refusal> for Problem {
    fn from(why: Refusal) -> Self {
        Self::invalid("requests", why.to_string())
    }
}

/// File many requests
///
/// One bad request spoils nobody: the answer is 200 and holds a result for each. With an
/// `Idempotency-Key` nothing of a repeated batch is filed twice.
#[utoipa::path(
    post, path = "/v1/requests/batch", operation_id = "file_requests", tag = "requests",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; the same for every try of one batch.", min_length = 1, max_length = 255)),
    request_body = Batch<'_>,
    responses(
        (status = 200, description = "Every request was dealt with; see the results.", body = BatchReceipt),
        FilingRefusals,
    )
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawJson(bytes): RawJson,
) -> Result<Response, Problem> {
    let Some(key) = Key::of(&headers, "file batch", &caller.id)? else {
        return Ok(Json(file(&state, &caller, &bytes, None).await?).into_response());
    };
    let hash = idempotency::body_hash(&bytes);
    let turn = state.answers.turn(&key).await;
    if let Some(kept) = turn.before() {
        kept.check(&hash)?;
        return Ok(replay(&kept.answer));
    }
    if let Some(kept) = state.answers.stored(&state.store, &key).await? {
        kept.check(&hash)?;
        return Ok(replay(&kept.answer));
    }
    let receipt = file(&state, &caller, &bytes, Some(&key)).await?;
    // what may go better next time is not kept
    if receipt.results.iter().all(|result| result.status < 500) {
        let text = serde_json::to_string(&receipt).unwrap_or_default();
        turn.keep(hash, 200, &text).await;
    }
    Ok(Json(receipt).into_response())
}

async fn file(
    state: &ApiState,
    caller: &Caller,
    bytes: &[u8],
    key: Option<&Key>,
) -> Result<BatchReceipt, Problem> {
    let batch: Batch<'_> = parse::json(bytes)?;
    match batch.requests.len() {
        0 => return Err(Refusal::Empty.into()),
        n if n > MOST => return Err(Refusal::TooMany(n).into()),
        _ => {}
    }
    let mut results: Vec<Option<Result<Outcome, Problem>>> = vec![];
    let mut good = vec![];
    for (index, raw) in batch.requests.iter().enumerate() {
        let filing_key = key.map(|key| key.filing_key(&state.store, index));
        let body: Result<NewRequestBody, Problem> = parse::json(raw.get().as_bytes());
        match body.and_then(|body| filing::check(&state.store, caller, body, filing_key)) {
            Ok(checked) => {
                good.push(checked);
                results.push(None);
            }
            Err(problem) => results.push(Some(Err(problem))),
        }
    }
    let mut outcomes = Checked::file(&state.store, good).await.into_iter();
    let results = results.into_iter().filter_map(|known| known.or_else(|| outcomes.next()));
    Ok(BatchReceipt::of(results))
}

impl BatchReceipt {
    fn of(outcomes: impl Iterator<Item = Result<Outcome, Problem>>) -> Self {
        let mut receipt = Self { results: vec![], filed: 0, known: 0, refused: 0 };
        for (index, outcome) in outcomes.enumerate() {
            receipt.results.push(match outcome {
                Ok(outcome) => {
                    let (status, count) = if outcome.is_new {
                        (201, &mut receipt.filed)
                    } else {
                        (200, &mut receipt.known)
                    };
                    *count += 1;
                    BatchResult { index, status, request: Some(outcome.receipt), problem: None }
                }
                Err(problem) => {
                    receipt.refused += 1;
                    let status = problem.status();
                    BatchResult { index, status, request: None, problem: Some(problem) }
                }
            });
        }
        receipt
    }
}

fn replay(text: &str) -> Response {
    let mut response = ([("content-type", "application/json")], text.to_owned()).into_response();
    response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, erase};
    use serde_json::{Value, json};

    fn batch(items: Vec<Value>) -> String {
        json!({ "requests": items }).to_string()
    }

    fn person(email: &str) -> Value {
        serde_json::from_str(&erase(email)).expect("JSON")
    }

    #[tokio::test]
    async fn one_bad_request_spoils_nobody() {
        let rig = Rig::new().await;
        let body = batch(vec![
            person("ada@example.org"),
            json!({"action": "erase", "canary": 1}),
            person("bob@example.org"),
            person("ada@example.org"),
            json!("nonsense"),
            json!({"action": "erase", "identifiers": [{"kind": "email", "value": "nobody"}]}),
        ]);
        let answer = rig.post("/v1/requests/batch", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let results = answer.body["results"].as_array().expect("results");
        let statuses: Vec<u64> =
            results.iter().map(|r| r["status"].as_u64().expect("number")).collect();
        assert_eq!(statuses, [201, 422, 201, 200, 422, 422]);
        assert!(results.iter().enumerate().all(|(n, r)| r["index"] == n));
        assert_eq!(results[3]["request"]["duplicate_of"], results[0]["request"]["id"]);
        assert_eq!(results[5]["problem"]["field"], "identifiers[0].value");
        assert_eq!(
            (&answer.body["filed"], &answer.body["known"], &answer.body["refused"]),
            (&json!(2), &json!(1), &json!(3))
        );
    }

    #[tokio::test]
    async fn a_batch_has_its_bounds() {
        let rig = Rig::new().await;
        let many = batch((0..1001).map(|n| person(&format!("p{n}@example.org"))).collect());
        for (body, field) in [
            (batch(vec![]), "requests"),
            (many, "requests"),
            ("{}".to_owned(), "requests"),
            (r#"{"requests":[],"more":1}"#.to_owned(), "more"),
        ] {
            assert_eq!(rig.post("/v1/requests/batch", &body).await.fault(), (422, field));
        }
    }

    #[tokio::test]
    async fn a_repeated_batch_files_nothing_twice() {
        let rig = Rig::new().await;
        let body = batch((0..30).map(|n| person(&format!("p{n}@example.org"))).collect());
        let key = [("idempotency-key", "file-7")];
        let first = rig.call_with("POST", "/v1/requests/batch", &body, &key).await;
        assert_eq!(first.body["filed"], 30);
        let again = rig.call_with("POST", "/v1/requests/batch", &body, &key).await;
        assert_eq!((again.status, &again.body), (200, &first.body));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        let other = batch(vec![person("p0@example.org")]);
        let refused = rig.call_with("POST", "/v1/requests/batch", &other, &key).await;
        assert_eq!(refused.body["type"], "urn:efface:problem:idempotency-key-reused");
        let listed = rig.get("/v1/requests?limit=200").await;
        assert_eq!(listed.body["requests"].as_array().map(Vec::len), Some(30));
    }

    #[tokio::test]
    async fn a_batch_whose_answer_was_lost_is_known_request_by_request() {
        let rig = Rig::new().await;
        let body = batch((0..3).map(|n| person(&format!("p{n}@example.org"))).collect());
        // filed, and then the process died
        let headers = [(idempotency::HEADER, HeaderValue::from_static("file-7"))];
        let key = Key::of(&headers.into_iter().collect(), "file batch", "shop");
        let key = key.expect("good").expect("given");
        let caller = Caller { id: "shop".into(), actor: "api key shop".into() };
        let first = file(&rig.state, &caller, body.as_bytes(), Some(&key)).await.expect("filed");
        let headers = [("idempotency-key", "file-7")];
        let again = rig.call_with("POST", "/v1/requests/batch", &body, &headers).await;
        assert_eq!((&again.body["filed"], &again.body["known"]), (&json!(0), &json!(3)));
        let id = first.results[2].request.as_ref().map(|r| r.id.to_string());
        assert_eq!(again.body["results"][2]["request"]["id"].as_str(), id.as_deref());
    }
}

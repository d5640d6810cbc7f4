//! `POST /v1/requests`: files one request. The answer leaves after the commit.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

use crate::{
    ApiState,
    caller::Caller,
    extract::RawJson,
    filing::{self, NewRequestBody},
    idempotency::{self, Key},
    openapi::FilingRefusals,
    parse,
    problem::Problem,
    receipt::{Outcome, Receipt},
};

/// File a request
///
/// A new request is answered with 201, a person already asked for with 200 and the state
/// `duplicate`. With an `Idempotency-Key` a repeated call is answered with 200 and
/// `idempotency-replayed: true`, and nothing is filed twice.
#[utoipa::path(
    post, path = "/v1/requests", operation_id = "file_request", tag = "requests",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters; the same for every try of one request.", min_length = 1, max_length = 255)),
    request_body = NewRequestBody,
    responses(
        (status = 201, description = "Filed.", body = Receipt, headers(("Location" = String, description = "Where the request is read."))),
        (status = 200, description = "Filed before: a duplicate, or a replay.", body = Receipt, headers(("idempotency-replayed" = Option<String>, description = "`true` on a replay."))),
        FilingRefusals,
    )
)]
pub async fn handle(
    State(state): State<ApiState>,
    caller: Caller,
    headers: HeaderMap,
    RawJson(bytes): RawJson,
) -> Result<Response, Problem> {
    let Some(key) = Key::of(&headers, "file", &caller.id)? else {
        let outcome = file(&state, &caller, &bytes, None).await?;
        return answer(&outcome, &text(&outcome.receipt));
    };
    let hash = idempotency::body_hash(&bytes);
    let turn = state.answers.turn(&key).await;
    if let Some(kept) = turn.before() {
        kept.check(&hash)?;
        return replay(&kept.answer);
    }
    let filing_key = key.filing_key(&state.store, 0);
    match file(&state, &caller, &bytes, Some(filing_key)).await {
        Ok(outcome) if !outcome.replayed => {
            let text = text(&outcome.receipt);
            turn.keep(hash, status(&outcome).as_u16(), &text).await;
            answer(&outcome, &text)
        }
        // filed before, or refused: if an answer was kept, it decides
        otherwise => match state.answers.stored(&state.store, &key).await? {
            Some(kept) => {
                kept.check(&hash)?;
                replay(&kept.answer)
            }
            None => otherwise.and_then(|outcome| replay(&text(&outcome.receipt))),
        },
    }
}

async fn file(
    state: &ApiState,
    caller: &Caller,
    bytes: &[u8],
    filing_key: Option<[u8; 32]>,
) -> Result<Outcome, Problem> {
    let body: NewRequestBody = parse::json(bytes)?;
    filing::check(&state.store, caller, body, filing_key)?.file_alone(&state.store).await
}

fn text(receipt: &Receipt) -> String {
    // a struct of words and ids always becomes JSON
    serde_json::to_string(receipt).unwrap_or_default()
}

const fn status(outcome: &Outcome) -> StatusCode {
    if outcome.is_new { StatusCode::CREATED } else { StatusCode::OK }
}

fn answer(outcome: &Outcome, text: &str) -> Result<Response, Problem> {
    let mut response = json(status(outcome), text);
    if let Ok(place) = HeaderValue::try_from(format!("/v1/requests/{}", outcome.receipt.id)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn replay(text: &str) -> Result<Response, Problem> {
    let mut response = json(StatusCode::OK, text);
    response.headers_mut().insert(idempotency::REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn json(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, erase, key_text};
    use serde_json::{Value, json};

    const KEY: (&str, &str) = ("idempotency-key", "order-1");

    #[tokio::test]
    async fn a_request_is_filed_and_can_be_read() {
        let rig = Rig::new().await;
        let answer = rig.post("/v1/requests", &erase("ada@example.org")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let id = answer.body["id"].as_str().expect("an id");
        assert_eq!(answer.header("location"), Some(format!("/v1/requests/{id}").as_str()));
        assert_eq!(
            answer.body,
            json!({"id": id, "state": "identified", "controller": "default", "action": "erase",
                   "received_on": "2026-11-22", "due_on": "2026-12-22"})
        );
        let read = rig.get(&format!("/v1/requests/{id}")).await;
        assert_eq!(read.body["filed_by"], "api key shop");
    }

    #[tokio::test]
    async fn a_controller_whose_days_cannot_be_counted_is_told_the_setting_that_is_missing() {
        let rig = Rig::new().await;
        let who = json!([{"kind": "email", "value": "ada@example.org"}]);
        let body = json!({"action": "erase", "controller": "second", "identifiers": who});
        let answer = rig.post("/v1/requests", &body.to_string()).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        assert_eq!(answer.body["field"], "controller");
        let detail = answer.body["detail"].as_str().expect("a detail");
        for part in ["controllers.second.time_zone", "is not set", "time_zone = \"Europe/Paris\""] {
            assert!(detail.contains(part), "no {part:?} in {detail:?}");
        }
    }

    #[tokio::test]
    async fn the_receipt_tells_the_state_that_is_stored() {
        let rig = Rig::new().await;
        let mut n = 0;
        for (action, scope) in
            [("erase", None), ("suppress", Some("marketing")), ("erase_and_suppress", Some("marketing"))]
        {
            for (proof, release) in [(false, false), (true, false), (true, true)] {
                n += 1;
                let mut body = json!({
                    "action": action, "release": release,
                    "identifiers": [{"kind": "email", "value": format!("p{n}@example.org")}],
                });
                if let Some(scope) = scope {
                    body["scope"] = scope.into();
                }
                if proof {
                    body["proof"] = json!({"how": "mail link"});
                }
                let answer = rig.post_json("/v1/requests", body).await;
                let id = answer.body["id"].as_str().expect("an id");
                let stored = rig.get(&format!("/v1/requests/{id}")).await;
                assert_eq!(answer.body["state"], stored.body["state"], "{action} {proof} {release}");
                assert_eq!(answer.body["due_on"], stored.body["due_on"]);
            }
        }
    }

    #[tokio::test]
    async fn the_same_person_again_is_a_duplicate() {
        let rig = Rig::new().await;
        let first = rig.filed("ada@example.org").await;
        let answer = rig.post("/v1/requests", &erase("ADA@example.org")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["state"], "duplicate");
        assert_eq!(answer.body["duplicate_of"], first);
    }

    #[tokio::test]
    async fn a_repeated_call_gets_the_first_answer_and_another_body_is_refused() {
        let rig = Rig::new().await;
        let body = erase("ada@example.org");
        let first = rig.call_with("POST", "/v1/requests", &body, &[KEY]).await;
        assert_eq!((first.status, first.header("idempotency-replayed")), (201, None));
        for flushed in [false, true] {
            if flushed {
                rig.state.answers.flush().await;
            }
            let again = rig.call_with("POST", "/v1/requests", &body, &[KEY]).await;
            assert_eq!((again.status, &again.body), (200, &first.body), "flushed: {flushed}");
            assert_eq!(again.header("idempotency-replayed"), Some("true"));
            for other in [erase("bob@example.org"), "{}".into(), format!("{body} ")] {
                let refused = rig.call_with("POST", "/v1/requests", &other, &[KEY]).await;
                assert_eq!(refused.status, 422, "{other}");
                assert_eq!(refused.body["type"], "urn:efface:problem:idempotency-key-reused");
            }
        }
        let counted = rig.get("/v1/requests").await;
        assert_eq!(counted.body["requests"].as_array().map(Vec::len), Some(1));
    }

    #[tokio::test]
    async fn the_same_text_of_another_caller_is_another_key() {
        let rig = Rig::new().await;
        rig.add_key("desk", 'd').await;
        let first = rig.call_with("POST", "/v1/requests", &erase("ada@example.org"), &[KEY]).await;
        let other = format!("Bearer {}", key_text("desk", 'd'));
        rig.clock.pass(std::time::Duration::from_secs(3));
        let headers = [KEY, ("authorization", other.as_str())];
        let second = rig.call_with("POST", "/v1/requests", &erase("bob@example.org"), &headers).await;
        assert_eq!((first.status, second.status), (201, 201), "{}", second.text);
    }

    #[tokio::test]
    async fn twenty_calls_at_once_with_one_key_file_once() {
        let rig = Rig::new().await;
        // another process shares the database and knows nothing of our turns
        let elsewhere = crate::ApiState::new(rig.store.clone(), crate::ApiOptions::default());
        let key = format!("Bearer {}", key_text("shop", 's'));
        let calls = (0..20).map(|n| {
            let state = if n % 2 == 0 { rig.state.clone() } else { elsewhere.clone() };
            let key = key.clone();
            tokio::spawn(async move {
                let headers =
                    [KEY, ("authorization", key.as_str()), ("content-type", "application/json")];
                let body = erase("ada@example.org");
                crate::testing::ask(crate::router(state), "POST", "/v1/requests", &body, &headers).await
            })
        });
        let mut answers = vec![];
        for call in calls.collect::<Vec<_>>() {
            answers.push(call.await.expect("no panic"));
        }
        assert_eq!(answers.iter().filter(|a| a.status == 201).count(), 1);
        assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 19);
        let ids: std::collections::BTreeSet<String> =
            answers.iter().map(|a| a.body["id"].to_string()).collect();
        assert_eq!(ids.len(), 1);
        assert_eq!(rig.get("/v1/requests").await.body["requests"].as_array().map(Vec::len), Some(1));
    }

    #[tokio::test]
    async fn an_answer_lost_in_a_crash_is_told_from_the_request() {
        let rig = Rig::new().await;
        let body = erase("ada@example.org");
        // filed, and then the process died
        let headers = [(idempotency::HEADER, HeaderValue::from_static(KEY.1))];
        let key = Key::of(&headers.into_iter().collect(), "file", "shop");
        let mark = key.expect("good").expect("given").filing_key(&rig.store, 0);
        let caller = Caller { id: "shop".into(), actor: "api key shop".into() };
        let first = file(&rig.state, &caller, body.as_bytes(), Some(mark)).await.expect("filed");
        let again = rig.call_with("POST", "/v1/requests", &body, &[KEY]).await;
        assert_eq!((again.status, again.text.as_str()), (200, text(&first.receipt).as_str()));
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        for other in [erase("bob@example.org"), body.replace("erase", "suppress")] {
            let refused = rig.call_with("POST", "/v1/requests", &other, &[KEY]).await;
            assert_eq!(refused.status, 422, "{other}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_named_and_never_repeated() {
        let rig = Rig::new().await;
        let cases: [(Value, &str); 22] = [
            (json!({}), "action"),
            (json!({"action": "canary"}), "action"),
            (json!({"action": "erase"}), "identifiers"),
            (json!({"action": "erase", "identifiers": []}), "identifiers"),
            (json!({"action": "erase", "identifiers": [{"kind": "canary", "value": "x"}]}), "identifiers[0].kind"),
            (json!({"action": "erase", "identifiers": [{"kind": "email", "value": "canary"}]}), "identifiers[0].value"),
            (json!({"action": "erase", "identifiers": [{"kind": "email"}]}), "identifiers[0].value"),
            (json!({"action": "erase", "identifiers": [{"kind": "email", "value": 7}]}), "identifiers[0].value"),
            (json!({"action": "erase", "identifiers": [{"kind": "email", "value": "canary@acme.example"}]}), "identifiers[0].value"),
            (json!({"action": "erase", "identifiers": [{"kind": "user_id", "value": "u1"}, {"kind": "user_id", "value": "*"}]}), "identifiers[1].value"),
            (json!({"action": "erase", "identifiers": [{"kind": "phone", "value": "canary"}]}), "identifiers[0].value"),
            (json!({"action": "suppress", "identifiers": [{"kind": "user_id", "value": "canary"}]}), "scope"),
            (json!({"action": "erase", "scope": "marketing", "identifiers": [{"kind": "user_id", "value": "canary"}]}), "scope"),
            (json!({"action": "suppress", "scope": "canary", "identifiers": [{"kind": "user_id", "value": "u"}]}), "scope"),
            (json!({"action": "erase", "controller": "canary", "identifiers": [{"kind": "user_id", "value": "u1"}]}), "controller"),
            (json!({"action": "erase", "received_on": "canary", "identifiers": [{"kind": "user_id", "value": "u1"}]}), "received_on"),
            (json!({"action": "erase", "received_on": "2026-11-23", "identifiers": [{"kind": "user_id", "value": "canary"}]}), "received_on"),
            (json!({"action": "erase", "release": true, "identifiers": [{"kind": "user_id", "value": "canary"}]}), "release"),
            (json!({"action": "erase", "proof": {"how": " "}, "identifiers": [{"kind": "user_id", "value": "canary"}]}), "proof.how"),
            (json!({"action": "erase", "proof": {"hwo": "canary"}, "identifiers": []}), "proof.hwo"),
            (json!({"action": "erase", "requester": {"relation": "canary"}, "identifiers": []}), "requester.relation"),
            (json!({"action": "erase", "emial": "canary@example.com", "identifiers": []}), "emial"),
        ];
        for (body, field) in cases {
            let answer = rig.post_json("/v1/requests", body.clone()).await;
            assert_eq!(answer.fault(), (422, field), "{body} gives {}", answer.text);
            assert!(!answer.text.contains("canary"), "{body} gives {}", answer.text);
        }
        let long = json!({"action": "erase", "note": "x".repeat(4001), "identifiers": [{"kind": "user_id", "value": "u1"}]});
        assert_eq!(rig.post_json("/v1/requests", long).await.fault(), (422, "note"));
        for bad in ["", "a b", &"k".repeat(256)] {
            let answer =
                rig.call_with("POST", "/v1/requests", "{}", &[("idempotency-key", bad)]).await;
            assert_eq!(answer.fault(), (422, "Idempotency-Key"), "{bad}");
        }
        assert_eq!(rig.get("/v1/requests").await.body["requests"], json!([]));
    }

    #[tokio::test]
    async fn a_refused_call_does_not_use_its_key_up() {
        let rig = Rig::new().await;
        let bad = rig.call_with("POST", "/v1/requests", r#"{"action":"erase"}"#, &[KEY]).await;
        let good = rig.call_with("POST", "/v1/requests", &erase("ada@example.org"), &[KEY]).await;
        assert_eq!((bad.status, good.status), (422, 201), "{}", good.text);
    }
}

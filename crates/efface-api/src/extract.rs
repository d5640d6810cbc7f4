//! What handlers take in, with refusals as problem documents.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::IntoResponse as _,
};
use serde::de::DeserializeOwned;

use crate::{
    parse,
    problem::{Kind, Problem},
};

/// The bytes of a JSON body, not read yet.
pub struct RawJson(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawJson {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !says_json(request.headers()) {
            return Err(Problem::new(Kind::NotJson, "send `content-type: application/json`"));
        }
        whole_body(request, state).await.map(Self)
    }
}

/// A JSON body of a known shape.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let RawJson(bytes) = RawJson::from_request(request, state).await?;
        parse::json(&bytes).map(Self)
    }
}

/// No body, or `{}`: a field that nobody reads would be a promise.
pub struct Nothing;

impl<S: Send + Sync> FromRequest<S> for Nothing {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Empty {}
        let bytes = whole_body(request, state).await?;
        if !bytes.is_empty() {
            parse::json::<Empty>(&bytes)?;
        }
        Ok(Self)
    }
}

/// The query string.
pub struct Filter<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Filter<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parse::query(&parts.uri).map(Self)
    }
}

/// The id in the path. A text that is no id names nothing that exists.
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unknown = || Problem::new(Kind::NotFound, "the path holds no valid id");
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(|_| unknown())?;
        text.parse().map(Self).map_err(|_| unknown())
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return false;
    };
    let essence = kind.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(too_large_or_broken)
}

fn too_large_or_broken(rejection: BytesRejection) -> Problem {
    if rejection.into_response().status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(
            Kind::BodyTooLarge,
            "the body is larger than this server reads; send less at once",
        )
    } else {
        Problem::new(Kind::MalformedBody, "the body broke off")
    }
}

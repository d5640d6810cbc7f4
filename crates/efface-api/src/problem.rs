//! Refusals as problem documents (RFC 9457). They name what is wrong and where; they never repeat
//! what was sent.

use std::borrow::Cow;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem document.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The kinds of problem; each has one type, one title and one status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MalformedBody,
    Unauthorized,
    NotFound,
    MethodNotAllowed,
    BodyTooLarge,
    NotJson,
    Invalid,
    KeyReused,
    Refused,
    ChangedMeanwhile,
    Internal,
    Unavailable,
    TookTooLong,
}

impl Kind {
    const fn parts(self) -> (&'static str, &'static str, StatusCode) {
        match self {
            Self::MalformedBody => {
                ("malformed-body", "The body is not JSON", StatusCode::BAD_REQUEST)
            }
            Self::Unauthorized => {
                ("unauthorized", "A valid API key is needed", StatusCode::UNAUTHORIZED)
            }
            Self::NotFound => ("not-found", "Not found", StatusCode::NOT_FOUND),
            Self::MethodNotAllowed => {
                ("method-not-allowed", "Method not allowed", StatusCode::METHOD_NOT_ALLOWED)
            }
            Self::BodyTooLarge => {
                ("body-too-large", "The body is too large", StatusCode::PAYLOAD_TOO_LARGE)
            }
            Self::NotJson => {
                ("not-json", "The body must be JSON", StatusCode::UNSUPPORTED_MEDIA_TYPE)
            }
            Self::Invalid => {
                ("invalid", "Something sent is not valid", StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::KeyReused => (
                "idempotency-key-reused",
                "The idempotency key was used for another body",
                StatusCode::UNPROCESSABLE_ENTITY,
            ),
            Self::Refused => ("refused", "The rules refuse this", StatusCode::CONFLICT),
            Self::ChangedMeanwhile => {
                ("changed-meanwhile", "Somebody else changed this", StatusCode::CONFLICT)
            }
            Self::Internal => {
                ("internal", "Something went wrong here", StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::Unavailable => {
                ("unavailable", "Not available now", StatusCode::SERVICE_UNAVAILABLE)
            }
            Self::TookTooLong => {
                ("took-too-long", "The answer took too long", StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }

    const ALL: [Self; 13] = [
        Self::MalformedBody,
        Self::Unauthorized,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooLarge,
        Self::NotJson,
        Self::Invalid,
        Self::KeyReused,
        Self::Refused,
        Self::ChangedMeanwhile,
        Self::Internal,
        Self::Unavailable,
        Self::TookTooLong,
    ];

    /// Every type with its status and title, for the documentation.
    pub fn catalogue() -> String {
        let mut text = String::new();
        for kind in Self::ALL {
            let (slug, title, status) = kind.parts();
            text.push_str(&format!(
                "- `urn:efface:problem:{slug}` ({}): {title}\n",
                status.as_u16()
            ));
        }
        text
    }
}

/// A refusal (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A stable name of the kind of problem; branch on this.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference", example = "urn:efface:problem:invalid")]
    kind: String,
    /// The kind in words; the same for every problem of the type.
    title: Cow<'static, str>,
    /// The HTTP status once more.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time and what to do about it. Never holds a value that was sent.
    detail: Cow<'static, str>,
    /// The JSON field, query parameter or header at fault, as in `identifiers[0].value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let (slug, title, status) = kind.parts();
        Self {
            kind: format!("urn:efface:problem:{slug}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
        }
    }

    /// A field, query parameter or header that is not as it should be.
    pub fn invalid(field: impl Into<String>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Kind::Invalid, detail) }
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// Moves the field below `parent`.
    #[must_use]
    pub fn within(mut self, parent: &str) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{parent}.{field}"),
            None => parent.to_owned(),
        });
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // a struct of texts and numbers always becomes JSON
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"efface\""),
            );
        }
        response
    }
}

/// The one place where the store's errors become statuses. What a caller cannot mend is logged here,
/// once, with its whole chain.
impl From<efface_store::Error> for Problem {
    fn from(error: efface_store::Error) -> Self {
        use efface_store::Error as E;
        match &error {
            E::NotFound { what, id, .. } => {
                Self::new(Kind::NotFound, format!("{what} {id} does not exist"))
            }
            E::Task(refusal) => Self::new(Kind::Refused, refusal.to_string()),
            E::Request(refusal) => Self::new(Kind::Refused, refusal.to_string()),
            E::Suppression(refusal) => Self::new(Kind::Refused, refusal.to_string()),
            E::Ended { .. } => Self::new(Kind::NotFound, error.to_string()),
            E::Forgotten(_) => Self::new(Kind::Refused, error.to_string()),
            E::Refused(why) => Self::new(Kind::Refused, why.clone()),
            E::FiledBefore(id) => {
                Self::new(Kind::Refused, format!("this was filed before, as request {id}"))
            }
            E::Stale { .. } => Self::new(
                Kind::ChangedMeanwhile,
                "it was changed by somebody else meanwhile and nothing was written; read it again, then retry",
            ),
            E::Unavailable(_) => {
                tracing::warn!(error = %chain(&error), "the database does not answer");
                Self::new(
                    Kind::Unavailable,
                    "the database does not answer and nothing was written; retry",
                )
            }
            E::Database(_)
            | E::LaneLost { .. }
            | E::Corrupt { .. }
            | E::Journal(_)
            | E::Vault(_)
            | E::NewerSchema { .. }
            | E::NoSchema
            | E::OldSchema { .. }
            | E::ReadOnly(_)
            | E::Unsupported(_) => {
                tracing::error!(error = %chain(&error), "the store failed");
                Self::new(Kind::Internal, "an unexpected error; the server's log tells more")
            }
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use efface_store::Error as E;

    #[test]
    fn each_store_error_has_its_status() {
        for (error, status) in [
            (E::NotFound { what: "request", id: "x".into(), list: "request" }, 404),
            (E::Refused("no".into()), 409),
            (E::Stale { tasks: vec![] }, 409),
            (E::Unavailable("locked".into()), 503),
            (E::Database("constraint".into()), 500),
            (E::ReadOnly("disk".into()), 500),
            (E::Corrupt { what: "row".into(), why: "torn".into() }, 500),
        ] {
            let text = error.to_string();
            let problem = Problem::from(error);
            assert_eq!(problem.status(), status, "{text}");
            if status >= 500 {
                assert!(!problem.detail.contains("constraint") && !problem.detail.contains("disk"));
            }
        }
    }

    #[test]
    fn a_problem_has_its_media_type_and_says_when_to_come_back() {
        let response = Problem::new(Kind::Unavailable, "later").into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], PROBLEM_JSON);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        let response = Problem::new(Kind::Unauthorized, "key").into_response();
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }

    #[test]
    fn fields_nest() {
        let problem = Problem::invalid("value", "empty").within("identifiers[2]");
        assert_eq!(problem.field.as_deref(), Some("identifiers[2].value"));
        let problem = Problem::new(Kind::Refused, "no").within("requests[0]");
        assert_eq!(problem.field.as_deref(), Some("requests[0]"));
    }
}

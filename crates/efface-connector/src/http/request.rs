//! A request in words, and what of it may be shown.

use serde::Serialize;
use url::Url;

use super::Method;
use crate::{ConnectorError, Secret};

/// A request body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    Empty,
    Json(String),
    Form(String),
    /// Bytes, and what they are (a media type).
    Bytes(&'static str, Vec<u8>),
}

/// A request in words, with its personal parts apart from its template.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    base: String,
    /// Path with `{placeholders}`; this is what logs and evidence show.
    template: String,
    path: Vec<(&'static str, String)>,
    query: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) secrets: Vec<(&'static str, Secret)>,
    pub body: Body,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Request({} {})", self.method, self.template)
    }
}

impl Request {
    /// `base` is scheme and host (and prefix); `template` begins with `/`.
    #[must_use]
    pub fn new(method: Method, base: &str, template: &str) -> Self {
        Self {
            method,
            base: base.trim_end_matches('/').to_owned(),
            template: template.to_owned(),
            path: vec![],
            query: vec![],
            headers: vec![],
            secrets: vec![],
            body: Body::Empty,
        }
    }

    /// Fills `{name}` in the template; every reserved byte is percent-encoded.
    #[must_use]
    pub fn path(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.path.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A header that is never shown or digested.
    #[must_use]
    pub fn secret_header(mut self, name: &'static str, value: Secret) -> Self {
        self.secrets.push((name, value));
        self
    }

    /// `Authorization: Bearer …`
    #[must_use]
    pub fn bearer(self, token: &Secret) -> Self {
        let value = Secret::new(format!("Bearer {}", token.expose()));
        self.secret_header("authorization", value)
    }

    /// `Authorization: Basic …` (RFC 7617)
    #[must_use]
    pub fn basic(self, user: &str, password: &Secret) -> Self {
        use base64::Engine as _;
        let pair = format!("{user}:{}", password.expose());
        let value = Secret::new(format!(
            "Basic {}",
            base64::engine::general_purpose::STANDARD.encode(pair)
        ));
        self.secret_header("authorization", value)
    }

    /// # Errors
    /// When the value cannot be encoded as JSON.
    pub fn json<T: Serialize>(mut self, value: &T) -> Result<Self, ConnectorError> {
        let text = serde_json::to_string(value)
            .map_err(|_| ConnectorError::permanent("request body cannot be encoded"))?;
        self.body = Body::Json(text);
        Ok(self)
    }

    /// A body of another kind, such as `application/timestamp-query`.
    #[must_use]
    pub fn bytes(mut self, kind: &'static str, bytes: Vec<u8>) -> Self {
        self.body = Body::Bytes(kind, bytes);
        self
    }

    #[must_use]
    pub fn form(mut self, pairs: &[(&str, &str)]) -> Self {
        let mut encoder = url::form_urlencoded::Serializer::new(String::new());
        encoder.extend_pairs(pairs);
        self.body = Body::Form(encoder.finish());
        self
    }

    /// The template with the names of the query's keys; holds nothing personal.
    #[must_use]
    pub fn shown(&self) -> String {
        let names: Vec<String> =
            self.query.iter().map(|(name, _)| format!("{name}={{{name}}}")).collect();
        if names.is_empty() {
            self.template.clone()
        } else {
            format!("{}?{}", self.template, names.join("&"))
        }
    }

    /// The full URL, identifiers included.
    ///
    /// # Errors
    /// When base or template do not make a URL, or a part of the path would change it.
    pub fn url(&self) -> Result<Url, ConnectorError> {
        let mut text = self.template.clone();
        for (name, value) in &self.path {
            if matches!(value.as_str(), "" | "." | "..") {
                // as a segment it would lead to another place of the vendor's
                return Err(ConnectorError::permanent(format!(
                    "{{{name}}} of {} is empty, `.` or `..`, which no URL can carry",
                    self.template
                )));
            }
            text = text.replace(&format!("{{{name}}}"), &encode_path(value));
        }
        let whole = format!("{}{text}", self.base);
        let mut url = Url::parse(&whole).map_err(|_| {
            ConnectorError::settings(format!("base URL and {} make no URL", self.template))
        })?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        Ok(url)
    }

    #[must_use]
    pub fn headers(&self) -> &[(&'static str, String)] {
        &self.headers
    }

    #[must_use]
    pub fn body_text(&self) -> Option<&str> {
        match &self.body {
            Body::Empty | Body::Bytes(..) => None,
            Body::Json(text) | Body::Form(text) => Some(text),
        }
    }

    fn body_bytes(&self) -> &[u8] {
        match &self.body {
            Body::Empty => &[],
            Body::Json(text) | Body::Form(text) => text.as_bytes(),
            Body::Bytes(_, bytes) => bytes,
        }
    }

    /// Whether `text` stands in what is sent: a vendor that repeats it tells us nothing of its own.
    #[must_use]
    pub(super) fn says(&self, text: &str) -> bool {
        let parts = self.path.iter().map(|(_, value)| value);
        let mut parts = parts.chain(self.query.iter().map(|(_, value)| value));
        let body = self.body_text().unwrap_or_default();
        parts.any(|part| part.contains(text)) || body.contains(text)
    }

    /// The bytes whose keyed digest names this request: method, path and query as sent, body. The
    /// host is left out, so that a vendor's own log can be held against it.
    #[must_use]
    pub fn digest_input(&self) -> Vec<u8> {
        let Ok(url) = self.url() else { return vec![] };
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        let mut out = format!("{} {}{query}\n", self.method, url.path()).into_bytes();
        out.extend_from_slice(self.body_bytes());
        out
    }
}

/// Percent-encodes one path segment: everything but RFC 3986 unreserved characters.
#[must_use]
pub fn encode_path(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 8);
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
            out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
        }
    }
    out
}

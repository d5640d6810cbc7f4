//! The shared client: time limits, body cap, no redirects, host allow-list, address filter, and one
//! [`Exchange`] of evidence for each call, without identifiers or secrets.

mod address;

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use efface_core::Timestamp;
use futures::StreamExt;
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use crate::{ConnectorError, Exchange, NeedsPerson, Secret, limits};

pub use ::http::Method;
pub use address::is_public;

use self::address::Resolver;

/// A request body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Body {
    #[default]
    Empty,
    Json(String),
    Form(String),
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
    headers: Vec<(&'static str, String)>,
    secrets: Vec<(&'static str, Secret)>,
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
    /// When base or template do not make a URL.
    pub fn url(&self) -> Result<Url, ConnectorError> {
        let mut text = self.template.clone();
        for (name, value) in &self.path {
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
            Body::Empty => None,
            Body::Json(text) | Body::Form(text) => Some(text),
        }
    }

    /// The bytes whose keyed digest names this request: method, path and query as sent, body. The
    /// host is left out, so that a vendor's own log can be held against it.
    #[must_use]
    pub fn digest_input(&self) -> Vec<u8> {
        let Ok(url) = self.url() else { return vec![] };
        let query = url.query().map(|q| format!("?{q}")).unwrap_or_default();
        let mut out = format!("{} {}{query}\n", self.method, url.path()).into_bytes();
        out.extend_from_slice(self.body_text().unwrap_or_default().as_bytes());
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

/// A vendor's answer, whatever its status.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
    received_at: Timestamp,
    template: String,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({} to {}, {} bytes)", self.status, self.template, self.body.len())
    }
}

impl Reply {
    /// For tests of `wire` modules.
    #[must_use]
    pub fn made_up(status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        Self {
            status,
            headers: headers.iter().map(|(n, v)| (n.to_lowercase(), (*v).to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            received_at: Timestamp::from_millis(1_795_000_000_000),
            template: "/".into(),
        }
    }

    #[must_use]
    pub fn is_2xx(&self) -> bool {
        (200..300).contains(&self.status)
    }

    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    #[must_use]
    pub fn received_at(&self) -> Timestamp {
        self.received_at
    }

    /// Reads a JSON body, whatever the status.
    #[must_use]
    pub fn json_lenient<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Reads the JSON body of a success. A success we cannot read is never success.
    ///
    /// # Errors
    /// Unknown, naming the template but nothing of the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ConnectorError> {
        serde_json::from_slice(&self.body).map_err(|_| ConnectorError::Unknown {
            what: format!(
                "HTTP {} to {} with a body that does not fit the vendor's documented shape",
                self.status, self.template
            ),
            status: Some(self.status),
        })
    }

    /// How long the vendor wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        limits::retry_after(|name| self.header(name), self.received_at)
    }

    /// The failure behind a status that the connector has no own meaning for. 404 and 410 about
    /// the person are answers: decide on them before asking here.
    #[must_use]
    pub fn failure(&self) -> ConnectorError {
        let what = format!("HTTP {} to {}", self.status, self.template);
        match self.status {
            401 | 403 => {
                ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { status: self.status })
            }
            404 | 410 => ConnectorError::settings(format!(
                "{what}: no such project, list or path at the vendor"
            )),
            425 | 429 => ConnectorError::Retryable {
                what,
                retry_after: self.retry_after().or(Some(Duration::from_secs(1))),
            },
            408 | 500.. => ConnectorError::Unknown { what, status: Some(self.status) },
            400..=499 => ConnectorError::Permanent { code: format!("http_{}", self.status) },
            300..=399 => ConnectorError::settings(format!(
                "{what}: a redirect, which is not followed; check base_url and region"
            )),
            _ => ConnectorError::Unknown {
                what: format!("{what}, which the vendor does not document"),
                status: Some(self.status),
            },
        }
    }
}

/// A keyed digest (hex) of bytes that may hold identifiers.
pub type Digest = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// How an account's client behaves.
#[derive(Clone)]
pub struct HttpConfig {
    /// From the manifest, and the host of the account's own `base_url`.
    pub hosts: Vec<String>,
    /// Development only: plain http to loopback.
    pub allow_loopback: bool,
    /// For the whole call, connect and body included.
    pub timeout: Duration,
    pub body_cap_bytes: u64,
    pub digest: Digest,
}

/// One account's client.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    config: HttpConfig,
}

impl Http {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds a client")]
    pub fn new(config: HttpConfig) -> Result<Self, ConnectorError> {
        let resolver = Resolver { allow_loopback: config.allow_loopback };
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5).min(config.timeout))
            .timeout(config.timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("efface/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| {
                ConnectorError::settings("the TLS client cannot be set up on this machine")
            })?;
        Ok(Self { client, config })
    }

    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.config.timeout
    }

    /// The keyed digest of a request, as stored before it is sent.
    #[must_use]
    pub fn digest(&self, request: &Request) -> String {
        (self.config.digest)(&request.digest_input())
    }

    /// Sends one request; `digest` is its [`Http::digest`]. Returns what was exchanged and the reply, whatever its status.
    ///
    /// # Errors
    /// Retryable when no byte left; Unknown when bytes may have left; settings for a host that is
    /// not allowed.
    #[expect(
        clippy::disallowed_methods,
        reason = "a stopwatch for evidence; no rule depends on it"
    )]
    pub async fn send(
        &self,
        request: &Request,
        digest: String,
        now: Timestamp,
    ) -> (Exchange, Result<Reply, ConnectorError>) {
        let started = std::time::Instant::now();
        let mut exchange = Exchange {
            method: request.method.to_string(),
            url_template: request.shown(),
            status: None,
            request_digest: Some(digest),
            response_digest: None,
            vendor_request_id: None,
            started_at: now,
            took_millis: 0,
            failure: None,
        };
        let outcome = self.exchange(request, now, &mut exchange, started).await;
        exchange.took_millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = &outcome {
            exchange.failure = Some(error.to_string());
        }
        (exchange, outcome)
    }

    async fn exchange(
        &self,
        request: &Request,
        now: Timestamp,
        exchange: &mut Exchange,
        started: std::time::Instant,
    ) -> Result<Reply, ConnectorError> {
        let url = request.url()?;
        self.allowed(&url)?;
        let mut builder = self.client.request(request.method.clone(), url);
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        for (name, secret) in &request.secrets {
            let mut value = ::http::HeaderValue::from_str(secret.expose()).map_err(|_| {
                ConnectorError::settings("the key holds characters no header can carry")
            })?;
            value.set_sensitive(true);
            builder = builder.header(*name, value);
        }
        builder = match &request.body {
            Body::Empty => builder,
            Body::Json(text) => {
                builder.header("content-type", "application/json").body(text.clone())
            }
            Body::Form(text) => builder
                .header("content-type", "application/x-www-form-urlencoded")
                .body(text.clone()),
        };
        let response =
            builder.send().await.map_err(|error| no_reply(&error, &exchange.url_template))?;
        exchange.status = Some(response.status().as_u16());
        let status = response.status().as_u16();
        let headers: Vec<(String, String)> = response
            .headers()
            .iter()
            .filter_map(|(n, v)| v.to_str().ok().map(|v| (n.as_str().to_owned(), v.to_owned())))
            .collect();
        exchange.vendor_request_id = [
            "x-request-id",
            "request-id",
            "x-correlation-id",
            "x-hubspot-correlation-id",
            "x-message-id",
        ]
        .iter()
        .find_map(|name| {
            headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.chars().take(100).collect())
        });
        let body = self.read_body(response, &exchange.url_template, status).await?;
        exchange.response_digest = Some((self.config.digest)(&body));
        let received_at = now.plus(started.elapsed());
        Ok(Reply { status, headers, body, received_at, template: exchange.url_template.clone() })
    }

    async fn read_body(
        &self,
        response: reqwest::Response,
        template: &str,
        status: u16,
    ) -> Result<Bytes, ConnectorError> {
        let broken = |why: &str| ConnectorError::Unknown {
            what: format!("HTTP {status} to {template}, {why}"),
            status: Some(status),
        };
        let mut stream = response.bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken("then the body broke off"))?;
            if body.len() as u64 + chunk.len() as u64 > self.config.body_cap_bytes {
                return Err(broken(&format!(
                    "with a body over {} bytes",
                    self.config.body_cap_bytes
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }

    /// Scheme, host and literal addresses; names are filtered again when they are resolved.
    fn allowed(&self, url: &Url) -> Result<(), ConnectorError> {
        let refuse = |why: &str| {
            Err(ConnectorError::settings(format!(
                "{}://{}: {why}",
                url.scheme(),
                url.host_str().unwrap_or("?")
            )))
        };
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("credentials do not belong into a URL");
        }
        let Some(host) = url.host() else { return refuse("there is no host") };
        let address = match host {
            url::Host::Domain("localhost") => Some(IpAddr::from([127, 0, 0, 1])),
            url::Host::Domain(_) => None,
            url::Host::Ipv4(v4) => Some(IpAddr::V4(v4)),
            url::Host::Ipv6(v6) => Some(IpAddr::V6(v6)),
        };
        if let Some(address) = address {
            if self.config.allow_loopback && address.is_loopback() {
                return Ok(());
            }
            return refuse(
                "an address instead of the vendor's host name (loopback needs allow_loopback = true, for development)",
            );
        }
        if url.scheme() != "https" {
            return refuse("only https is allowed");
        }
        let name = url.host_str().unwrap_or_default();
        let listed = self.config.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(parent) => {
                name.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            None => name == allowed,
        });
        if listed { Ok(()) } else { refuse("this host is not on the connector's list") }
    }
}

/// A failure without a reply: before the first byte it is definite, later it is not.
fn no_reply(error: &reqwest::Error, template: &str) -> ConnectorError {
    if error.is_connect() || error.is_builder() {
        ConnectorError::Retryable {
            what: format!("no connection for {template}"),
            retry_after: None,
        }
    } else if error.is_timeout() {
        ConnectorError::unknown(format!("no answer to {template} within the time limit"))
    } else {
        ConnectorError::unknown(format!("the connection broke during {template}"))
    }
}

#[cfg(test)]
mod tests;

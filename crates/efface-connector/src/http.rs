//! The shared client: time limits, body cap, no redirects, host allow-list, address filter, and one
//! [`Exchange`] of evidence for each call, without identifiers or secrets.

mod address;
mod cause;
mod reply;
mod request;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use efface_core::Timestamp;
use futures::StreamExt;

use crate::{ConnectorError, Exchange};

pub use ::http::Method;
pub use address::{is_public, place_of};
pub use reply::Reply;
pub use request::{Body, Request, encode_path};

use self::{
    address::{Names, Resolver, SystemNames, check},
    cause::no_reply,
};

/// A keyed digest (hex) of bytes that may hold identifiers.
pub type Digest = Arc<dyn Fn(&[u8]) -> String + Send + Sync>;

/// How an account's client behaves.
#[derive(Clone)]
pub struct HttpConfig {
    /// From the manifest, and [`place_of`] the account's own `base_url`. A name without a port is
    /// called at 443 alone.
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
    plain: Plain,
}

/// Whether the listed hosts may be called without TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plain {
    Refused,
    Allowed,
}

impl Http {
    /// # Errors
    /// When TLS cannot be set up on this machine.
    pub fn new(config: HttpConfig) -> Result<Self, ConnectorError> {
        Self::over(config, Arc::new(SystemNames), |builder| builder)
    }

    /// The same over other names; `trust` lets a test name its own certificates.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that builds a client")]
    fn over(
        config: HttpConfig,
        names: Arc<dyn Names>,
        trust: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Result<Self, ConnectorError> {
        let resolver = Resolver { names, allow_loopback: config.allow_loopback };
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            // nothing is asked for compressed, and nothing swells while it is read
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .http2_max_header_list_size(64 * 1024)
            // ends before the whole call does: what had no connection is known not to be done
            .connect_timeout(Duration::from_secs(5).min(config.timeout / 2))
            .timeout(config.timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("efface/", env!("CARGO_PKG_VERSION")));
        let client = trust(builder).build().map_err(|_| {
            ConnectorError::settings("the TLS client cannot be set up on this machine")
        })?;
        Ok(Self { client, config, plain: Plain::Refused })
    }

    /// The same client, which also speaks plain http to its hosts: for what is no secret, names
    /// nobody and is answered with a signature. No connector asks for it.
    #[must_use]
    pub fn allowing_plain_http(self) -> Self {
        Self { plain: Plain::Allowed, ..self }
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
        check(&url, &self.config.hosts, self.config.allow_loopback, self.plain)?;
        let mut builder = self.client.request(request.method.clone(), url.clone());
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
            Body::Bytes(kind, bytes) => builder.header("content-type", *kind).body(bytes.clone()),
        };
        let response = builder
            .send()
            .await
            .map_err(|error| no_reply(&error, &url, &exchange.url_template, self.config.timeout))?;
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
        .find_map(|name| headers.iter().find(|(n, _)| n == name))
        .map(|(_, id)| id.chars().take(100).collect::<String>())
        .filter(|id| is_an_id(id) && !request.says(id));
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
        let cap = self.config.body_cap_bytes;
        let too_long = || broken(&format!("with a body over {cap} bytes"));
        if response.content_length().is_some_and(|announced| announced > cap) {
            return Err(too_long());
        }
        let mut stream = response.bytes_stream();
        let mut body = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| broken("then the body broke off"))?;
            if body.len() as u64 + chunk.len() as u64 > cap {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.into())
    }
}

/// Signs that ids of requests are made of; addresses and numbers of people hold others.
fn is_an_id(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:/=".contains(c);
    !text.is_empty() && text.chars().all(fits)
}

#[cfg(test)]
mod tests;

//! A vendor's answer, and what its status and headers mean.

use std::time::Duration;

use bytes::Bytes;
use efface_core::Timestamp;
use serde::de::DeserializeOwned;

use crate::{ConnectorError, NeedsPerson, limits};

/// A vendor's answer, whatever its status.
#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    pub(super) received_at: Timestamp,
    pub(super) template: String,
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

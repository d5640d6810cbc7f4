//! What every endpoint shares.

use std::{fmt, sync::Arc, time::Duration};

use efface_store::{Counts, SqlStore};

use crate::{cached::Cached, caller::Keys, idempotency::Answers};

/// How the API behaves.
#[derive(Clone)]
pub struct ApiOptions {
    /// The largest body read, in bytes.
    pub max_body_bytes: usize,
    /// How long a call may take.
    pub request_timeout: Duration,
    /// Whether this process is ready beyond its database (workers up, not draining).
    pub ready: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            max_body_bytes: 2 * 1024 * 1024,
            request_timeout: Duration::from_secs(30),
            ready: Arc::new(|| true),
        }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions")
            .field("max_body_bytes", &self.max_body_bytes)
            .field("request_timeout", &self.request_timeout)
            .finish_non_exhaustive()
    }
}

/// What every endpoint shares; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    pub(crate) store: Arc<SqlStore>,
    pub(crate) options: Arc<ApiOptions>,
    pub(crate) keys: Arc<Keys>,
    pub(crate) answers: Arc<Answers>,
    pub(crate) counts: Arc<Cached<Counts>>,
}

impl ApiState {
    /// Must be called within a tokio runtime: the answers kept for replay are written by a task of
    /// their own.
    #[must_use]
    pub fn new(store: Arc<SqlStore>, options: ApiOptions) -> Self {
        Self {
            answers: Arc::new(Answers::start(store.clone())),
            store,
            options: Arc::new(options),
            keys: Arc::default(),
            counts: Arc::default(),
        }
    }
}

impl fmt::Debug for ApiState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiState").field("options", &self.options).finish_non_exhaustive()
    }
}

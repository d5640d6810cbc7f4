//! A connector and its running stand-in, ready to play.

use std::{sync::Arc, time::Duration};

use efface_core::{IdentifierKind, Manifest, Provenance, TaskId};
use serde_json::Value;

use super::{Fake, FakeServer, Tuning};
use crate::{Built, Http, HttpConfig, Identifier, Item, Plugin, SettingsError};

/// The key of every stand: no text that leaves a connector may hold it.
pub const KEY: &str = "CanaryKey-7d1f9aB3";

/// How long a stand waits for an answer.
const PATIENCE: Duration = Duration::from_millis(300);

/// One vendor's connector against its own stand-in.
pub struct Stand {
    pub server: FakeServer,
    pub http: Http,
    plugin: Plugin,
    settings: Value,
}

impl Stand {
    /// # Errors
    /// When the stand-in cannot be started or its own settings do not build.
    pub async fn start(plugin: &Plugin) -> Result<Self, String> {
        Self::with(plugin, |_| ()).await
    }

    /// Like [`start`](Self::start), with changed settings.
    ///
    /// # Errors
    /// When the stand-in cannot be started or the settings do not build.
    pub async fn with(plugin: &Plugin, change: impl FnOnce(&mut Value)) -> Result<Self, String> {
        Self::lent(plugin, client(&(plugin.manifest)())?, change).await
    }

    /// Like [`with`](Self::with), with a client that others use too: making one is slow.
    ///
    /// # Errors
    /// When the stand-in cannot be started or the settings do not build.
    pub async fn lent(
        plugin: &Plugin,
        http: Http,
        change: impl FnOnce(&mut Value),
    ) -> Result<Self, String> {
        let fake = (plugin.fake)();
        let mut settings = fake.settings(KEY);
        change(&mut settings);
        let tuning = Tuning { key: KEY.into(), ..Tuning::default() };
        let server = FakeServer::start(fake, tuning, None).await.map_err(|e| e.to_string())?;
        // a later stand may get this one's port: no connection may outlive its call
        server.close_after_each();
        let stand = Self { server, http, plugin: *plugin, settings };
        stand.build().map_err(|e| format!("the stand-in's settings do not build: {e}"))?;
        Ok(stand)
    }

    #[must_use]
    pub fn fake(&self) -> &Arc<dyn Fake> {
        self.server.fake()
    }

    /// The settings the stand runs under.
    #[must_use]
    pub fn settings(&self) -> &Value {
        &self.settings
    }

    /// Builds the connector anew, as after a restart.
    ///
    /// # Errors
    /// As the plugin's `build`.
    pub fn build(&self) -> Result<Built, SettingsError> {
        (self.plugin.build)(&self.settings, Some(&self.server.base_url()))
    }
}

/// A client for loopback, quick to lose patience.
///
/// # Errors
/// When TLS cannot be set up on this machine.
pub fn client(manifest: &Manifest) -> Result<Http, String> {
    Http::new(HttpConfig {
        hosts: vec![],
        allow_loopback: true,
        timeout: PATIENCE,
        body_cap_bytes: manifest.body_cap_bytes,
        digest: Arc::new(|bytes| format!("digest of {} bytes", bytes.len())),
    })
    .map_err(|e| e.to_string())
}

/// Makes the `n`-th item, with proved, personal identifiers.
///
/// # Errors
/// When a text is no identifier of its kind.
pub fn item(n: u32, identifiers: &[(IdentifierKind, &str)]) -> Result<Item, String> {
    let proved = || Provenance::Proved { how: "account login".into(), by: "conformance".into() };
    let identifiers = identifiers
        .iter()
        .map(|(kind, text)| Identifier::parse(kind.clone(), text, proved(), None))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|e| e.to_string())?;
    Ok(Item {
        id: TaskId(uuid::Uuid::from_u128(u128::from(n) + 1)),
        generation: 1,
        identifiers,
        memo: None,
        prior: None,
    })
}

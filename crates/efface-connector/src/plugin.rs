//! How a vendor's crate is found and built.

use efface_core::Manifest;
use serde::de::DeserializeOwned;

use crate::Connector;

/// A vendor's settings that cannot be used; names the key, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("settings.{key}: {problem}")]
pub struct SettingsError {
    pub key: String,
    pub problem: String,
}

impl SettingsError {
    #[must_use]
    pub fn new(key: &str, problem: impl Into<String>) -> Self {
        Self { key: key.to_owned(), problem: problem.into() }
    }
}

/// A connector built from an account's settings.
pub struct Built {
    pub connector: Box<dyn Connector>,
    /// The manifest as it is under these settings (batch sizes, hosts, levels may depend on them).
    pub manifest: Manifest,
}

/// What each vendor's crate exports as `PLUGIN`.
#[derive(Clone, Copy)]
pub struct Plugin {
    /// Equals the folder's name.
    pub id: &'static str,
    /// The card under default settings.
    pub manifest: fn() -> Manifest,
    /// `settings.example.toml` of the crate.
    pub example: &'static str,
    /// Builds from the account's `settings` table and its `base_url`.
    pub build:
        fn(settings: &serde_json::Value, base_url: Option<&str>) -> Result<Built, SettingsError>,
    #[cfg(feature = "fake")]
    /// Starts the vendor's stateful stand-in on loopback.
    pub fake: fn() -> std::sync::Arc<dyn crate::fake::Fake>,
}

/// Reads a vendor's settings table into its type; an unknown key is refused by name.
///
/// # Errors
/// [`SettingsError`] with the key where serde names one.
pub fn parse_settings<T: DeserializeOwned>(
    settings: &serde_json::Value,
) -> Result<T, SettingsError> {
    serde_json::from_value(settings.clone()).map_err(|error| {
        let text = error.to_string();
        // serde names the key in backticks; the value never appears in "unknown/missing field"
        let key = text.split('`').nth(1).unwrap_or("?").to_owned();
        let problem = if text.starts_with("unknown field") {
            format!(
                "is not a setting of this connector ({})",
                text.split_once(", ").map_or("", |(_, rest)| rest)
            )
        } else if text.starts_with("missing field") {
            "is required".to_owned()
        } else if text.starts_with("unknown variant") {
            text
        } else {
            "has the wrong type; see settings.example.toml".to_owned()
        };
        SettingsError { key, problem }
    })
}

//! What one Amplitude project is set up with.

use efface_connector::{Secret, SettingsError, parse_settings};
use serde::Deserialize;
use serde_json::Value;

/// The longest `requester` taken: the vendor names no limit.
const MAX_REQUESTER: usize = 100;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub api_key: Secret,
    pub secret_key: Secret,
    /// Shown to the vendor's admins.
    pub requester: String,
    #[serde(default)]
    pub region: Region,
}

/// Where the project's data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    #[default]
    Us,
    Eu,
}

impl Region {
    pub const fn base(self) -> &'static str {
        match self {
            Self::Us => "https://amplitude.com",
            Self::Eu => "https://analytics.eu.amplitude.com",
        }
    }
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        for (key, secret) in [("api_key", &read.api_key), ("secret_key", &read.secret_key)] {
            if secret.expose().trim().is_empty() {
                return Err(SettingsError::new(key, "is empty"));
            }
        }
        if read.api_key.expose().contains(':') {
            return Err(SettingsError::new("api_key", "holds a colon, which no API key does"));
        }
        let requester = read.requester.trim();
        if requester.is_empty()
            || requester.len() > MAX_REQUESTER
            || requester.chars().any(char::is_control)
        {
            let problem = format!("needs a name or address of at most {MAX_REQUESTER} bytes");
            return Err(SettingsError::new("requester", problem));
        }
        Ok(read)
    }
}

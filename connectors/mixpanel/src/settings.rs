//! What one Mixpanel project is set up with.

use efface_connector::{IdentifierKind, Secret, SettingsError, Timestamp, parse_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::manifest::distinct_id;

/// Most distinct ids in one job, by the vendor's reference.
pub const MOST_IDS: usize = 1999;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub project_token: Secret,
    pub oauth_token: Secret,
    token_expires_on: Option<String>,
    #[serde(default)]
    pub region: Region,
    #[serde(default)]
    pub compliance_type: Compliance,
    #[serde(default = "user_id")]
    distinct_id_from: Vec<From>,
    #[serde(default = "most_ids")]
    pub ids_per_job: usize,
    pub service_account: Option<ServiceAccount>,
}

/// Reads profiles, for look-ups alone.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceAccount {
    pub username: String,
    pub secret: Secret,
    pub project_id: u64,
}

/// Where the project's data is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    #[default]
    Us,
    Eu,
    In,
}

impl Region {
    pub const fn base(self) -> &'static str {
        match self {
            Self::Us => "https://mixpanel.com",
            Self::Eu => "https://eu.mixpanel.com",
            Self::In => "https://in.mixpanel.com",
        }
    }
}

/// The law that is named to the vendor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Compliance {
    #[default]
    #[serde(rename = "GDPR")]
    Gdpr,
    /// Deletes the previous year only.
    #[serde(rename = "CCPA")]
    Ccpa,
}

/// What the application uses as distinct id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum From {
    #[serde(rename = "user_id")]
    User,
    #[serde(rename = "anonymous_id")]
    Anonymous,
    #[serde(rename = "device_id")]
    Device,
}

fn user_id() -> Vec<From> {
    vec![From::User]
}

const fn most_ids() -> usize {
    MOST_IDS
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        for (key, secret) in
            [("project_token", &read.project_token), ("oauth_token", &read.oauth_token)]
        {
            if secret.expose().trim().is_empty() {
                return Err(SettingsError::new(key, "is empty"));
            }
        }
        if read.distinct_id_from.is_empty() {
            return Err(SettingsError::new("distinct_id_from", "needs at least one kind"));
        }
        if !(1..=MOST_IDS).contains(&read.ids_per_job) {
            let problem = format!("lies between 1 and {MOST_IDS}");
            return Err(SettingsError::new("ids_per_job", problem));
        }
        if let Some(account) = &read.service_account {
            let username = account.username.trim();
            if username.is_empty() || username.contains(':') {
                let problem = "is empty or holds a colon";
                return Err(SettingsError::new("service_account.username", problem));
            }
        }
        read.key_expires()?;
        Ok(read)
    }

    /// The first moment of the token's last day.
    pub fn key_expires(&self) -> Result<Option<Timestamp>, SettingsError> {
        let Some(day) = &self.token_expires_on else { return Ok(None) };
        let shaped = day.len() == 10 && day.chars().all(|c| c.is_ascii_digit() || c == '-');
        let at = if shaped { format!("{day}T00:00:00Z").parse().ok() } else { None };
        at.map(Some).ok_or_else(|| {
            SettingsError::new("token_expires_on", "is no day of the form YYYY-MM-DD")
        })
    }

    /// The kinds of identifier that are distinct ids here; the vendor's own come last.
    pub fn kinds(&self) -> Vec<IdentifierKind> {
        let mut kinds = vec![];
        for from in &self.distinct_id_from {
            let kind = match from {
                From::User => IdentifierKind::UserId,
                From::Anonymous => IdentifierKind::AnonymousId,
                From::Device => IdentifierKind::DeviceId,
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds.push(distinct_id());
        kinds
    }
}

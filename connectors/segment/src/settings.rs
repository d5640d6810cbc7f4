//! What one Segment workspace is set up with.

use efface_connector::{Secret, SettingsError, parse_settings};
use serde::Deserialize;
use serde_json::Value;

/// More pages than one call could read in its time.
const MOST_PAGES: u32 = 100;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub token: Secret,
    #[serde(default)]
    region: Region,
    #[serde(default)]
    pub forward_to_destinations: bool,
    #[serde(default)]
    pub own_systems: Vec<String>,
    #[serde(default)]
    pub pagination: Paging,
    #[serde(default = "twenty")]
    pub suppression_pages: u32,
    profile_space: Option<String>,
    profile_token: Option<Secret>,
}

/// Where a workspace lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Region {
    #[default]
    Us,
    Eu,
}

/// How a list's page is asked for; the vendor's clients and its documentation differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Paging {
    /// `pagination[count]`
    #[default]
    Brackets,
    /// `pagination.count`
    Dots,
}

/// A Unify space whose profiles may be asked for.
#[derive(Clone, Debug)]
pub struct Space {
    pub id: String,
    pub token: Secret,
}

fn twenty() -> u32 {
    20
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        if read.token.expose().is_empty() {
            return Err(SettingsError::new("token", "is empty"));
        }
        if read.suppression_pages > MOST_PAGES {
            let problem = format!("is more than one call can read; at most {MOST_PAGES}");
            return Err(SettingsError::new("suppression_pages", problem));
        }
        if read.own_systems.iter().any(|name| name.trim().is_empty()) {
            return Err(SettingsError::new("own_systems", "holds an empty name"));
        }
        Ok(read)
    }

    /// The space, when both of its settings are given.
    pub fn space(&self) -> Result<Option<Space>, SettingsError> {
        match (&self.profile_space, &self.profile_token) {
            (None, None) => Ok(None),
            (Some(id), Some(token)) => {
                if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric()) {
                    let problem = "is no space id (letters and digits)";
                    return Err(SettingsError::new("profile_space", problem));
                }
                Ok(Some(Space { id: id.clone(), token: token.clone() }))
            }
            (Some(_), None) => {
                Err(SettingsError::new("profile_token", "is required beside profile_space"))
            }
            (None, Some(_)) => {
                Err(SettingsError::new("profile_space", "is required beside profile_token"))
            }
        }
    }

    /// Scheme and host of the Public API and of the Profile API. The account's own `base_url` stands
    /// for both.
    pub fn bases(&self, base_url: Option<&str>) -> (String, String) {
        let (api, profiles) = match (base_url, self.region) {
            (Some(base), _) => (base, base),
            (None, Region::Us) => ("https://api.segmentapis.com", "https://profiles.segment.com"),
            (None, Region::Eu) => {
                ("https://eu1.api.segmentapis.com", "https://profiles.euw1.segment.com")
            }
        };
        (api.to_owned(), profiles.to_owned())
    }
}

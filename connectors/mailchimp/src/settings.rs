//! What one Mailchimp account is set up with.

use efface_connector::{Secret, SettingsError, parse_settings};
use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub api_key: Secret,
    pub audiences: Vec<String>,
    data_center: Option<String>,
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        if read.audiences.is_empty() {
            return Err(SettingsError::new("audiences", "needs at least one audience id"));
        }
        let id = |id: &String| !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        if let Some(n) = read.audiences.iter().position(|audience| !id(audience)) {
            let problem = format!("entry {} is no audience id (letters and digits)", n + 1);
            return Err(SettingsError::new("audiences", problem));
        }
        Ok(read)
    }

    /// Scheme and host: the account's own, or the data centre's.
    pub fn base(&self, base_url: Option<&str>) -> Result<String, SettingsError> {
        if let Some(base) = base_url {
            return Ok(base.to_owned());
        }
        let named = self.data_center.as_deref();
        let suffix = self.api_key.expose().rsplit_once('-').map(|(_, suffix)| suffix);
        let center = named.or(suffix).ok_or_else(|| {
            SettingsError::new("data_center", "is required: the key does not end in one")
        })?;
        if !is_center(center) {
            let problem =
                "is no data centre such as us19 (taken from the end of the key when left out)";
            return Err(SettingsError::new("data_center", problem));
        }
        Ok(format!("https://{center}.api.mailchimp.com"))
    }
}

/// Letters and a number, as `us19`: nothing that could lead to another host.
fn is_center(text: &str) -> bool {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() < text.len()
        && (1..=4).contains(&letters.len())
        && letters.chars().all(|c| c.is_ascii_lowercase())
}

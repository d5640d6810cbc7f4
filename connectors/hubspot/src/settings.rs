//! What one HubSpot account is set up with.

use efface_connector::{Secret, SettingsError, parse_settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::people::Rules;

/// HubSpot's own bound for the purge behind a deletion.
pub const PURGE_DAYS: u16 = 30;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub access_token: Secret,
    #[serde(default = "legacy")]
    pub api_version: String,
    #[serde(default)]
    several_records: SeveralRecords,
    #[serde(default)]
    secondary_address: SecondaryAddress,
    #[serde(default)]
    pub business_units: Vec<u64>,
    #[serde(default = "purge_days")]
    pub purge_days: u16,
    lift_legal_basis: Option<LegalBasis>,
    lift_explanation: Option<String>,
}

fn legacy() -> String {
    "v3".into()
}

fn purge_days() -> u16 {
    PURGE_DAYS
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SeveralRecords {
    #[default]
    Ask,
    All,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SecondaryAddress {
    #[default]
    Ask,
    SamePerson,
}

/// HubSpot's words for why somebody may be mailed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LegalBasis {
    ConsentWithNotice,
    LegitimateInterestClient,
    LegitimateInterestOther,
    LegitimateInterestPql,
    NonGdpr,
    PerformanceOfContract,
    ProcessAndStore,
}

/// What a lift tells HubSpot; without it no lift is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lift {
    pub legal_basis: LegalBasis,
    pub explanation: String,
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        if read.access_token.expose().is_empty() {
            return Err(SettingsError::new("access_token", "is empty"));
        }
        if read.api_version != "v3" && !is_dated(&read.api_version) {
            let problem = "is neither \"v3\" nor a dated version such as \"2026-03\"";
            return Err(SettingsError::new("api_version", problem));
        }
        if !(PURGE_DAYS..=365).contains(&read.purge_days) {
            let problem = "must lie between 30 (the vendor's own bound) and 365";
            return Err(SettingsError::new("purge_days", problem));
        }
        match (&read.lift_legal_basis, read.lift_explanation.as_deref().map(str::trim)) {
            (None, None) => {}
            (Some(_), Some(text)) if !text.is_empty() => {}
            (None, Some(_)) => {
                let problem = "is required beside lift_explanation";
                return Err(SettingsError::new("lift_legal_basis", problem));
            }
            (Some(_), _) => {
                let problem = "is required beside lift_legal_basis";
                return Err(SettingsError::new("lift_explanation", problem));
            }
        }
        Ok(read)
    }

    pub fn rules(&self) -> Rules {
        Rules {
            several: self.several_records == SeveralRecords::All,
            secondary: self.secondary_address == SecondaryAddress::SamePerson,
        }
    }

    pub fn lift(&self) -> Option<Lift> {
        let explanation = self.lift_explanation.as_ref()?.trim().to_owned();
        Some(Lift { legal_basis: self.lift_legal_basis?, explanation })
    }
}

/// `2026-03`: nothing that could lead to another path.
fn is_dated(text: &str) -> bool {
    let digits = |part: &str, n| part.len() == n && part.bytes().all(|b| b.is_ascii_digit());
    text.split_once('-').is_some_and(|(year, month)| digits(year, 4) && digits(month, 2))
}

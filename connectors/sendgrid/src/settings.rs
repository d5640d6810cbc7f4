//! What one SendGrid account is set up with.

use efface_connector::{Secret, SettingsError, parse_settings};
use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub api_key: Secret,
    #[serde(default)]
    pub region: Region,
    marketing_contacts: Option<bool>,
    email_activity: Option<bool>,
    pub on_behalf_of: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Region {
    #[default]
    Global,
    Eu,
}

impl Region {
    pub const fn host(self) -> &'static str {
        match self {
            Self::Global => "https://api.sendgrid.com",
            Self::Eu => "https://api.eu.sendgrid.com",
        }
    }
}

/// Which of the vendor's products hold people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Products {
    pub contacts: bool,
    pub activity: bool,
}

impl Products {
    pub const BOTH: Self = Self { contacts: true, activity: true };
}

impl Settings {
    pub fn read(settings: &Value) -> Result<Self, SettingsError> {
        let read: Self = parse_settings(settings)?;
        let printable =
            |text: &String| !text.is_empty() && text.chars().all(|c| (' '..='~').contains(&c));
        if !read.on_behalf_of.as_ref().is_none_or(printable) {
            return Err(SettingsError::new("on_behalf_of", "is no subuser's name or account-id"));
        }
        Ok(read)
    }

    pub fn products(&self) -> Result<Products, SettingsError> {
        let contacts = self.marketing_contacts.unwrap_or(self.region == Region::Global);
        if contacts && self.region == Region::Eu {
            return Err(SettingsError::new(
                "marketing_contacts",
                "is documented for the global region alone; set it to false, and give contacts held \
                 in the global region an account of their own",
            ));
        }
        Ok(Products { contacts, activity: self.email_activity.unwrap_or(true) })
    }
}

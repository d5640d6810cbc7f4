//! The kinds of identifiers.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::BadIdentifier;

/// Which sort of identifier a value is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum IdentifierKind {
    Email,
    /// E.164.
    Phone,
    UserId,
    AnonymousId,
    DeviceId,
    AdvertisingId,
    /// A vendor's own id for the person, in that vendor's namespace (`vendor:<namespace>`).
    Vendor(String),
}

impl IdentifierKind {
    /// The kinds that need no namespace.
    pub const PLAIN: [Self; 6] = [
        Self::Email,
        Self::Phone,
        Self::UserId,
        Self::AnonymousId,
        Self::DeviceId,
        Self::AdvertisingId,
    ];

    #[must_use]
    pub fn word(&self) -> String {
        match self {
            Self::Email => "email".into(),
            Self::Phone => "phone".into(),
            Self::UserId => "user_id".into(),
            Self::AnonymousId => "anonymous_id".into(),
            Self::DeviceId => "device_id".into(),
            Self::AdvertisingId => "advertising_id".into(),
            Self::Vendor(namespace) => format!("vendor:{namespace}"),
        }
    }
}

impl fmt::Display for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.word())
    }
}

impl fmt::Debug for IdentifierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.word())
    }
}

impl FromStr for IdentifierKind {
    type Err = BadIdentifier;

    fn from_str(text: &str) -> Result<Self, BadIdentifier> {
        if let Some(kind) = Self::PLAIN.iter().find(|k| k.word() == text) {
            return Ok(kind.clone());
        }
        match text.strip_prefix("vendor:") {
            Some(namespace)
                if !namespace.is_empty()
                    && namespace.len() <= 63
                    && namespace.chars().all(|c| {
                        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
                    }) =>
            {
                Ok(Self::Vendor(namespace.to_owned()))
            }
            _ => Err(BadIdentifier::UnknownKind(text.chars().take(40).collect())),
        }
    }
}

impl TryFrom<String> for IdentifierKind {
    type Error = BadIdentifier;

    fn try_from(text: String) -> Result<Self, BadIdentifier> {
        text.parse()
    }
}

impl From<IdentifierKind> for String {
    fn from(kind: IdentifierKind) -> Self {
        kind.word()
    }
}

//! Values that cannot be printed by accident.

use serde::{Deserialize, Deserializer};
use std::fmt;
use zeroize::Zeroizing;

/// What stands for a secret wherever one would be printed.
pub(crate) const MASK: &str = "[secret]";

/// What stands in a vendor's table for a reference that was left alone.
pub(crate) const NOT_READ: &str = "not-read";

/// A secret text: wiped when dropped, `[secret]` in every print.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into keeping.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself. Hand it to the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// A vendor's own table. It may hold secrets, already resolved, so it does not
/// print either.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct VendorSettings(serde_json::Value);

impl VendorSettings {
    /// The table, for the vendor's plugin to read.
    #[must_use]
    pub fn expose(&self) -> &serde_json::Value {
        &self.0
    }
}

impl fmt::Debug for VendorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.as_object().map_or(0, serde_json::Map::len);
        write!(f, "VendorSettings({keys} keys)")
    }
}

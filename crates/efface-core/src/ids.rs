//! Every id has its type, so that two cannot be mixed up.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Timestamp, outside::Chance};

/// UUID version 7 (RFC 9562 §5.7) from the time and chance handed in: rows sort by birth.
fn uuid_v7(now: Timestamp, chance: &dyn Chance) -> Uuid {
    let mut random = [0; 10];
    chance.fill(&mut random);
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

macro_rules! row_id {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id; sorts after those made earlier.
            pub fn new(now: Timestamp, chance: &dyn Chance) -> Self {
                Self(uuid_v7(now, chance))
            }

            #[must_use]
            pub const fn bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.trim().parse().map(Self)
            }
        }
    )+};
}

row_id! {
    /// One data-subject request.
    RequestId,
    /// One request × account × action; also the id of an item inside an order.
    TaskId,
    /// One lane × account × action × step × items; makes at most one changing call.
    OrderId,
    /// A vendor's promise to go on working, polled until it ends.
    ReceiptId,
    /// One thing that waits for a person.
    DeskId,
    /// One imported file.
    ImportId,
    /// One journal entry (a leaf of the audit tree).
    EntryId,
    /// One entry of the suppression list; its key goes by the same name.
    SuppressionId,
}

impl TaskId {
    /// The id to show a vendor for this person: UUIDv5 of task and generation, so that it tells
    /// nothing about the person and changes only when a new generation starts.
    #[must_use]
    pub fn vendor_uuid(&self, generation: u32) -> Uuid {
        Uuid::new_v5(&self.0, &generation.to_be_bytes())
    }
}

/// A name that is not a lower-case word of letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a valid {what} name: use 1 to 63 characters a-z, 0-9 and '-', starting with a letter or digit"
)]
pub struct BadName {
    pub what: &'static str,
    pub text: String,
}

macro_rules! name_id {
    ($($(#[$doc:meta])* $name:ident, $what:literal);+ $(;)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// [`BadName`] when the text is not `[a-z0-9][a-z0-9-]{0,62}`.
            pub fn new(text: &str) -> Result<Self, BadName> {
                let first_ok = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
                let rest_ok = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
                if first_ok && rest_ok && text.len() <= 63 {
                    Ok(Self(text.into()))
                } else {
                    Err(BadName { what: $what, text: text.chars().take(80).collect() })
                }
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadName;

            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;

            fn try_from(text: String) -> Result<Self, BadName> {
                Self::new(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    )+};
}

name_id! {
    /// The controller (GDPR Art. 4(7)) on whose behalf a request is carried out.
    ControllerId, "controller";
    /// One connected vendor account, named in the settings.
    AccountId, "account";
    /// A pace group: one account by default, several where a quota is shared.
    LaneId, "lane";
    /// A vendor's connector; equals its folder's name.
    ConnectorId, "connector";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_at_the_door() {
        for (text, good) in [
            ("a", true),
            ("mail-eu-2", true),
            ("", false),
            ("-a", false),
            ("A", false),
            ("a_b", false),
            ("é", false),
        ] {
            assert_eq!(AccountId::new(text).is_ok(), good, "{text}");
        }
        assert!(AccountId::new(&"a".repeat(64)).is_err());
    }

    #[test]
    fn vendor_uuid_is_stable_and_changes_with_the_generation() {
        let task = TaskId(Uuid::from_u128(7));
        assert_eq!(task.vendor_uuid(1), task.vendor_uuid(1));
        assert_ne!(task.vendor_uuid(1), task.vendor_uuid(2));
    }
}

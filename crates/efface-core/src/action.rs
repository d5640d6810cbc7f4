//! What a person may ask for, what a task does, and the scope of a suppression.

use serde::{Deserialize, Serialize};

/// A word that is none of those offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is not a known {what}; use one of: {offered}")]
pub struct UnknownWord {
    pub what: &'static str,
    pub word: String,
    pub offered: String,
}

/// Defines an enum of plain words with one spelling for people, files, database and API.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::action::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::action::UnknownWord> {
                Self::ALL.iter().copied().find(|v| v.word() == text).ok_or_else(|| $crate::action::UnknownWord {
                    what: $what,
                    word: text.chars().take(40).collect(),
                    offered: Self::ALL.iter().map(|v| v.word()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a request asks for (GDPR Art. 17 and 21, CCPA §1798.105 and .120).
    RequestAction, "action" {
        Erase = "erase",
        Suppress = "suppress",
        EraseAndSuppress = "erase_and_suppress",
        Lift = "lift",
    }
}

impl RequestAction {
    /// Whether data is destroyed, so that release and cooling-off are due.
    #[must_use]
    pub const fn erases(self) -> bool {
        matches!(self, Self::Erase | Self::EraseAndSuppress)
    }

    /// Whether the filer must name a scope.
    #[must_use]
    pub const fn needs_scope(self) -> bool {
        matches!(self, Self::Suppress | Self::EraseAndSuppress | Self::Lift)
    }
}

words! {
    /// What one task does at one account.
    TaskAction, "task action" {
        Resolve = "resolve",
        LookUp = "look_up",
        Suppress = "suppress",
        Erase = "erase",
        EraseAndSuppress = "erase_and_suppress",
        Lift = "lift",
    }
}

impl TaskAction {
    /// Whether data is destroyed by this task.
    #[must_use]
    pub const fn erases(self) -> bool {
        matches!(self, Self::Erase | Self::EraseAndSuppress)
    }

    /// Whether a changing step of it counts against its account's daily ceiling: what is done to a
    /// person, not what is given back.
    #[must_use]
    pub const fn counts_for_ceiling(self) -> bool {
        match self {
            Self::Suppress | Self::Erase | Self::EraseAndSuppress => true,
            Self::Resolve | Self::LookUp | Self::Lift => false,
        }
    }
}

words! {
    /// What is to stop. There is no default: the filer chooses.
    Scope, "scope" {
        /// Direct marketing (GDPR Art. 21(2)).
        Marketing = "marketing",
        /// Sale or sharing (CCPA §1798.120).
        SaleOrSharing = "sale_or_sharing",
        /// Collection of new events about the person.
        Collection = "collection",
        AllProcessing = "all_processing",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_and_strangers_are_named() {
        for action in RequestAction::ALL {
            assert_eq!(action.word().parse::<RequestAction>().as_ref(), Ok(action));
        }
        let error = "delete".parse::<RequestAction>().map_err(|e| e.to_string());
        assert_eq!(error, Err("\"delete\" is not a known action; use one of: erase, suppress, erase_and_suppress, lift".into()));
    }
}

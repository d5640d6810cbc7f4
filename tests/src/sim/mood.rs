//! How a vendor behaves at one call.

use std::time::Duration;

use efface_connector::{ConnectorError, NeedsPerson};
use efface_core::Timestamp;

use crate::{
    dice::Dice,
    sim::faults::{between, pick},
};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Fine,
    /// Does nothing, and says when to come back.
    TooMany,
    /// Does nothing, and says so.
    Overloaded,
    /// Does nothing, and the answer is lost.
    LostBefore,
    /// Does it, and the answer is lost.
    LostAfter,
    /// Does it, and answers when nobody waits any more.
    TooLate,
    Refuses,
    WantsPerson,
    RefusesKey,
    KnowsNoProject,
    QuotaSpent,
    PanicsBefore,
    PanicsAfter,
}

const BAD: [Mood; 22] = [
    Mood::TooMany,
    Mood::TooMany,
    Mood::TooMany,
    Mood::Overloaded,
    Mood::Overloaded,
    Mood::Overloaded,
    Mood::LostBefore,
    Mood::LostBefore,
    Mood::LostBefore,
    Mood::LostAfter,
    Mood::LostAfter,
    Mood::LostAfter,
    Mood::LostAfter,
    Mood::TooLate,
    Mood::TooLate,
    Mood::Refuses,
    Mood::WantsPerson,
    Mood::RefusesKey,
    Mood::KnowsNoProject,
    Mood::QuotaSpent,
    Mood::PanicsBefore,
    Mood::PanicsAfter,
];

impl Mood {
    /// `bad` of a hundred calls do not go well.
    pub fn draw(dice: &mut Dice, bad: u64) -> Self {
        if dice.between(1, 100) > bad { Self::Fine } else { pick(&BAD, dice) }
    }

    pub const fn word(self) -> &'static str {
        match self {
            Self::Fine => "answers",
            Self::TooMany => "asks to come back",
            Self::Overloaded => "is overloaded",
            Self::LostBefore => "does nothing, no answer",
            Self::LostAfter => "does it, no answer",
            Self::TooLate => "does it, too late",
            Self::Refuses => "refuses",
            Self::WantsPerson => "wants a person",
            Self::RefusesKey => "refuses the key",
            Self::KnowsNoProject => "knows no project",
            Self::QuotaSpent => "quota spent",
            Self::PanicsBefore => "panics before",
            Self::PanicsAfter => "panics after",
        }
    }

    /// What comes back of a call that did nothing.
    pub fn refusal(self, dice: &mut Dice, now: Timestamp) -> Option<ConnectorError> {
        Some(match self {
            Self::TooMany => ConnectorError::Retryable {
                what: "429".into(),
                retry_after: Some(between(dice, MINUTE, HOUR * 3)),
            },
            Self::Overloaded => ConnectorError::Retryable { what: "503".into(), retry_after: None },
            Self::LostBefore => ConnectorError::unknown("connection lost"),
            Self::Refuses => ConnectorError::permanent("not_allowed"),
            Self::WantsPerson => ConnectorError::person("ask the vendor's support"),
            Self::RefusesKey => {
                ConnectorError::NeedsPerson(NeedsPerson::CredentialsRefused { status: 401 })
            }
            Self::KnowsNoProject => ConnectorError::settings("no such project"),
            Self::QuotaSpent => {
                let until =
                    (dice.between(0, 1) == 0).then(|| now.plus(between(dice, HOUR, HOUR * 30)));
                ConnectorError::QuotaSpent { until }
            }
            Self::Fine
            | Self::LostAfter
            | Self::TooLate
            | Self::PanicsBefore
            | Self::PanicsAfter => return None,
        })
    }
}

/// How a vendor treats one person among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ItemMood {
    Fine,
    Blocks,
    Fails,
    /// Does not mention the person, and did it.
    Silent,
    /// Mentions the person twice.
    Twice,
    LeavesOut,
}

impl ItemMood {
    pub fn draw(dice: &mut Dice, bad: u64) -> Self {
        const BAD: [ItemMood; 5] = [
            ItemMood::Blocks,
            ItemMood::Fails,
            ItemMood::Silent,
            ItemMood::Twice,
            ItemMood::LeavesOut,
        ];
        if dice.between(1, 100) > bad / 2 { Self::Fine } else { pick(&BAD, dice) }
    }
}

//! On which days a watch looks.

use serde::{Deserialize, Serialize};

/// Days after a request was closed on which its vendors are looked at again: rising, at most eight,
/// each from 1 to 90.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Days([u8; Days::MOST]);

/// Days that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("days of a watch are at most {}, rising, each from 1 to {}", Days::MOST, Days::LATEST)]
pub struct BadDays;

impl Days {
    pub const MOST: usize = 8;
    pub const LATEST: u32 = 90;
    pub const NONE: Self = Self([0; Self::MOST]);
    pub const DEFAULT: Self = Self([7, 30, 0, 0, 0, 0, 0, 0]);

    /// # Errors
    /// [`BadDays`] when they are too many, do not rise, or one is beyond its bounds.
    pub fn new(days: &[u32]) -> Result<Self, BadDays> {
        let mut out = [0u8; Self::MOST];
        if days.len() > Self::MOST || !days.is_sorted_by(|a, b| a < b) {
            return Err(BadDays);
        }
        for (place, day) in out.iter_mut().zip(days) {
            *place = match u8::try_from(*day) {
                Ok(fits) if (1..=Self::LATEST).contains(day) => fits,
                Ok(_) | Err(_) => return Err(BadDays),
            };
        }
        Ok(Self(out))
    }

    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.into_iter().filter(|day| *day > 0)
    }

    #[must_use]
    pub fn first(&self) -> Option<u8> {
        self.iter().next()
    }

    #[must_use]
    pub fn last(&self) -> Option<u8> {
        self.iter().last()
    }

    /// Those that `stay`.
    #[must_use]
    pub(super) fn keep(&self, stay: impl Fn(u8) -> bool) -> Self {
        let mut out = Self::NONE;
        for (place, day) in out.0.iter_mut().zip(self.iter().filter(|day| stay(*day))) {
            *place = day;
        }
        out
    }
}

impl TryFrom<Vec<u32>> for Days {
    type Error = BadDays;

    fn try_from(days: Vec<u32>) -> Result<Self, BadDays> {
        Self::new(&days)
    }
}

impl From<Days> for Vec<u32> {
    fn from(days: Days) -> Self {
        days.iter().map(u32::from).collect()
    }
}

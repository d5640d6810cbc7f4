//! How long the record of a request is kept once nothing personal of it is left.

use std::collections::BTreeMap;

use jiff::{ToSpan as _, tz::TimeZone};

use super::{Request, RequestState};
use crate::Timestamp;

/// Regimes whose law asks for records of requests to be kept at least so many months: California (CCPA
/// regulations § 7101) and Colorado (CPA rules, rule 6.11).
pub const LEAST_MONTHS: [(&str, u32); 2] = [("us-ca", 24), ("us-co", 24)];

/// For how many months records are kept, by regime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Records {
    pub months: u32,
    /// By regime in lower case, where it is another number.
    pub by_regime: BTreeMap<String, u32>,
}

impl Default for Records {
    fn default() -> Self {
        Self { months: 36, by_regime: BTreeMap::new() }
    }
}

impl Records {
    /// The months of a regime, never fewer than its law asks for.
    #[must_use]
    pub fn months_of(&self, regime: Option<&str>) -> u32 {
        let regime = regime.map(|r| r.trim().to_lowercase());
        let named = regime.as_ref().and_then(|r| self.by_regime.get(r)).copied();
        let least = LEAST_MONTHS.iter().find(|(name, _)| regime.as_deref() == Some(name));
        named.unwrap_or(self.months).max(least.map_or(0, |(_, months)| *months))
    }
}

/// Until when the record of a request that is over is kept: its months after the later of its end and
/// the answer, at that hour in UTC.
#[must_use]
pub fn kept_until(request: &Request, records: &Records) -> Option<Timestamp> {
    let over_at = match &request.state {
        RequestState::Received
        | RequestState::Identified
        | RequestState::Released { .. }
        | RequestState::Running { .. } => return None,
        RequestState::Closed { at, .. }
        | RequestState::Denied { at, .. }
        | RequestState::Cancelled { at, .. }
        | RequestState::Expired { at } => *at,
        RequestState::Duplicate { .. } => request.filed_at,
    };
    let from = request.told.as_ref().map_or(over_at, |told| over_at.max(told.at));
    let months = i64::from(records.months_of(request.regime.as_deref()));
    let from = jiff::Timestamp::from_millisecond(from.millis()).ok()?.to_zoned(TimeZone::UTC);
    let end = from.checked_add(months.months()).ok()?;
    Some(Timestamp::from_millis(end.timestamp().as_millisecond()))
}

/// When the record ends by itself. `None` while anything personal is kept of it, and where it was filed
/// in error or is on hold: such a record ends by nobody's clock.
#[must_use]
pub fn ends_at(request: &Request, records: &Records) -> Option<Timestamp> {
    if request.in_error.is_some() || request.hold.is_some() || request.forgotten_at.is_none() {
        return None;
    }
    kept_until(request, records)
}

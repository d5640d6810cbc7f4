//! The statutory date. Until rule packs come: received_on + a number of days, shown as provisional.

use jiff::{ToSpan, civil::Date, tz::TimeZone};

use crate::Timestamp;

/// A refusal to compute a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDate {
    #[error(
        "received_on {given} lies in the future (today is {today} in the controller's time zone); give the day it arrived"
    )]
    InTheFuture { given: Date, today: Date },
    #[error("received_on {0} is out of range")]
    OutOfRange(Date),
}

/// The provisional due date, `days` calendar days after `received_on` (GDPR Art. 12(3) gives one
/// month; 30 days is never later than that by more than it is earlier, hence *provisional*).
///
/// # Errors
/// [`BadDate`] when `received_on` lies after `today`.
pub fn provisional_due(received_on: Date, today: Date, days: u16) -> Result<Date, BadDate> {
    if received_on > today {
        return Err(BadDate::InTheFuture { given: received_on, today });
    }
    received_on.checked_add(i32::from(days).days()).map_err(|_| BadDate::OutOfRange(received_on))
}

/// The last millisecond of `date` in `zone`: deadlines end with the last hour of the day
/// (Reg. (EEC) 1182/71 Art. 3(2)).
///
/// # Errors
/// [`BadDate::OutOfRange`] at the ends of time.
pub fn end_of(date: Date, zone: &TimeZone) -> Result<Timestamp, BadDate> {
    let next = date
        .tomorrow()
        .and_then(|d| d.to_zoned(zone.clone()))
        .map_err(|_| BadDate::OutOfRange(date))?;
    Ok(Timestamp::from_millis(next.timestamp().as_millisecond() - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn due_is_thirty_days_on_and_the_future_is_refused() {
        assert_eq!(
            provisional_due(date(2026, 11, 22), date(2026, 11, 22), 30),
            Ok(date(2026, 12, 22))
        );
        let error = provisional_due(date(2026, 11, 23), date(2026, 11, 22), 30);
        assert!(error.is_err_and(|e| e.to_string().contains("lies in the future")));
    }

    #[test]
    fn a_day_ends_in_its_own_zone() {
        let zone = TimeZone::get("Europe/Berlin").expect("zone");
        assert_eq!(
            end_of(date(2026, 10, 25), &zone).map(|t| t.to_string()).as_deref(),
            Ok("2026-10-25T22:59:59.999Z")
        );
    }
}

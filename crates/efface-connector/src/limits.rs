//! Reading how long a vendor wants to be left alone, in all the forms vendors use.

use std::time::Duration;

use efface_core::Timestamp;

/// Header names that carry a reset, beside `Retry-After`.
const RESETS: &[&str] =
    &["x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset", "x-regulation-ratelimit-reset"];

/// What lies further off was not meant.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// How long to wait, from `Retry-After` (RFC 9110 §10.2.3: seconds or a date) or else from a reset
/// header: seconds from now, seconds since 1970, or a date (RFC 5322 or RFC 3339). `header` looks a
/// name up, lower-case.
#[must_use]
pub fn retry_after<'h>(
    header: impl Fn(&str) -> Option<&'h str>,
    now: Timestamp,
) -> Option<Duration> {
    if let Some(wait) = header("retry-after").and_then(|text| wait(text, now)) {
        return Some(wait);
    }
    RESETS.iter().find_map(|name| header(name).and_then(|text| wait(text, now)))
}

/// Reads one value in any of the forms; past moments and negative numbers are zero.
#[must_use]
pub fn wait(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() {
            return None;
        }
        // anything after 2001 as epoch seconds; no vendor asks for thirty years of patience
        let seconds = if seconds > 1e12 { seconds / 1000.0 } else { seconds };
        let from_now =
            if seconds >= 1e9 { seconds - now.millis() as f64 / 1000.0 } else { seconds };
        return Some(Duration::from_secs_f64(from_now.clamp(0.0, LONGEST.as_secs_f64())));
    }
    date(text).map(|at| at.since(now).min(LONGEST))
}

fn date(text: &str) -> Option<Timestamp> {
    if let Ok(zoned) = jiff::fmt::rfc2822::parse(text) {
        return Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()));
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_000_000_000); // 2026-11-18T11:06:40Z

    fn check(text: &str, seconds: Option<u64>) {
        assert_eq!(wait(text, NOW), seconds.map(Duration::from_secs), "{text}");
    }

    #[test]
    fn every_form_of_a_reset_is_read() {
        check("30", Some(30));
        check("0", Some(0));
        check("-5", Some(0));
        check("1795000060", Some(60));
        check("1795000060000", Some(60));
        check("1794999000", Some(0));
        check("Wed, 18 Nov 2026 11:07:40 GMT", Some(60));
        check("Wed, 18 Nov 2026 12:07:40 +0100", Some(60));
        check("2026-11-18T11:07:40Z", Some(60));
        check("Thu, 31 Dec 9998 23:59:59 GMT", Some(366 * 86_400));
        check("soon", None);
        check("NaN", None);
    }

    #[test]
    fn retry_after_goes_before_a_reset() {
        let pick = |name: &str| match name {
            "retry-after" => Some("7"),
            "x-ratelimit-reset" => Some("99"),
            _ => None,
        };
        assert_eq!(retry_after(pick, NOW), Some(Duration::from_secs(7)));
        let only_reset = |name: &str| (name == "x-ratelimit-reset").then_some("99");
        assert_eq!(retry_after(only_reset, NOW), Some(Duration::from_secs(99)));
        assert_eq!(retry_after(|_| None, NOW), None);
    }
}

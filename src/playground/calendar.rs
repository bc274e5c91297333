//! Dates as mail writes them. Everything is in UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// RFC 5322 section 3.3: `Mon, 2 Nov 2026 09:30:00 +0000`.
pub(super) fn header_date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%a, %-d %b %Y %H:%M:%S +0000").to_string()
}

/// RFC 3501 `date-time`: ` 2-Nov-2026 09:30:00 +0000`, the day padded with a space.
pub(super) fn internal_date(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%e-%b-%Y %H:%M:%S +0000").to_string()
}

/// Reads an RFC 3501 `date-time` without its quotes.
pub(super) fn parse_internal_date(text: &str) -> Option<Timestamp> {
    let exact = text.len() == 26 && text.is_ascii();
    let parsed = jiff::fmt::strtime::parse("%d-%b-%Y %H:%M:%S %z", text.trim_start()).ok();
    parsed.filter(|_| exact)?.to_timestamp().ok()
}

/// Reads an RFC 3501 `date` (`1-Feb-2026`, the day with or without a leading zero).
pub(super) fn parse_day(text: &str) -> Option<jiff::civil::Date> {
    jiff::fmt::strtime::parse("%d-%b-%Y", text).ok()?.to_date().ok()
}

/// The day a moment falls on.
pub(super) fn day(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_internal_date_survives_a_round_trip() {
        let at: Timestamp = "2026-03-04T05:06:07Z".parse().unwrap();
        assert_eq!(internal_date(at), " 4-Mar-2026 05:06:07 +0000");
        assert_eq!(parse_internal_date(&internal_date(at)), Some(at));
        assert_eq!(header_date(at), "Wed, 4 Mar 2026 05:06:07 +0000");
    }

    #[test]
    fn a_zone_is_applied_and_nonsense_refused() {
        let at: Timestamp = "2026-03-04T03:06:07Z".parse().unwrap();
        assert_eq!(parse_internal_date("04-Mar-2026 05:06:07 +0200"), Some(at));
        assert_eq!(parse_internal_date("2026-03-04T03:06:07Z"), None);
        assert_eq!(parse_day("31-Feb-2026"), None);
        assert_eq!(parse_day("1-Feb-2026"), Some(jiff::civil::date(2026, 2, 1)));
    }
}

//! Dates and times as people here write them: `15 Maret 2027`, `14.05 WIB`, `2026-12`.

use crate::kernel::language::Language;
use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Timelike, Utc};
use chrono_tz::Tz;

const MONTHS_ID: [&str; 12] = ["Januari", "Februari", "Maret", "April", "Mei", "Juni", "Juli", "Agustus", "September", "Oktober", "November", "Desember"];
const MONTHS_EN: [&str; 12] = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
/// Month part of a campaign code, Indonesian.
pub const CODE_MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MEI", "JUN", "JUL", "AGT", "SEP", "OKT", "NOV", "DES"];

/// Earliest time we believe: WhatsApp began in 2009 (Reliability sheet: times between 2009 and now + 1 day).
pub const EARLIEST_MS: i64 = 1_230_768_000_000;

/// Month name, `month` 1 to 12.
pub fn month_name(month: u32, language: Language) -> &'static str {
    let names = if language == Language::En { &MONTHS_EN } else { &MONTHS_ID };
    names[(month.clamp(1, 12) - 1) as usize]
}

/// `15 Maret 2027` / `15 March 2027`.
pub fn long(date: NaiveDate, language: Language) -> String {
    format!("{} {} {}", date.day(), month_name(date.month(), language), date.year())
}

/// `15 Mar 2027`: the first three letters of the month.
pub fn short(date: NaiveDate, language: Language) -> String {
    format!("{} {} {}", date.day(), &month_name(date.month(), language)[..3], date.year())
}

/// RFC 3339 with the agency's offset, milliseconds only when there are any.
pub fn rfc3339(at_ms: i64, zone: Tz) -> String {
    match Utc.timestamp_millis_opt(at_ms).single() {
        Some(at) if at_ms % 1000 == 0 => at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        Some(at) => at.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Millis, false),
        None => String::new(),
    }
}

/// Reads RFC 3339, `YYYY-MM-DD[ HH:MM[:SS]]` (no zone: the agency's), or unix seconds/milliseconds.
pub fn parse_instant(text: &str, zone: Tz) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    for shape in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(at) = NaiveDateTime::parse_from_str(text, shape) {
            return local_ms(at, zone);
        }
    }
    if let Some(date) = day(text) {
        return local_ms(date.and_hms_opt(0, 0, 0)?, zone);
    }
    text.parse::<f64>().ok().and_then(unix_to_ms)
}

/// Unix seconds or milliseconds (told apart by size) as milliseconds; `None` when not a sane number.
pub fn unix_to_ms(number: f64) -> Option<i64> {
    if !number.is_finite() || number <= 0.0 || number > 1e15 {
        return None;
    }
    // 1e11 s is the year 5138, 1e11 ms is 1973: nothing real is ambiguous
    Some(if number < 1e11 { (number * 1000.0) as i64 } else { number as i64 })
}

/// `at_ms` if it lies between 2009 and a day from now, else `now_ms` (the raw value stays in the raw event).
pub fn believable(at_ms: Option<i64>, now_ms: i64) -> i64 {
    at_ms.filter(|at| (EARLIEST_MS..=now_ms + 86_400_000).contains(at)).unwrap_or(now_ms)
}

/// A calendar day, `YYYY-MM-DD`; days stand so in the store, and are read often enough to be read by hand.
pub fn day(text: &str) -> Option<NaiveDate> {
    let digits = |part: &[u8]| part.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u32::from(byte - b'0')));
    match text.as_bytes() {
        [year @ .., b'-', a, b, b'-', c, d] if year.len() == 4 => NaiveDate::from_ymd_opt(digits(year)? as i32, digits(&[*a, *b])?, digits(&[*c, *d])?),
        _ => NaiveDate::parse_from_str(text, "%Y-%m-%d").ok(),
    }
}

fn local_ms(at: NaiveDateTime, zone: Tz) -> Option<i64> {
    zone.from_local_datetime(&at).earliest().map(|at| at.timestamp_millis())
}

/// The calendar day of an instant in the agency's zone.
pub fn day_of(at_ms: i64, zone: Tz) -> NaiveDate {
    Utc.timestamp_millis_opt(at_ms).single().unwrap_or_default().with_timezone(&zone).date_naive()
}

/// First millisecond of `day` in the agency's zone.
pub fn day_start_ms(day: NaiveDate, zone: Tz) -> i64 {
    day.and_hms_opt(0, 0, 0).and_then(|at| local_ms(at, zone)).unwrap_or(0)
}

/// Hour and minute as the office writes them: `14.05`.
pub fn clock_time(at_ms: i64, zone: Tz) -> String {
    let at = Utc.timestamp_millis_opt(at_ms).single().unwrap_or_default().with_timezone(&zone);
    format!("{:02}.{:02}", at.hour(), at.minute())
}

/// `WIB`, `WITA`, `WIT` or the zone's own abbreviation.
pub fn zone_name(zone: Tz) -> String {
    match zone {
        Tz::Asia__Jakarta | Tz::Asia__Pontianak => "WIB".into(),
        Tz::Asia__Makassar => "WITA".into(),
        Tz::Asia__Jayapura => "WIT".into(),
        other => Utc::now().with_timezone(&other).format("%Z").to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_zone_is_the_agencys() {
        // the brief's sample body: 10:30 WIB is 03:30 UTC
        let at = parse_instant("2025-01-25 10:30:00", Tz::Asia__Jakarta).unwrap();
        assert_eq!(rfc3339(at, Tz::UTC), "2025-01-25T03:30:00+00:00");
        assert_eq!(rfc3339(at, Tz::Asia__Jakarta), "2025-01-25T10:30:00+07:00");
        assert_eq!(parse_instant("1785722460", Tz::UTC), Some(1_785_722_460_000));
        assert_eq!(parse_instant("1785722460000", Tz::UTC), Some(1_785_722_460_000));
        assert_eq!(parse_instant("besok", Tz::UTC), None);
    }

    #[test]
    fn unbelievable_times_become_now() {
        assert_eq!(believable(Some(1), 2_000_000_000_000), 2_000_000_000_000);
        assert_eq!(believable(Some(2_000_086_400_001), 2_000_000_000_000), 2_000_000_000_000);
        assert_eq!(believable(Some(1_999_999_999_999), 2_000_000_000_000), 1_999_999_999_999);
        assert_eq!(unix_to_ms(f64::NAN), None);
        assert_eq!(unix_to_ms(-5.0), None);
    }

    #[test]
    fn dates_read_as_people_write_them() {
        let day = NaiveDate::from_ymd_opt(2027, 3, 15).unwrap();
        assert_eq!(long(day, Language::Id), "15 Maret 2027");
        assert_eq!(short(day, Language::En), "15 Mar 2027");
    }
}

//! Office hours: when people are there to answer, and how long somebody has waited while they were.

use chrono::{DateTime, Datelike, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use std::collections::BTreeSet;

/// Longest span looked through, days: who waits longer waits too long anyway.
const MOST_DAYS: i64 = 30;

/// When the office is open, in the agency's zone.
#[derive(Clone, Debug)]
pub struct Hours {
    /// The zone.
    pub zone: Tz,
    /// Opens, each day.
    pub open: NaiveTime,
    /// Closes, each day; before `open`: after midnight.
    pub close: NaiveTime,
    /// Working days, 1 Monday to 7 Sunday.
    pub days: BTreeSet<u32>,
    /// Pauses on every day (prayer), and those of Friday alone.
    pub pauses: Vec<(NaiveTime, NaiveTime)>,
    /// The same, on Fridays.
    pub friday: Vec<(NaiveTime, NaiveTime)>,
    /// Days off.
    pub holidays: BTreeSet<NaiveDate>,
}

/// `08:00-16:00, 18:00-20:00` as spans; what cannot be read is left out.
pub fn spans(text: &str) -> Vec<(NaiveTime, NaiveTime)> {
    let time = |text: &str| NaiveTime::parse_from_str(&text.trim().replace('.', ":"), "%H:%M").ok();
    text.split([',', ';']).filter_map(|span| span.split_once(['-', '–'])).filter_map(|(from, to)| Some((time(from)?, time(to)?))).filter(|(from, to)| from < to).collect()
}

/// `12345` or `1-5` as days of the week.
pub fn week_days(text: &str) -> BTreeSet<u32> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).filter(|day| (1..=7).contains(day)).collect();
    match digits[..] {
        [from, to] if text.contains('-') && from <= to => (from..=to).collect(),
        _ => digits.into_iter().collect(),
    }
}

impl Hours {
    /// Open spans of a day, in unix ms, in order.
    fn of_day(&self, day: NaiveDate) -> Vec<(i64, i64)> {
        if !self.days.contains(&day.weekday().number_from_monday()) || self.holidays.contains(&day) {
            return Vec::new();
        }
        let at = |day: NaiveDate, time: NaiveTime| self.zone.from_local_datetime(&day.and_time(time)).earliest().map_or(0, |at| at.timestamp_millis());
        let end = if self.close > self.open { at(day, self.close) } else { at(day + Duration::days(1), self.close) };
        let mut open = vec![(at(day, self.open), end)];
        let extra: &[(NaiveTime, NaiveTime)] = if day.weekday().number_from_monday() == 5 { &self.friday } else { &[] };
        for (from, to) in self.pauses.iter().chain(extra) {
            let (from, to) = (at(day, *from), at(day, *to));
            open = open.into_iter().flat_map(|(a, b)| [(a, b.min(from)), (a.max(to), b)]).filter(|(a, b)| a < b).collect();
        }
        open
    }

    fn day(&self, at_ms: i64) -> NaiveDate {
        DateTime::<Utc>::from_timestamp_millis(at_ms).unwrap_or_default().with_timezone(&self.zone).date_naive()
    }

    /// Milliseconds of office hours between two instants.
    pub fn between_ms(&self, from_ms: i64, to_ms: i64) -> i64 {
        if to_ms <= from_ms {
            return 0;
        }
        let from_ms = from_ms.max(to_ms - MOST_DAYS * 86_400_000);
        let (mut day, last) = (self.day(from_ms) - Duration::days(1), self.day(to_ms));
        let mut sum = 0;
        while day <= last {
            sum += self.of_day(day).into_iter().map(|(a, b)| (b.min(to_ms) - a.max(from_ms)).max(0)).sum::<i64>();
            day += Duration::days(1);
        }
        sum
    }

    /// The instant from which the office was open for `open_ms` until `to_ms`, as far back as clocks look.
    pub fn open_since_ms(&self, to_ms: i64, open_ms: i64) -> i64 {
        let (mut low, mut high) = (to_ms - MOST_DAYS * 86_400_000, to_ms);
        while high - low > 1_000 {
            let middle = low + (high - low) / 2;
            if self.between_ms(middle, to_ms) >= open_ms { low = middle } else { high = middle }
        }
        low
    }

    /// Whether the office is open.
    pub fn is_open(&self, at_ms: i64) -> bool {
        let day = self.day(at_ms);
        [day - Duration::days(1), day].into_iter().flat_map(|day| self.of_day(day)).any(|(a, b)| (a..b).contains(&at_ms))
    }

    /// The next moment it is open, `at_ms` itself if it is; none within a month: it never is.
    pub fn next_open_ms(&self, at_ms: i64) -> Option<i64> {
        let day = self.day(at_ms);
        (-1..=MOST_DAYS).flat_map(|n| self.of_day(day + Duration::days(n))).find(|(_, b)| *b > at_ms).map(|(a, _)| a.max(at_ms))
    }

    /// The same office with other hours and days: a person's shift.
    pub fn with(&self, open: NaiveTime, close: NaiveTime, days: BTreeSet<u32>) -> Self {
        Self { open, close, days, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn office() -> Hours {
        let time = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
        Hours {
            zone: Tz::Asia__Jakarta,
            open: time(8, 0),
            close: time(17, 0),
            days: week_days("1-6"),
            pauses: spans("12:00-12:45"),
            friday: spans("11:30-13:00"),
            holidays: [NaiveDate::from_ymd_opt(2026, 12, 25).unwrap()].into(),
        }
    }

    fn at(text: &str) -> i64 {
        crate::kernel::date::parse_instant(text, Tz::Asia__Jakarta).unwrap()
    }

    #[test]
    fn nights_sundays_prayers_and_holidays_do_not_count() {
        let office = office();
        let minutes = |from, to| office.between_ms(at(from), at(to)) / 60_000;
        assert_eq!(minutes("2026-11-19 08:00", "2026-11-19 17:00"), 9 * 60 - 45); // Thursday
        assert_eq!(minutes("2026-11-20 11:00", "2026-11-20 14:00"), 90); // Friday
        assert_eq!(minutes("2026-11-21 16:50", "2026-11-23 08:05"), 15); // Saturday evening to Monday
        assert_eq!(minutes("2026-12-24 16:55", "2026-12-26 08:05"), 10); // over Christmas
        assert!(!office.is_open(at("2026-11-22 10:00")) && office.is_open(at("2026-11-23 10:00")));
        assert_eq!(office.next_open_ms(at("2026-11-21 18:00")), Some(at("2026-11-23 08:00")));
    }

    proptest! {
        #[test]
        fn time_adds_up(a in 0i64..10_000_000, b in 0i64..10_000_000, c in 0i64..10_000_000) {
            let base = at("2026-11-18 00:00");
            let mut t = [a, b, c].map(|m| base + m * 100);
            t.sort_unstable();
            let office = office();
            prop_assert_eq!(office.between_ms(t[0], t[2]), office.between_ms(t[0], t[1]) + office.between_ms(t[1], t[2]));
        }
    }
}

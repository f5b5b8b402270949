//! Times as people write them, in UTC. Times are in milliseconds since the Unix epoch.

use crate::clock::DAY_MS;

/// A time as a day, such as `2026-11-28`.
pub fn day(ts: i64) -> String {
    let (year, month, day) = civil(ts.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A time as a day and a minute, such as `2026-11-28 10:22`.
pub fn minute(ts: i64) -> String {
    let minutes = ts.rem_euclid(DAY_MS) / 60_000;
    format!("{} {:02}:{:02}", day(ts), minutes / 60, minutes % 60)
}

/// A time as RFC 3339 has it, such as `2026-11-28T10:22:05Z`.
pub fn rfc3339(ts: i64) -> String {
    let seconds = ts.rem_euclid(DAY_MS) / 1_000;
    format!("{}T{:02}:{:02}:{:02}Z", day(ts), seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

/// The year of a time.
pub fn year(ts: i64) -> i64 {
    civil(ts.div_euclid(DAY_MS)).0
}

/// The beginning of a day such as `2026-11-28`, if it is one.
pub fn parse_day(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let mut next = |length: usize| -> Option<i64> {
        let part =
            parts.next().filter(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        part.parse().ok()
    };
    let (year, month, day) = (next(4)?, next(2)?, next(2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let is_day = parts.next().is_none() && (1..=12).contains(&month) && (1..=days).contains(&day);
    is_day.then(|| days_from_civil(year, month, day) * DAY_MS)
}

/// Year, month and day of a number of days since the epoch, by the proleptic Gregorian calendar counted from March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_there_and_back() {
        for (text, ts) in [
            ("1970-01-01", 0),
            ("2000-02-29", 951_782_400_000),
            ("2026-05-28", 1_779_926_400_000),
            ("1969-12-31", -DAY_MS),
            ("2038-01-20", 2_147_558_400_000),
        ] {
            assert_eq!(day(ts), text);
            assert_eq!(parse_day(text), Some(ts), "{text}");
        }
        for days in (-200_000..400_000).step_by(37) {
            assert_eq!(parse_day(&day(days * DAY_MS)).unwrap_or(days * DAY_MS), days * DAY_MS);
        }
        for no_day in ["2026-13-01", "2025-02-29", "2026-1-1", "2026-11-28x", "2026-11", "", "28.11.2026", "2026-00-10"]
        {
            assert_eq!(parse_day(no_day), None, "{no_day}");
        }
    }

    #[test]
    fn times_of_the_day() {
        let ts = 1_780_000_000_000;
        assert_eq!(rfc3339(ts), "2026-05-28T20:26:40Z");
        assert_eq!(minute(ts), "2026-05-28 20:26");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(year(ts), 2026);
    }
}

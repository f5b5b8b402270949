//! Texts and times of registers.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// A text of a register, as UTF-8 if it is that, else in the register's own encoding. Mirrors convert registers without saying so; a text in
/// a one-byte encoding that happens to be UTF-8 beyond ASCII does not occur among names and words.
pub(crate) fn decode<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Cow<'a, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => encoding.decode_without_bom_handling(bytes).0,
    }
}

/// A time in milliseconds since the epoch: `2026-11-27 21:05:00 +0300`, `2026-11-27T21:05:00+03:00`, with `Z`, with fractions of a second, or
/// without an offset, where `offset_minutes` says what is meant. A date alone is its first moment.
pub(crate) fn time(text: &str, offset_minutes: i64) -> Option<i64> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    let days = days(date)?;
    let rest = rest.trim_start_matches(['T', 't', ' ']);
    if rest.is_empty() {
        return Some(days * 86_400_000 - offset_minutes * 60_000);
    }
    let (clock, offset) = match rest.find(['+', '-', 'Z', 'z']) {
        Some(at) => (rest.get(..at)?.trim(), offset(rest.get(at..)?)?),
        None => (rest, offset_minutes),
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = clock.split(':').map(number);
    let (hour, minute) = (fields.next()??, fields.next()??);
    let second = fields.next().unwrap_or(Some(0))?;
    let fits = fields.next().is_none() && hour < 24 && minute < 60 && second <= 60 && number(fraction).is_some();
    fits.then(|| days * 86_400_000 + ((hour * 60 + minute - offset) * 60 + second) * 1_000)
}

/// A date as `2026-11-27`, if the text begins with one, in that order or as `27.11.2026`.
pub(crate) fn date(text: &str) -> Option<String> {
    let text = text.trim();
    let day = text.get(..10)?;
    if days(day).is_some() {
        return Some(day.to_owned());
    }
    let turned = format!("{}-{}-{}", day.get(6..)?, day.get(3..5)?, day.get(..2)?);
    let is_dotted = day.get(2..3)? == "." && day.get(5..6)? == ".";
    (is_dotted && days(&turned).is_some()).then_some(turned)
}

fn number(text: &str) -> Option<i64> {
    let fits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if fits { text.parse().ok() } else { None }
}

/// `+0300`, `+03:00`, `-01`, `Z`, in minutes.
fn offset(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, digits) = text.split_at_checked(1)?;
    let digits = digits.replace(':', "");
    let (hours, minutes) = match digits.len() {
        2 => (number(&digits)?, 0),
        4 => (number(digits.get(..2)?)?, number(digits.get(2..)?)?),
        _ => return None,
    };
    let fits = hours < 24 && minutes < 60;
    let minutes = hours * 60 + minutes;
    fits.then_some(if sign == "-" { -minutes } else { minutes })
}

/// Days since the epoch of `2026-11-27`.
fn days(text: &str) -> Option<i64> {
    let mut fields = text.split('-');
    let (year, month, day) = (fields.next()?, fields.next()?, fields.next()?);
    if fields.next().is_some() || (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let longest = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if day < 1 || day > longest {
        return None;
    }
    // Days from civil date, by the proleptic Gregorian calendar counted from March.
    let year_from_march = year - i64::from(month <= 2);
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let nine = Some(1_795_813_500_000); // 2026-11-27T21:05:00Z
        assert_eq!(time("2026-11-27 21:05:00 +0000", 180), nine);
        assert_eq!(time("2026-11-28T00:05:00+03:00", 0), nine);
        assert_eq!(time("2026-11-28T00:05:00", 180), nine);
        assert_eq!(time("2026-11-27T21:05:00.123Z", 180), nine);
        assert_eq!(time("1970-01-01", 0), Some(0));
        // Beyond what 32 bits of seconds hold.
        assert_eq!(time("2038-01-19 03:14:08 +0000", 0), Some(2_147_483_648_000));
        assert_eq!(time("9999-12-31T23:59:59Z", 0), Some(253_402_300_799_000));
        for wrong in [
            "",
            "2026",
            "2026-13-01",
            "2026-02-29",
            "2026-11-27 25:00",
            "2026-11-27 10",
            "x026-11-27",
            "2026-11-27 10:00 +9999",
            "₽₽₽₽₽₽",
        ] {
            assert_eq!(time(wrong, 0), None, "{wrong}");
        }
    }

    #[test]
    fn dates() {
        assert_eq!(date("2026-11-27T10:00:00").as_deref(), Some("2026-11-27"));
        assert_eq!(date("27.11.2026").as_deref(), Some("2026-11-27"));
        assert_eq!(date("2024-02-29").as_deref(), Some("2024-02-29"));
        for wrong in ["31.02.2026", "yesterday!", "27-11-2026", "", "ядядя"] {
            assert_eq!(date(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn texts_in_either_encoding() {
        let cyrillic = [0xd0, 0xee, 0xf1, 0xea, 0xee, 0xec, 0xed, 0xe0, 0xe4, 0xe7, 0xee, 0xf0];
        assert_eq!(decode(&cyrillic, encoding_rs::WINDOWS_1251), "Роскомнадзор");
        assert_eq!(decode("Роскомнадзор".as_bytes(), encoding_rs::WINDOWS_1251), "Роскомнадзор");
    }
}

//! Times, sizes and words as people read them.

use domicile_core::{
    calendar::{day, minute, rfc3339},
    clock::{DAY_MS, HOUR_MS, MINUTE_MS},
};
use maud::{Markup, html};

/// A time in UTC, to the minute.
pub(crate) fn time(ts: i64) -> Markup {
    html! { time datetime=(rfc3339(ts)) { (minute(ts)) } }
}

/// A day in UTC.
pub(crate) fn date(ts: i64) -> Markup {
    html! { time datetime=(rfc3339(ts)) title=(minute(ts)) { (day(ts)) } }
}

/// A date, or a dash.
pub(crate) fn date_or_none(ts: Option<i64>) -> Markup {
    html! { @if let Some(ts) = ts { (date(ts)) } @else { span.soft { "–" } } }
}

/// A length of time, roughly.
pub(crate) fn about(length_ms: i64) -> String {
    let count = |number: i64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match length_ms.saturating_abs() {
        ms if ms >= 2 * DAY_MS => count(ms / DAY_MS, "day"),
        ms if ms >= 2 * HOUR_MS => count(ms / HOUR_MS, "hour"),
        ms => count(ms / MINUTE_MS, "minute"),
    }
}

/// How long until a time, or how long it is over.
pub(crate) fn until(now_ms: i64, due_ms: i64) -> String {
    let left = due_ms.saturating_sub(now_ms);
    if left < 0 { format!("{} late", about(left)) } else { format!("in {}", about(left)) }
}

/// A number of bytes.
pub(crate) fn bytes(number: i64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1_024 {
        return format!("{number} B");
    }
    let (mut rest, mut unit) = (number, "B");
    let mut tenths = 0;
    for next in UNITS {
        if rest < 1_024 {
            break;
        }
        tenths = (rest % 1_024) * 10 / 1_024;
        rest /= 1_024;
        unit = next;
    }
    format!("{rest}.{tenths} {unit}")
}

/// A number with thin spaces between thousands.
pub(crate) fn number<N: Into<i128>>(number: N) -> String {
    let number: i128 = number.into();
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len() * 2);
    if number < 0 {
        out.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// One thing or several: `1 room`, `2 rooms`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{} {}", number(i128::try_from(count).unwrap_or(i128::MAX)), if count == 1 { one } else { many })
}

/// A word of ours as people read it: `needs_operator` is `needs operator`.
pub(crate) fn words(word: &str) -> String {
    word.replace('_', " ")
}

/// A word in a coloured field; what it means is in the word, never in the colour alone.
pub(crate) fn tag(class: &str, word: &str) -> Markup {
    html! { span class={ "tag " (class) } { (words(word)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_sizes_and_numbers() {
        assert_eq!(until(0, 3 * DAY_MS + 5), "in 3 days");
        assert_eq!(until(3 * HOUR_MS, 0), "3 hours late");
        assert_eq!(until(0, MINUTE_MS), "in 1 minute");
        assert_eq!(bytes(1_023), "1023 B");
        assert_eq!(bytes(1_536), "1.5 KiB");
        assert_eq!(bytes(3 << 40), "3.0 TiB");
        assert!(bytes(i64::MAX).ends_with("PiB"));
        assert_eq!(number(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(number(-12), "−12");
        assert_eq!(counted(1, "room", "rooms"), "1 room");
    }
}

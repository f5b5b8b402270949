//! Globs, as server ACLs and the operator's lists have them.

/// Whether a text is of a pattern in which `*` stands for any characters and `?` for one. The time is bounded by the product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // After the last star, and how much of the text it stands for so far.
    let mut again = None;
    loop {
        let (before, mut ahead) = (text.clone(), pattern.clone());
        match (ahead.next(), text.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                text = before.clone();
                again = Some((ahead.clone(), before));
                pattern = ahead;
            }
            (Some(wanted), Some(letter)) if wanted == '?' || wanted == letter => pattern = ahead,
            _ => {
                let Some((after_star, mut skipped)) = again else { return false };
                if skipped.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = skipped.clone();
                again = Some((after_star, skipped));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is measured is this machine's time")]
    fn patterns_of_stars_take_no_time() {
        assert!(
            matches("", "")
                && matches("*", "")
                && !matches("?", "")
                && matches("**a*?", "xxab")
                && !matches("a*b", "acbc")
        );
        let begun = Instant::now();
        assert!(!matches(&"*a".repeat(1_000), &format!("{}b", "a".repeat(255))));
        assert!(begun.elapsed().as_millis() < 500);
    }

    #[test]
    fn stars_are_tried_in_every_length() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("a*b*c", "aXbXbc", true),
            ("a*b*c", "aXbXb", false),
            ("**a", "bba", true),
            ("", "a", false),
            ("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }
}

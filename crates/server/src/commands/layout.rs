//! Laying out text for a terminal.

/// A number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A text in lines of at most `width` letters, broken at spaces; a longer word has a line of its own. What could move the cursor is left out.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: String = word.chars().filter(|letter| !letter.is_control()).collect();
        match lines.last_mut().filter(|line| line.chars().count() + 1 + word.chars().count() <= width) {
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(5_000), "5,000");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn texts_are_broken_at_spaces_and_counted_in_letters() {
        assert_eq!(wrapped("eins zwei drei", 9), ["eins zwei", "drei"]);
        assert_eq!(wrapped("сообщение дошло", 9), ["сообщение", "дошло"]);
        assert_eq!(wrapped("a\u{1b}[2Jb", 9), ["a[2Jb"]);
        assert!(wrapped("  ", 9).is_empty());
    }
}

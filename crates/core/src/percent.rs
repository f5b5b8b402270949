//! Percent-encoding (RFC 3986, section 2.1): texts in paths, queries and headers.

use std::fmt::Write as _;

/// A text in which all bytes but ASCII letters, digits and `plain` are encoded.
pub fn encoded(text: &str, plain: &[u8]) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// A text as it was meant; nothing if a code is none, or if that is no text.
pub fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            bytes.push(code(tail)?);
            rest = tail.get(2..)?;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// A text as it was probably meant: what is no code stays as it is, and what is no text is replaced.
pub fn decoded_loosely(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match code(tail).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => bytes.push(*first),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that two digits stand for.
fn code(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits.get(..2)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_comes_back() {
        for text in ["", "!a:example.org/@bob", "Zoë asked: 100% of it\n…"] {
            let encoded = encoded(text, b"-._~/");
            assert!(encoded.is_ascii(), "{encoded}");
            assert_eq!(decoded(encoded.as_bytes()).as_deref(), Some(text));
            assert_eq!(decoded_loosely(&encoded), text);
        }
        assert_eq!(encoded("a b@c", b"@"), "a%20b@c");
    }

    #[test]
    fn what_is_no_code_is_refused_or_stays() {
        for (text, loosely) in [("%", "%"), ("%2", "%2"), ("%G1", "%G1"), ("%ff", "\u{fffd}"), ("%é", "%é")] {
            assert_eq!(decoded(text.as_bytes()), None, "{text}");
            assert_eq!(decoded_loosely(text), loosely);
        }
    }
}

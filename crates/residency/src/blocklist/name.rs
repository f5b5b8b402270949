//! Host names in one form: small ASCII letters, punycode where they are of other scripts, no dot at the end.

use std::borrow::Cow;

use domicile_core::percent;
use idna::AsciiDenyList;

/// Bytes of a name as the domain name system has them (RFC 1035, without the dot of the root).
const LONGEST_NAME: usize = 253;

/// A name in its one form. `None` if it cannot be a name. Stars stay, so a mask is in the same form.
pub(crate) fn canonical<'s>(name: &str, scratch: &'s mut Vec<u8>) -> Option<&'s [u8]> {
    let name = name.trim().trim_end_matches('.');
    scratch.clear();
    if name.is_ascii() {
        scratch.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
    } else {
        // A star is no letter of a name, and goes round.
        let stars = name.bytes().take_while(|byte| matches!(byte, b'*' | b'.')).count();
        let (stars, rest) = name.split_at(stars);
        let ascii = idna::domain_to_ascii_cow(rest.as_bytes(), AsciiDenyList::EMPTY).ok()?;
        scratch.extend_from_slice(stars.as_bytes());
        scratch.extend(ascii.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    is_name(scratch).then_some(scratch.as_slice())
}

/// Whether these bytes can be a name or a mask. Underscores are no letters of host names, and registers have them all the same.
fn is_name(name: &[u8]) -> bool {
    let fits = !name.is_empty()
        && name.len() <= LONGEST_NAME
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'*'));
    fits && name.split(|byte| *byte == b'.').all(|label| !label.is_empty() && label.len() <= 63)
}

/// The names above one, the nearest first: of `a.b.c`, `b.c` and `c`.
pub(crate) fn above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, byte)| **byte == b'.').filter_map(|(at, _)| name.get(at + 1..))
}

/// The host of an address of a page: what stands between `://` (or the beginning) and the path, without user and port; brackets stay.
pub(crate) fn host_of_url(url: &str) -> Option<Cow<'_, str>> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.trim_start_matches('/');
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = if host.starts_with('[') { host.split_inclusive(']').next()? } else { host.split(':').next()? };
    if host.is_empty() {
        return None;
    }
    if host.contains('%') { percent::decoded(host.as_bytes()).map(Cow::Owned) } else { Some(Cow::Borrowed(host)) }
}

/// Whether a name fits a mask in which each star stands for any letters, dots too.
pub(crate) fn fits_mask(name: &[u8], mask: &[u8]) -> bool {
    // The usual way with one place to come back to: no mask costs more than its length times the name's.
    let (mut n, mut m) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        if mask.get(m) == Some(&b'*') {
            m += 1;
            back = Some((m, n));
        } else if mask.get(m) == name.get(n) {
            (n, m) = (n + 1, m + 1);
        } else if let Some((after, at)) = back {
            (n, m) = (at + 1, after);
            back = Some((after, at + 1));
        } else {
            return false;
        }
    }
    mask.get(m..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(name: &str) -> Option<String> {
        canonical(name, &mut Vec::new()).map(|name| String::from_utf8(name.to_vec()).unwrap())
    }

    #[test]
    fn names_have_one_form() {
        assert_eq!(form("Example.ORG."), Some("example.org".to_owned()));
        assert_eq!(form("пример.рф"), Some("xn--e1afmkfd.xn--p1ai".to_owned()));
        assert_eq!(form("ПРИМЕР.РФ."), form("XN--E1AFMKFD.xn--p1ai"));
        assert_eq!(form("*.пример.рф"), Some("*.xn--e1afmkfd.xn--p1ai".to_owned()));
        assert_eq!(form("a_b.example"), Some("a_b.example".to_owned()));
        assert_eq!(form("*"), Some("*".to_owned()));
        for wrong in
            ["", ".", "a..b", "a b.c", "exa mple", "a/b", "a:80", &"a".repeat(64), &"a.".repeat(200), "\u{fffd}.рф"]
        {
            assert_eq!(form(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_above() {
        let all: Vec<&[u8]> = above(b"a.b.c").collect();
        assert_eq!(all, [&b"b.c"[..], b"c"]);
        assert_eq!(above(b"c").count(), 0);
    }

    #[test]
    fn hosts_of_addresses() {
        for (url, host) in [
            ("https://Example.org/path", "Example.org"),
            ("http://user:word@example.org:8080?x", "example.org"),
            ("example.org/path", "example.org"),
            ("https://[2001:db8::1]:443/", "[2001:db8::1]"),
            ("newcamd://example.org:1/", "example.org"),
            ("http://ex%61mple.org/", "example.org"),
            ("https:////example.org", "example.org"),
        ] {
            assert_eq!(host_of_url(url).as_deref(), Some(host), "{url}");
        }
        for wrong in ["", "https://", "http://%zz/", "http:///"] {
            assert_eq!(host_of_url(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn masks() {
        for (name, mask) in
            [("a.b.c", "*.c"), ("a.b.c", "a.*.c"), ("a.b.c", "*"), ("abc", "*bc"), ("abc", "a**c"), ("abc", "abc*")]
        {
            assert!(fits_mask(name.as_bytes(), mask.as_bytes()), "{name} {mask}");
        }
        for (name, mask) in [("b.c", "*.b.c"), ("abc", "b*"), ("abc", ""), ("abc", "*d"), ("a.b.d", "a.*.c")] {
            assert!(!fits_mask(name.as_bytes(), mask.as_bytes()), "{name} {mask}");
        }
    }
}

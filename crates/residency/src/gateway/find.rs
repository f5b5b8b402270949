//! Which operation a request is.

use super::{OPERATIONS, Operation};

/// A request by the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What is asked.
    pub operation: &'static Operation,
    /// What stands in the path where the table has a name in braces, as it was meant.
    pub parts: Vec<String>,
}

/// The operation of a method and a path without its query.
pub fn find(method: &str, path: &str) -> Option<Found> {
    let mut found: Option<Found> = None;
    for operation in OPERATIONS.iter().filter(|operation| operation.method == method) {
        let Some(parts) = parts(operation.path, path) else { continue };
        // `query/profile` is one, too, and not `query/{queryType}`.
        if found.as_ref().is_none_or(|found| parts.len() < found.parts.len()) {
            found = Some(Found { operation, parts });
        }
    }
    found
}

fn parts(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(wanted), Some(given)) if wanted.starts_with('{') => parts.push(unescaped(given)?),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

/// A part of a path or a query as it was meant; nothing if that is no text.
pub fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let code = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(code, 16).ok()?);
        rest = tail.get(2..)?;
    }
    String::from_utf8(bytes).ok()
}

/// A text as it stands in a path or a query; a slash stays one.
pub fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing into a text does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Route;

    #[test]
    fn a_request_is_found_in_the_table() {
        let room = find("GET", "/_matrix/federation/v1/make_join/%21a%3Aexample.org/%40bob%3Aexample.com").unwrap();
        assert_eq!(room.operation.route, Route::Room);
        assert_eq!(room.parts, ["!a:example.org", "@bob:example.com"]);
        assert_eq!(find("GET", "/_matrix/federation/v1/query/profile").unwrap().operation.route, Route::User);
        assert_eq!(find("GET", "/_matrix/federation/v1/query/other").unwrap().operation.route, Route::Gateway);
        assert_eq!(find("PUT", "/_matrix/federation/v1/send/t1").unwrap().operation.route, Route::Transaction);
        for (method, path) in [
            ("POST", "/_matrix/federation/v1/send/t1"),
            ("GET", "/_matrix/federation/v1/send"),
            ("GET", "/_matrix/federation/v1/event/%ff"),
            ("GET", "/_matrix/federation/v1/event/%2"),
            ("GET", "/"),
        ] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
    }
}

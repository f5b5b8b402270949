//! Which operation a request is.

use domicile_core::percent;

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
            (Some(wanted), Some(given)) if wanted.starts_with('{') => parts.push(percent::decoded(given.as_bytes())?),
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
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

//! The first lines of endpoint files: which method and path each answers.

/// An operation as an endpoint's file declares it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone)]
pub(crate) struct Declared {
    pub(crate) method: String,
    /// With parameters as `{name}`.
    pub(crate) path: String,
}

/// Whether this path is that of an endpoint: `crates/http/src/<api>/<area>/<endpoint>.rs`.
pub(crate) fn is_endpoint_file(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("crates/http/src/") else { return false };
    let parts: Vec<&str> = rest.split('/').collect();
    matches!(parts.as_slice(), ["client" | "federation", _, file] if *file != "mod.rs")
}

/// Reads `//! METHOD /path (section)`; one file may answer several methods and paths of one thing, each on a line.
pub(crate) fn parse_line(line: &str) -> Option<Declared> {
    let rest = line.strip_prefix("//! ")?;
    let (method, rest) = rest.split_once(' ')?;
    if !["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD"].contains(&method) {
        return None;
    }
    let (path, section) = rest.split_once(' ')?;
    let is_path = path.starts_with("/_matrix/") || path.starts_with("/.well-known/");
    (is_path && section.starts_with('(') && section.contains(')'))
        .then(|| Declared { method: method.to_owned(), path: path.to_owned() })
}

/// All operations that the head of a file declares.
pub(crate) fn parse_head(text: &str) -> impl Iterator<Item = Declared> {
    text.lines().take_while(|line| line.starts_with("//!")).filter_map(parse_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_declares_itself_in_its_first_lines() {
        let head = "//! GET /_matrix/client/v3/sync (spec: Syncing)\n//!\n//! Waits.\nuse x;\n//! PUT /_matrix/a (b)\n";
        let declared: Vec<_> = parse_head(head).collect();
        assert_eq!(declared, [Declared { method: "GET".into(), path: "/_matrix/client/v3/sync".into() }]);
        assert_eq!(parse_line("//! FETCH /_matrix/a (b)"), None);
        assert_eq!(parse_line("//! GET /_matrix/a"), None);
        assert_eq!(parse_line("//! GET sync (spec)"), None);
    }

    #[test]
    fn endpoints_stand_two_folders_deep() {
        assert!(is_endpoint_file("crates/http/src/client/sync/sync_events.rs"));
        assert!(!is_endpoint_file("crates/http/src/client/sync/mod.rs"));
        assert!(!is_endpoint_file("crates/http/src/client/sync.rs"));
        assert!(!is_endpoint_file("crates/app/src/sync/streams/events.rs"));
    }
}

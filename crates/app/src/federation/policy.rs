//! Which servers the operator lets us talk to.

use std::{fmt, sync::Arc};

use domicile_core::{
    error::{ErrorKind, MatrixError},
    glob,
};
use ruma::ServerName;

use super::OwnKeys;
use crate::residency::OwnCell;

/// The operator's lists.
#[derive(Clone, Debug)]
pub struct Policy {
    enabled: bool,
    allow: Vec<String>,
    deny: Vec<String>,
    cell: Option<Gate>,
}

/// What a deployment's document says of other servers, to one of its cells.
#[derive(Clone)]
pub struct Gate {
    /// The cell.
    pub own: Arc<OwnCell>,
    /// Its keys.
    pub own_keys: Arc<OwnKeys>,
}

impl Gate {
    /// Whether this cell is a gateway whose key for other servers is not in the document.
    pub fn is_unknown(&self) -> bool {
        self.own.document().is_gateway(self.own.name()) && !self.own_keys.is_known()
    }

    /// Whether a gateway carries what this cell's people share with other servers, and is known if it is this one.
    fn is_open(&self) -> bool {
        let document = self.own.document();
        !self.is_unknown() && document.cells.keys().any(|cell| document.carries(cell, self.own.region()))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("own", self.own.name()).finish_non_exhaustive()
    }
}

impl Policy {
    /// Globs of hosts, as server ACLs have them: `*` is anything, `?` one character. No `allow` means all; `deny` wins.
    pub fn new(enabled: bool, allow: &[String], deny: &[String]) -> Self {
        let small = |globs: &[String]| globs.iter().map(|glob| glob.to_ascii_lowercase()).collect();
        Self { enabled, allow: small(allow), deny: small(deny), cell: None }
    }

    /// The same lists in a cell, which talks to others only as its deployment's document lets it, as that is at the time.
    #[must_use]
    pub fn of_cell(self, gate: Gate) -> Self {
        Self { cell: Some(gate), ..self }
    }

    /// Whether there is any federation.
    pub fn is_enabled(&self) -> bool {
        self.enabled && self.cell.as_ref().is_none_or(Gate::is_open)
    }

    /// Whether we talk to a server.
    pub fn allows(&self, server_name: &ServerName) -> bool {
        let host = server_name.host().to_ascii_lowercase();
        let named = |globs: &[String]| globs.iter().any(|glob| glob::matches(glob, &host));
        !named(&self.deny) && (self.allow.is_empty() || named(&self.allow)) && self.is_enabled()
    }

    /// The same as an error.
    pub fn check(&self, server_name: &ServerName) -> Result<(), MatrixError> {
        if self.allows(server_name) {
            return Ok(());
        }
        Err(ErrorKind::Forbidden.with(format!("This server does not talk to {server_name}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str]) -> Policy {
        let owned = |globs: &[&str]| globs.iter().map(|glob| (*glob).to_owned()).collect::<Vec<_>>();
        Policy::new(true, &owned(allow), &owned(deny))
    }

    fn allows(policy: &Policy, name: &str) -> bool {
        policy.allows(name.try_into().unwrap())
    }

    #[test]
    fn lists_are_globs_over_hosts_and_denial_wins() {
        let open = policy(&[], &["*.evil.example", "bad?.example"]);
        for (name, allowed) in [
            ("good.example", true),
            ("evil.example", true),
            ("a.evil.example", false),
            ("A.Evil.example:8448", false),
            ("bad1.example", false),
            ("bad12.example", true),
        ] {
            assert_eq!(allows(&open, name), allowed, "{name}");
        }
        let closed = policy(&["*.example", "10.0.0.1"], &["not.example"]);
        for (name, allowed) in [("a.example", true), ("not.example", false), ("a.org", false), ("10.0.0.1:80", true)] {
            assert_eq!(allows(&closed, name), allowed, "{name}");
        }
        assert!(!Policy::new(false, &[], &[]).allows("a.example".try_into().unwrap()));
    }
}

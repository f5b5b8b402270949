//! What a region's people share with other people's servers.

use ruma::ServerName;

use super::{Decision, Rule};

/// What crosses to other people's servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outer {
    /// The same for all servers.
    All(Rule),
    /// Everything, to and from these servers alone; a port plays no part.
    Only(Vec<String>),
}

/// What a region's people share with a server.
pub fn to_server(outer: &Outer, server: &ServerName) -> Decision {
    let rule = match outer {
        Outer::All(rule) => *rule,
        Outer::Only(named) if named.iter().any(|name| name.eq_ignore_ascii_case(server.host())) => Rule::Allow,
        Outer::Only(_) => Rule::Forbid,
    };
    let reason = match rule {
        Rule::Allow => "The service's rules let everything here be shared with that server.".to_owned(),
        Rule::EncryptedOnly => {
            "The service's rules let you share encrypted messages only with people of other servers.".to_owned()
        }
        Rule::Forbid => format!("The service's rules do not let you share anything with people of {server}."),
    };
    Decision { rule, reason, detail: format!("`outer` of the region: {}", rule.word()) }
}

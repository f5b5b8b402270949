//! What a region's people share with other people's servers.

use std::collections::BTreeSet;

use domicile_core::{locality::Destination, region::Region};
use ruma::ServerName;

use super::{Decision, FENCE, Fence, Rule, between};
use crate::deployment::Deployment;

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

/// What a region's people share with whoever is told: another cell, or another server. With a cell that is not at work, nothing.
pub fn to_destination(deployment: &Deployment, region: &Region, destination: &Destination) -> Decision {
    let nothing = |detail: String| Decision { rule: Rule::Forbid, reason: Rule::Forbid.reason().to_owned(), detail };
    match destination {
        Destination::Cell(cell) => match deployment.region_of(cell) {
            Some(theirs) => between(deployment, region, theirs),
            None => nothing(format!("there is no cell {} at work", cell.as_str())),
        },
        Destination::Server(server) => match deployment.regions.get(region) {
            Some(policy) => to_server(&policy.outer, server),
            None => nothing(format!("there is no region {}", region.as_str())),
        },
    }
}

/// Whether people of these regions may be in a room with people of another server. An error is what does not let them.
pub fn may_share(
    deployment: &Deployment,
    regions: &BTreeSet<Region>,
    server: &ServerName,
    fence: Option<&Fence>,
    is_encrypted: bool,
) -> Result<(), Decision> {
    if fence.is_some() {
        return Err(Decision {
            rule: Rule::Forbid,
            reason: "This room's own rules say where copies of it may be kept, and other people's servers are none of these places.".to_owned(),
            detail: format!("the room has a `{FENCE}`"),
        });
    }
    let destination = Destination::Server(server.to_owned());
    let decisions = regions.iter().map(|region| to_destination(deployment, region, &destination));
    match decisions.max_by_key(|decision| decision.rule) {
        Some(decision) if decision.rule == Rule::Forbid => Err(decision),
        Some(decision) if decision.rule == Rule::EncryptedOnly && !is_encrypted => Err(Decision {
            reason: "The service's rules let people here share encrypted rooms only with people of other servers, and this room is not encrypted: an administrator of the room can switch encryption on.".to_owned(),
            ..decision
        }),
        _ => Ok(()),
    }
}

//! Whether somebody may join a room, by what the regions of its members may share and by the room's fence.

use std::collections::BTreeSet;

use domicile_core::region::Region;
use ruma::canonical_json::{CanonicalJsonObject, CanonicalJsonValue};

use super::{Decision, Rule, between};
use crate::deployment::Deployment;

/// The type of the state event that fences a room.
pub const FENCE: &str = "domicile.fence";

/// Regions that a room's fence names at most.
const FENCED: usize = 64;

/// The regions in which a room may have copies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fence(BTreeSet<Region>);

impl Fence {
    /// What a room's fence says. A fence that cannot be read lets nobody in who is not there yet: whoever wrote it wanted one.
    pub fn read(content: &CanonicalJsonObject) -> Self {
        let regions = content.get("regions").and_then(CanonicalJsonValue::as_array);
        let regions = regions.into_iter().flatten().take(FENCED).filter_map(CanonicalJsonValue::as_str);
        Self(regions.filter_map(|name| Region::try_from(name.to_owned()).ok()).collect())
    }

    /// Whether a room may have a copy in a region.
    pub fn has(&self, region: &Region) -> bool {
        self.0.contains(region)
    }
}

/// Somebody who would join a room, or would be invited.
#[derive(Clone, Copy, Debug)]
pub struct Joining<'j> {
    /// The region of their home.
    pub region: &'j Region,
    /// The regions of the homes of those who are in the room, of this deployment.
    pub members: &'j BTreeSet<Region>,
    /// The room's fence, if it has one.
    pub fence: Option<&'j Fence>,
    /// Whether the room's messages are encrypted.
    pub is_encrypted: bool,
}

/// Whether somebody may join, with what then holds between them and the others. An error is what does not let them in.
pub fn may_join(deployment: &Deployment, joining: Joining<'_>) -> Result<Decision, Decision> {
    let Joining { region, members, fence, is_encrypted } = joining;
    if fence.is_some_and(|fence| !fence.has(region)) {
        return Err(Decision {
            rule: Rule::Forbid,
            reason: "This room's own rules say where copies of it may be kept, and your account is not in one of these places.".to_owned(),
            detail: format!("the room's `{FENCE}` does not name {}", region.as_str()),
        });
    }
    let strictest = members.iter().map(|member| between(deployment, region, member)).max_by_key(|found| found.rule);
    let decision = strictest.unwrap_or_else(|| between(deployment, region, region));
    match decision.rule {
        Rule::Allow => Ok(decision),
        Rule::EncryptedOnly if is_encrypted => Ok(decision),
        Rule::EncryptedOnly => Err(Decision {
            reason: "The service's rules let people whose accounts are kept in different places share encrypted rooms only, and this room is not encrypted: an administrator of the room can switch encryption on.".to_owned(),
            ..decision
        }),
        Rule::Forbid => Err(Decision {
            reason: "The service's rules do not let you and some of the people in this room be in one room, since a copy of it would be kept where it may not be.".to_owned(),
            ..decision
        }),
    }
}

//! What of an event another cell is served: all of it, or what a redaction would leave, which still verifies and resolves.
//!
//! A room that crosses today may not have yesterday. So it is asked of each event when it is served, and not only when it is sent. What goes to another
//! cell or server before any room has it, such as a knock, is asked here, too.

use domicile_core::{
    locality::{Destination, Locality},
    region::Region,
};
use domicile_residency::{
    deployment::{Deployment, Profiles},
    flow::{self, Crosses, EventShape, Rule},
};
use domicile_room::event::{Pdu, redact};
use ruma::{
    ServerName, UserId, canonical_json::CanonicalJsonObject, events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use serde_json::{Map, Value, value::RawValue};

use super::Localities;
use crate::{Error, Result, error::forbidden};

impl Localities {
    /// Whether anything of rooms is withheld from whoever is asked under a name.
    pub fn withholds(&self, peer: &ServerName) -> bool {
        let Some(cells) = self.cells() else { return false };
        let (document, destination) = (cells.own.document(), Destination::of_peer(peer));
        // What of a third region is here may be under another rule than what is our own.
        document.regions.iter().any(|(region, policy)| {
            flow::to_destination(document, region, &destination).rule != Rule::Allow
                || (policy.profiles == Profiles::Withheld && leaves(document, region, &destination))
        })
    }

    /// Refuses a membership that somebody of this cell would send to another cell or server that has the room, if it says what may not go there.
    pub fn may_tell(&self, peer: &ServerName, user_id: &UserId, content: &Map<String, Value>) -> Result<()> {
        let Some(cells) = self.cells() else { return Ok(()) };
        let (document, own, destination) = (cells.own.document(), cells.own.region(), Destination::of_peer(peer));
        let Some(policy) = document.regions.get(own) else { return Ok(()) };
        let content: CanonicalJsonObject =
            serde_json::from_value(Value::Object(content.clone())).map_err(Error::internal)?;
        let event = EventShape { kind: "m.room.member", is_state: true, content: &content };
        let shows = self.shows_profile(user_id);
        let crosses = match flow::to_destination(document, own, &destination).rule {
            Rule::Allow if leaves(document, own, &destination) => flow::crosses_openly(event, shows),
            Rule::Allow => Crosses::Whole,
            // What is forbidden altogether is for whoever is asked to refuse. Nobody is told more of it than where something crosses.
            Rule::EncryptedOnly | Rule::Forbid => flow::crosses(event, policy.crossing, shows),
        };
        match crosses {
            Crosses::Whole => Ok(()),
            Crosses::Redacted(why) => Err(forbidden(why)),
        }
    }

    /// Whether an event goes to whoever is asked under a name as it is.
    pub fn serves_whole(&self, peer: &ServerName, pdu: &Pdu) -> bool {
        let Some(cells) = self.cells() else { return true };
        let (document, destination) = (cells.own.document(), Destination::of_peer(peer));
        let (region, other, is_foreign) = match self.of(pdu.sender()) {
            Locality::Here => (Some(cells.own.region()), destination, false),
            Locality::Elsewhere(Destination::Cell(home)) => (document.region_once_of(&home), destination, false),
            Locality::Elsewhere(Destination::Server(sender)) => match destination {
                // What other people's servers said to each other is for them to share.
                Destination::Server(_) => return true,
                // To a cell it goes as its region shares with that server.
                Destination::Cell(cell) => (document.region_of(&cell), Destination::Server(sender), true),
            },
            // What this cell has signed for somebody was said here, also while the directory does not tell it again. A join it may have signed for
            // somebody of elsewhere.
            Locality::Unknown if *pdu.kind() != TimelineEventType::RoomMember && self.has_signed(pdu) => {
                (Some(cells.own.region()), destination, false)
            }
            Locality::Unknown => (None, destination, false),
        };
        let Some(region) = region else { return false };
        let (Some(policy), Ok(content)) = (document.regions.get(region), serde_json::from_str(pdu.content().get()))
        else {
            return false;
        };
        let kind = pdu.kind().to_string();
        let event = EventShape { kind: &kind, is_state: pdu.is_state(), content: &content };
        // Names and pictures of people elsewhere are not this region's to withhold. Those of whom somebody invites are as their own region has it.
        let of_other = pdu.state_key().and_then(|key| <&UserId>::try_from(key).ok()).filter(|key| *key != pdu.sender());
        let shows_profile = is_foreign
            || (policy.profiles == Profiles::InRooms && of_other.is_none_or(|user_id| self.shows_profile(user_id)));
        match flow::to_destination(document, region, &other).rule {
            Rule::Allow if leaves(document, region, &other) => {
                flow::crosses_openly(event, shows_profile) == Crosses::Whole
            }
            Rule::Allow => true,
            Rule::EncryptedOnly => flow::crosses(event, policy.crossing, shows_profile) == Crosses::Whole,
            Rule::Forbid => false,
        }
    }

    /// An event as it goes to whoever is asked under a name.
    pub fn served(&self, peer: &ServerName, pdu: &Pdu, rules: &RoomVersionRules) -> Result<Box<RawValue>> {
        if self.serves_whole(peer, pdu) {
            return self.with_witness(pdu, rules);
        }
        self.with_witness(&redact::redact(pdu, rules).map_err(Error::internal)?, rules)
    }

    fn with_witness(&self, pdu: &Pdu, rules: &RoomVersionRules) -> Result<Box<RawValue>> {
        let witnessed = self.witnessed(pdu, rules)?;
        witnessed.as_ref().unwrap_or(pdu).to_raw().map_err(Error::internal)
    }
}

/// Whether what goes to a destination leaves a region. Within it, everybody is of the same rules.
fn leaves(document: &Deployment, region: &Region, destination: &Destination) -> bool {
    match destination {
        Destination::Cell(cell) => document.region_of(cell) != Some(region),
        Destination::Server(_) => true,
    }
}

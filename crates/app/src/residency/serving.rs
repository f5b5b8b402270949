//! What of an event another cell is served: all of it, or what a redaction would leave, which still verifies and resolves.
//!
//! A room that crosses today may not have yesterday. So it is asked of each event when it is served, and not only when it is sent.

use domicile_core::locality::{Destination, Locality};
use domicile_residency::{
    deployment::Profiles,
    flow::{self, Crosses, EventShape, Rule},
};
use domicile_room::event::{Pdu, redact};
use ruma::{ServerName, events::TimelineEventType, room_version_rules::RoomVersionRules};
use serde_json::value::RawValue;

use super::Localities;
use crate::{Error, Result};

impl Localities {
    /// Whether anything of rooms is withheld from whoever is asked under a name.
    pub fn withholds(&self, peer: &ServerName) -> bool {
        let Some(cells) = self.cells() else { return false };
        let (document, destination) = (cells.own.document(), Destination::of_peer(peer));
        // What of a third region is here may be under another rule than what is our own.
        document.regions.keys().any(|region| flow::to_destination(document, region, &destination).rule != Rule::Allow)
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
        // Names and pictures of people elsewhere are not this region's to withhold.
        let shows_profile = is_foreign || policy.profiles == Profiles::InRooms;
        match flow::to_destination(document, region, &other).rule {
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

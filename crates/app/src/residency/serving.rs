//! What of an event another cell is served: all of it, or what a redaction would leave, which still verifies and resolves.
//!
//! A room that crosses today may not have yesterday. So it is asked of each event when it is served, and not only when it is sent.

use domicile_core::locality::{Destination, Locality};
use domicile_residency::{
    deployment::Profiles,
    flow::{self, Crosses, EventShape, Rule},
};
use domicile_room::event::{Pdu, redact};
use ruma::{ServerName, room_version_rules::RoomVersionRules};
use serde_json::value::RawValue;

use super::Localities;
use crate::{Error, Result};

impl Localities {
    /// Whether anything of rooms is withheld from whoever is asked under a name.
    pub fn withholds(&self, peer: &ServerName) -> bool {
        let (Some(cells), Destination::Cell(cell)) = (self.cells(), Destination::of_peer(peer)) else { return false };
        let document = cells.own.document();
        // What of a third region is here may be under another rule than what is our own.
        let Some(theirs) = document.region_of(&cell) else { return true };
        document.regions.keys().any(|region| flow::between(document, region, theirs).rule != Rule::Allow)
    }

    /// Whether an event goes to whoever is asked under a name as it is.
    pub fn serves_whole(&self, peer: &ServerName, pdu: &Pdu) -> bool {
        let (Some(cells), Destination::Cell(cell)) = (self.cells(), Destination::of_peer(peer)) else { return true };
        let document = cells.own.document();
        let of_sender = match self.of(pdu.sender()) {
            Locality::Here => Some(cells.own.region()),
            Locality::Elsewhere(Destination::Cell(home)) => document.region_of(&home),
            Locality::Elsewhere(Destination::Server(_)) | Locality::Unknown => None,
        };
        let (Some(of_sender), Some(theirs)) = (of_sender, document.region_of(&cell)) else { return false };
        let rule = flow::between(document, of_sender, theirs).rule;
        let (Some(policy), Ok(content)) = (document.regions.get(of_sender), serde_json::from_str(pdu.content().get()))
        else {
            return false;
        };
        let kind = pdu.kind().to_string();
        let event = EventShape { kind: &kind, is_state: pdu.is_state(), content: &content };
        match rule {
            Rule::Allow => true,
            Rule::EncryptedOnly => {
                flow::crosses(event, policy.crossing, policy.profiles == Profiles::InRooms) == Crosses::Whole
            }
            Rule::Forbid => false,
        }
    }

    /// An event as it goes to whoever is asked under a name.
    pub fn served(&self, peer: &ServerName, pdu: &Pdu, rules: &RoomVersionRules) -> Result<Box<RawValue>> {
        if self.serves_whole(peer, pdu) {
            return pdu.to_raw().map_err(Error::internal);
        }
        redact::redact(pdu, rules).map_err(Error::internal)?.to_raw().map_err(Error::internal)
    }
}

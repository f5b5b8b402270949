//! Check 4: the event is allowed by the events that it names as allowing it.

use std::sync::Arc;

use domicile_core::ids::EventNum;
use domicile_room::{
    auth,
    event::{Judged, Pdu},
};
use domicile_store::table::events::Status;
use ruma::{OwnedEventId, room_version_rules::RoomVersionRules};

use super::{Ingest, Round};
use crate::Result;

/// The events that an event names as allowing it, with whether each was rejected itself.
pub(super) struct Auths(Vec<(EventNum, Arc<Pdu>, bool)>);

impl Auths {
    /// Their numbers.
    pub(super) fn nums(&self) -> Vec<EventNum> {
        self.0.iter().map(|(event_num, ..)| *event_num).collect()
    }

    /// Whether they allow the event; if not, why.
    pub(super) fn allow(&self, pdu: &Pdu, rules: &RoomVersionRules) -> Result<(), String> {
        let auths: Vec<Judged> =
            self.0.iter().map(|(_, pdu, rejected)| Judged { pdu: Arc::clone(pdu), rejected: *rejected }).collect();
        auth::allowed_by_auth_events(pdu, rules, &auths).map_err(|error| error.to_string())
    }
}

impl Ingest {
    /// The events that allow another, or those of them that are not here. Where the room's id is its create event's, that is one of them.
    pub(super) async fn auth_events(
        &self,
        round: &Round<'_>,
        pdu: &Pdu,
    ) -> Result<std::result::Result<Auths, Vec<OwnedEventId>>> {
        let mut auths = Vec::with_capacity(pdu.auth_events().len() + 1);
        let mut missing = Vec::new();
        for id in pdu.auth_events() {
            match round.known(id) {
                Some((event_num, status)) => {
                    let auth = self.sender.event_on(&round.staging, event_num).await?;
                    auths.push((event_num, auth, status.has(Status::REJECTED)));
                }
                None => missing.push(id.clone()),
            }
        }
        if !missing.is_empty() {
            return Ok(Err(missing));
        }
        if round.room.info.rules.authorization.room_create_event_id_as_room_id {
            let create = Arc::clone(&round.staging.view.facts.create);
            if let Some(event) = self.events.by_id(create.event_id()).await? {
                auths.push((event.event_num, create, false));
            }
        }
        Ok(Ok(Auths(auths)))
    }
}

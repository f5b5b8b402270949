//! What of a room's past another server is shown: what at least one of its users may see (client-server, *Room history visibility*). The rest
//! goes to it redacted, so that the graph stays whole.

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::{DestinationNum, EventNum, NodeNum};
use domicile_room::event::redact;
use domicile_store::{Snapshot, table::state};
use quick_cache::sync::Cache;
use ruma::{OwnedServerName, UserId, events::TimelineEventType};
use serde_json::value::RawValue;

use super::ServerReader;
use crate::{
    Error, Result,
    events::Stored,
    residency::Localities,
    rooms::{
        Membership, RoomView,
        reader::RoomReaderParts,
        visibility::{HistoryVisibility, may_see},
    },
};

/// States that are remembered. What stood in one never changes.
const CACHED: usize = 50_000;

/// What decided about the events that were sent over a state: the visibility, and the best membership that users of a server had who are in the
/// room now.
type Seen = (HistoryVisibility, Membership);

/// Remembers what was found out about states.
pub struct Sights {
    seen: Cache<(DestinationNum, NodeNum), Seen>,
}

impl Default for Sights {
    fn default() -> Self {
        Self { seen: Cache::new(CACHED) }
    }
}

/// One server that looks at one room.
pub struct ServerEyes {
    sights: Arc<Sights>,
    origin: OwnedServerName,
    localities: Arc<Localities>,
    reader: ServerReader,
    view: Arc<RoomView>,
}

impl ServerEyes {
    /// Of a server that may read a room.
    pub fn new(
        sights: Arc<Sights>,
        origin: OwnedServerName,
        localities: Arc<Localities>,
        reader: ServerReader,
    ) -> Self {
        let view = reader.room.view();
        Self { sights, origin, localities, reader, view }
    }

    /// An event as the server gets it: whole, or what a redaction would leave of it.
    pub async fn show(&self, parts: &RoomReaderParts, snapshot: &Snapshot, event: &Stored) -> Result<Box<RawValue>> {
        if self.sees(parts, snapshot, event).await? {
            return self.localities.served(&self.origin, &event.pdu, &event.room.rules);
        }
        let left = redact::redact(&event.pdu, &event.room.rules).map_err(Error::internal)?;
        outer(left.json())
    }

    /// Whether at least one of the server's users may see an event. The server is in the room now, so they are who came later, at least.
    pub async fn sees(&self, parts: &RoomReaderParts, snapshot: &Snapshot, event: &Stored) -> Result<bool> {
        let (visibility, membership) = self.at(parts, snapshot, event.state_by_graph()).await?;
        if may_see(visibility, membership, true) {
            return Ok(true);
        }
        let Some(state_key) = event.pdu.state_key() else { return Ok(false) };
        let shown = match event.pdu.kind() {
            // Seen if it may be seen before or after its change.
            TimelineEventType::RoomHistoryVisibility => may_see(HistoryVisibility::of(event), membership, true),
            TimelineEventType::RoomMember => self.is_of_origin(state_key),
            _ => false,
        };
        if shown {
            return Ok(true);
        }
        // What is part of the room's state now is every member's to see.
        let key_num = parts.keys.load(snapshot, &event.pdu.kind().to_string(), state_key).await?;
        Ok(key_num.is_some_and(|key_num| self.view.state.get(&key_num) == Some(&event.event_num)))
    }

    async fn at(&self, parts: &RoomReaderParts, snapshot: &Snapshot, root: NodeNum) -> Result<Seen> {
        let key = (self.reader.destination_num, root);
        if let Some(seen) = self.sights.seen.get(&key) {
            return Ok(seen);
        }
        let found = match parts.keys.load(snapshot, "m.room.history_visibility", "").await? {
            Some(key_num) => parts.trees.get(snapshot, root, key_num).await?,
            None => None,
        };
        let found = match found {
            Some(event_num) => parts.events.load(snapshot, &[event_num]).await?.into_iter().next(),
            None => None,
        };
        let visibility = found.map_or(HistoryVisibility::Shared, |event| HistoryVisibility::of(&event));
        // Where nobody's membership matters, nobody's is looked up, and what is found holds for ever.
        if may_see(visibility, Membership::Leave, true) {
            self.sights.seen.insert(key, (visibility, Membership::Leave));
            return Ok((visibility, Membership::Leave));
        }
        let membership = self.membership(parts, snapshot, root).await?;
        if membership == Membership::Join {
            self.sights.seen.insert(key, (visibility, membership));
        }
        Ok((visibility, membership))
    }

    /// The best membership in a state that users of the server had who are in the room now. Only what differs from the room's state now is
    /// looked at.
    async fn membership(&self, parts: &RoomReaderParts, snapshot: &Snapshot, root: NodeNum) -> Result<Membership> {
        let differences = parts.trees.differences(snapshot, root, self.view.state_root).await?;
        let changed = differences.iter().map(|(key_num, _, _)| *key_num);
        let members = state::keys_of_kind(snapshot, "m.room.member", changed).await?;
        let ours: HashMap<_, _> = members.into_iter().filter(|(_, user_id)| self.is_of_origin(user_id)).collect();
        let mut pairs: Vec<(Option<EventNum>, Option<EventNum>)> = Vec::new();
        for (key_num, then, now) in differences {
            if ours.contains_key(&key_num) {
                pairs.push((then, now));
            }
        }
        let mut best = Membership::Leave;
        let mut came_later = 0;
        for (then, now) in pairs {
            let now = membership_of(parts, snapshot, now).await?;
            if now != Membership::Join {
                continue;
            }
            came_later += 1;
            match membership_of(parts, snapshot, then).await? {
                Membership::Join => return Ok(Membership::Join),
                Membership::Invite => best = Membership::Invite,
                _ => {}
            }
        }
        let joined = self.view.destinations.get(&self.reader.destination_num).copied().unwrap_or_default();
        // Whoever is joined, and whose membership is the same in both states, was joined then.
        Ok(if joined > came_later { Membership::Join } else { best })
    }

    fn is_of_origin(&self, user_id: &str) -> bool {
        <&UserId>::try_from(user_id).is_ok_and(|user_id| self.localities.speaks_for(&self.origin, user_id))
    }
}

async fn membership_of(
    parts: &RoomReaderParts,
    snapshot: &Snapshot,
    event_num: Option<EventNum>,
) -> Result<Membership> {
    let Some(event_num) = event_num else { return Ok(Membership::Leave) };
    let event = parts.events.load(snapshot, &[event_num]).await?.into_iter().next();
    let word = event.and_then(|event| event.pdu.membership());
    Ok(word.map_or(Membership::Leave, |word| Membership::parse(&word)))
}

/// An event as other servers get it.
pub(super) fn outer(json: &bytes::Bytes) -> Result<Box<RawValue>> {
    let text = std::str::from_utf8(json).map_err(Error::internal)?;
    RawValue::from_string(text.to_owned()).map_err(Error::internal)
}

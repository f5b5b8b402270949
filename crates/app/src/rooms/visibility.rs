//! Who may see which events of a room's past (client-server, *Room history visibility*).

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::{EventNum, NodeNum, Position, UserNum};
use domicile_store::Snapshot;
use ruma::{OwnedUserId, UserId, events::TimelineEventType};
use serde::Deserialize;

use super::{Membership, RoomView, StateKeys, StateTrees};
use crate::{Result, events::Events, events::Stored};

/// Changes of somebody's membership since they were last joined that are looked through.
const CHANGES: usize = 50;

/// What a room's history visibility says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryVisibility {
    /// Everybody reads everything.
    WorldReadable,
    /// Members read everything, also from before they came.
    Shared,
    /// Members read from their invitation on.
    Invited,
    /// Members read from their joining on.
    Joined,
}

impl HistoryVisibility {
    /// Matrix's word; an unknown or missing one is `shared`.
    pub fn parse(word: &str) -> Self {
        match word {
            "world_readable" => Self::WorldReadable,
            "invited" => Self::Invited,
            "joined" => Self::Joined,
            _ => Self::Shared,
        }
    }

    /// What an `m.room.history_visibility` says.
    pub fn of(event: &Stored) -> Self {
        #[derive(Deserialize)]
        struct Content {
            history_visibility: String,
        }
        event.pdu.content_as::<Content>().map_or(Self::Shared, |content| Self::parse(&content.history_visibility))
    }
}

/// Whether an event may be seen by somebody who had `membership` when it was sent, and who was joined at some time after it if `joined_later`.
pub fn may_see(visibility: HistoryVisibility, membership: Membership, joined_later: bool) -> bool {
    match (visibility, membership) {
        (HistoryVisibility::WorldReadable, _) | (_, Membership::Join) => true,
        (HistoryVisibility::Shared, _) | (HistoryVisibility::Invited, Membership::Invite) => joined_later,
        _ => false,
    }
}

/// One reader of one room's past. Remembers what it found for a state, since messages in a row have the same.
pub struct Eyes {
    user_num: UserNum,
    user_id: OwnedUserId,
    /// The reader is joined now, or was until the position.
    joined_until: Option<Position>,
    found: HashMap<NodeNum, (HistoryVisibility, Membership)>,
}

/// What eyes need to look things up.
pub struct Sight<'a> {
    /// Events in memory.
    pub events: &'a Events,
    /// Interned state keys.
    pub keys: &'a StateKeys,
    /// State trees.
    pub trees: &'a StateTrees,
}

/// The member event with which somebody's last time in a room ended. `event_num` is their present one, which may be another: who has left can
/// be banned, or refuse a new invite. Who was never joined has none, and has seen nothing.
pub async fn last_leaving(
    sight: &Sight<'_>,
    snapshot: &Snapshot,
    user_id: &UserId,
    mut event_num: EventNum,
) -> Result<Option<Arc<Stored>>> {
    let key = sight.keys.load(snapshot, "m.room.member", user_id.as_str()).await?;
    let Some(key_num) = key else { return Ok(None) };
    for _ in 0..CHANGES {
        let Some(event) = sight.events.load(snapshot, &[event_num]).await?.into_iter().next() else { break };
        let Some(before) = sight.trees.get(snapshot, event.state_by_graph(), key_num).await? else { break };
        let known = sight.events.load(snapshot, &[before]).await?.into_iter().next();
        if known.and_then(|before| before.pdu.membership()).is_some_and(|word| word == Membership::Join.as_str()) {
            return Ok(Some(event));
        }
        event_num = before;
    }
    Ok(None)
}

impl Eyes {
    /// The reader of a room as it is now.
    pub async fn new(
        sight: &Sight<'_>,
        snapshot: &Snapshot,
        view: &RoomView,
        user_num: UserNum,
        user_id: OwnedUserId,
    ) -> Result<Self> {
        let joined_until = match view.members.get(&user_num) {
            Some(member) if member.membership == Membership::Join => Some(Position(i64::MAX)),
            Some(member) => {
                let leaving = last_leaving(sight, snapshot, &user_id, member.event_num).await?;
                leaving.and_then(|event| event.position)
            }
            None => None,
        };
        Ok(Self { user_num, user_id, joined_until, found: HashMap::new() })
    }

    /// Whether the reader may see an event.
    pub async fn sees(&mut self, sight: &Sight<'_>, snapshot: &Snapshot, event: &Stored) -> Result<bool> {
        if event.pdu.is_dummy() {
            return Ok(false);
        }
        let (before, membership) = self.at(sight, snapshot, event.state_by_graph()).await?;
        let joined_later =
            matches!((self.joined_until, event.position), (Some(until), Some(position)) if position <= until);
        let mut sees = may_see(before, membership, joined_later);
        // An event that changes the visibility, or the reader's own membership, is seen if it may be seen before or after its change.
        match event.pdu.kind() {
            TimelineEventType::RoomHistoryVisibility if event.pdu.is_state() => {
                sees |= may_see(HistoryVisibility::of(event), membership, joined_later);
            }
            TimelineEventType::RoomMember if event.pdu.state_key() == Some(self.user_id.as_str()) => {
                let after = event.pdu.membership().map_or(Membership::Leave, |word| Membership::parse(&word));
                sees |= may_see(before, after, joined_later) || membership == Membership::Join;
            }
            _ => {}
        }
        Ok(sees)
    }

    /// The visibility of a state and the reader's membership in it.
    async fn at(
        &mut self,
        sight: &Sight<'_>,
        snapshot: &Snapshot,
        root: NodeNum,
    ) -> Result<(HistoryVisibility, Membership)> {
        if let Some(found) = self.found.get(&root) {
            return Ok(*found);
        }
        let visibility = self.state(sight, snapshot, root, "m.room.history_visibility", "").await?;
        let visibility = visibility.map_or(HistoryVisibility::Shared, |event| HistoryVisibility::of(&event));
        let user_id = self.user_id.clone();
        let member = self.state(sight, snapshot, root, "m.room.member", user_id.as_str()).await?;
        let membership = member.and_then(|event| event.pdu.membership());
        let membership = membership.map_or(Membership::Leave, |word| Membership::parse(&word));
        self.found.insert(root, (visibility, membership));
        Ok((visibility, membership))
    }

    async fn state(
        &self,
        sight: &Sight<'_>,
        snapshot: &Snapshot,
        root: NodeNum,
        kind: &str,
        state_key: &str,
    ) -> Result<Option<Arc<Stored>>> {
        let Some(key_num) = sight.keys.load(snapshot, kind, state_key).await? else { return Ok(None) };
        match sight.trees.get(snapshot, root, key_num).await? {
            Some(event_num) => Ok(sight.events.load(snapshot, &[event_num]).await?.into_iter().next()),
            None => Ok(None),
        }
    }

    /// The last position at which the reader was joined, for who has left; else there is no such bound.
    pub fn until(&self) -> Position {
        self.joined_until.unwrap_or(Position(i64::MAX))
    }

    /// The reader.
    pub fn user_num(&self) -> UserNum {
        self.user_num
    }
}

#[cfg(test)]
mod tests {
    use HistoryVisibility::{Invited, Joined, Shared, WorldReadable};

    use super::*;

    #[test]
    fn the_table_of_the_specification() {
        for (visibility, membership, later, expected) in [
            (WorldReadable, Membership::Leave, false, true),
            (Shared, Membership::Leave, true, true),
            (Shared, Membership::Leave, false, false),
            (Shared, Membership::Invite, false, false),
            (Invited, Membership::Invite, true, true),
            (Invited, Membership::Leave, true, false),
            (Joined, Membership::Invite, true, false),
            (Joined, Membership::Join, false, true),
            (Joined, Membership::Ban, true, false),
        ] {
            assert_eq!(may_see(visibility, membership, later), expected, "{visibility:?} {membership:?} {later}");
        }
    }
}

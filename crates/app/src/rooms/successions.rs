//! What follows a person from a room to the one that took its place: tags, notification settings, being a direct chat.

use std::sync::Arc;

use domicile_store::{
    Store,
    table::account_data::{self, GLOBAL},
};
use ruma::{OwnedRoomId, RoomId};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Room, Rooms, StateKeys};
use crate::{Result, account_data::AccountData, accounts::Session, events::Events, push::PushRules};

/// Lets settings follow people.
pub struct Successions {
    store: Store,
    rooms: Arc<Rooms>,
    keys: Arc<StateKeys>,
    events: Arc<Events>,
    account_data: Arc<AccountData>,
    push_rules: Arc<PushRules>,
}

impl Successions {
    /// Over a store.
    pub fn new(
        store: Store,
        rooms: Arc<Rooms>,
        keys: Arc<StateKeys>,
        events: Arc<Events>,
        account_data: Arc<AccountData>,
        push_rules: Arc<PushRules>,
    ) -> Self {
        Self { store, rooms, keys, events, account_data, push_rules }
    }

    /// For somebody who has just joined a room that may be in another's place.
    pub async fn carry_over(&self, by: &Session, room: &Room) -> Result<()> {
        let Some(old) = self.predecessor(by, room).await? else { return Ok(()) };
        let (old_id, new_id) = (&old.info.room_id, &room.info.room_id);
        let user_num = by.user_num;
        let (old_num, new_num) = (old.info.room_num, room.info.room_num);
        let (tags, has_tags, direct) = self
            .store
            .read(move |snapshot| async move {
                let tags = account_data::get(&snapshot, user_num, old_num, "m.tag").await?;
                let has_tags = account_data::get(&snapshot, user_num, new_num, "m.tag").await?.is_some();
                let direct = account_data::get(&snapshot, user_num, GLOBAL, "m.direct").await?;
                Ok::<_, crate::Error>((tags, has_tags, direct))
            })
            .await?;
        if let Some(tags) = tags.filter(|_| !has_tags) {
            self.account_data.write(user_num, new_num, "m.tag", &tags).await?;
        }
        if let Some(direct) = direct.and_then(|direct| with_successor(&direct, old_id, new_id)) {
            self.account_data.write(user_num, GLOBAL, "m.direct", &direct).await?;
        }
        self.push_rules.follow_room(by, old_id, new_id).await
    }

    /// The room in whose place a room is, if somebody was in it and its tombstone says so too: anybody can name a predecessor.
    async fn predecessor(&self, by: &Session, room: &Room) -> Result<Option<Arc<Room>>> {
        #[derive(Deserialize)]
        struct Create {
            predecessor: Option<Predecessor>,
        }
        #[derive(Deserialize)]
        struct Predecessor {
            room_id: OwnedRoomId,
        }
        #[derive(Deserialize)]
        struct Tombstone {
            replacement_room: OwnedRoomId,
        }
        let create = room.view().facts.create.content_as::<Create>();
        let Some(named) = create.and_then(|create| create.predecessor) else { return Ok(None) };
        let Some(old_num) = self.rooms.num(&named.room_id).await? else { return Ok(None) };
        let old = self.rooms.by_num(old_num).await?;
        let view = old.view();
        if !view.members.contains_key(&by.user_num) {
            return Ok(None);
        }
        let Some(key_num) = self.keys.find("m.room.tombstone", "").await? else { return Ok(None) };
        let Some(event_num) = view.state.get(&key_num) else { return Ok(None) };
        let tombstone = self.events.get(*event_num).await?.pdu.content_as::<Tombstone>();
        Ok(tombstone.is_some_and(|tombstone| tombstone.replacement_room == room.info.room_id).then_some(old))
    }
}

/// `m.direct` with a room beside its predecessor, if the predecessor is in it and the room is not.
fn with_successor(direct: &str, old: &RoomId, new: &RoomId) -> Option<String> {
    let mut direct: Map<String, Value> = serde_json::from_str(direct).ok()?;
    let mut changed = false;
    for rooms in direct.values_mut().filter_map(Value::as_array_mut) {
        if rooms.iter().any(|room| room == old.as_str()) && !rooms.iter().any(|room| room == new.as_str()) {
            rooms.push(new.as_str().into());
            changed = true;
        }
    }
    changed.then(|| Value::Object(direct).to_string())
}

#[cfg(test)]
mod tests {
    use ruma::room_id;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_successor_stands_beside_its_predecessor_once() {
        let direct = json!({ "@bob:x": ["!old:x", "!other:x"], "@eve:x": ["!other:x"], "odd": 1 }).to_string();
        let (old, new) = (room_id!("!old:x"), room_id!("!new:x"));
        let after = with_successor(&direct, old, new).unwrap();
        let expected = json!({ "@bob:x": ["!old:x", "!other:x", "!new:x"], "@eve:x": ["!other:x"], "odd": 1 });
        assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), expected);
        assert_eq!(with_successor(&after, old, new), None);
        assert_eq!(with_successor("[]", old, new), None);
    }
}

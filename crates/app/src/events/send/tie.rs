//! Many ends of a room's graph are tied together by an event of ours that says nothing, so that they do not make the room slow, and none has to
//! be let go: what only a forgotten end leads to would be lost to whoever comes later. So are two ends when another server has come while somebody here
//! spoke: it fetches what was said when it is told of the tie, and need not wait until somebody speaks again.

use std::sync::Arc;

use domicile_room::{
    create::raw,
    event::{DUMMY, EventDraft},
};
use domicile_store::table::memberships;
use ruma::events::{MessageLikeEventType, TimelineEventType};
use serde_json::json;

use super::Sender;
use crate::{Error, Result, rooms::Room};

/// Ends that a graph may have before they are tied together.
pub(in crate::events) const MANY: usize = 10;
/// People of this server in whose name it is tried.
const PEOPLE: i64 = 20;

impl Sender {
    /// Ties the ends of a room's graph together if they are more than so many and somebody here may send events. Gives whether it was done.
    pub async fn tie_ends(&self, room: &Arc<Room>, most: usize) -> Result<bool> {
        if room.view().extremities.len() <= most {
            return Ok(false);
        }
        let room_num = room.info.room_num;
        let people =
            self.store.read(move |snapshot| async move { memberships::some_here(&snapshot, room_num, PEOPLE).await });
        let people = people.await?;
        let _writer = room.writer_for_told().await;
        let view = room.view();
        if view.extremities.len() <= most {
            return Ok(false);
        }
        for user_num in people {
            let sender = self.users.id(user_num).await?;
            // Where nobody may, this is asked with every event: it must cost little.
            if !view.facts.power_levels.user_can_send_message(&sender, MessageLikeEventType::from(DUMMY)) {
                continue;
            }
            let draft = EventDraft {
                kind: TimelineEventType::from(DUMMY),
                sender,
                state_key: None,
                content: raw(&json!({})),
                redacts: None,
            };
            let mut staging = self.begin(room);
            match self.stage(&mut staging, draft).await {
                Ok(_) => {
                    self.commit(Some(room), staging).await?;
                    return Ok(true);
                }
                // The room does not allow it to this one; perhaps to another.
                Err(Error::Matrix(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

//! Step 4: readers see the room as it is now, and those of its members who wait are woken. Nobody else is touched.

use std::sync::Arc;

use domicile_room::words;

use super::Sender;
use crate::{
    Result,
    events::Stored,
    rooms::{Room, RoomView},
};

/// Shows a view that is on disk.
pub(super) async fn publish(
    sender: &Sender,
    room: Option<&Arc<Room>>,
    view: RoomView,
    stored: &[Arc<Stored>],
) -> Result<Arc<Room>> {
    let view = Arc::new(view);
    let room = match room {
        Some(room) => {
            room.publish(Arc::clone(&view));
            Arc::clone(room)
        }
        None => match stored.first() {
            Some(first) => sender.rooms.keep_made(Arc::clone(&first.room), RoomView::clone(&view)),
            None => return Err(crate::Error::internal("a room without an event was to be shown")),
        },
    };
    if !view.facts.encrypted && stored.iter().any(|event| words::is_searchable(&event.pdu)) {
        sender.rooms.note_words(room.info.room_num);
    }
    for event in stored {
        // Whoever was just invited, kicked or banned is told too.
        if let Some(target) = event.pdu.state_key().filter(|_| event.pdu.membership().is_some())
            && let Ok(user_id) = <&ruma::UserId>::try_from(target)
            && let Some(user_num) = sender.users.num(user_id).await?
        {
            sender.presence.moved(user_num);
            sender.wakers.wake(user_num);
            sender.bell.user(user_num);
        }
    }
    sender.wakers.wake_members(
        view.joined,
        |visit| view.joined_members().for_each(visit),
        |user_num| view.is_joined(user_num),
    );
    Ok(room)
}

//! Who said what, as far as the asker may know.

use std::sync::Arc;

use ruma::{EventId, OwnedUserId, RoomId};

use super::{Room, RoomReader};
use crate::{Result, accounts::Session};

impl RoomReader {
    /// Refuses a suspended account the redaction of what others said.
    pub async fn check_redaction(&self, session: &Session, room_id: &RoomId, event_id: &EventId) -> Result<()> {
        if session.standing.suspended {
            let room = self.room(room_id).await?;
            if self.sender_of(session, &room, event_id).await? != session.user_id {
                return session.check_not_suspended();
            }
        }
        Ok(())
    }

    /// Who sent an event that a user may see.
    pub async fn sender_of(&self, session: &Session, room: &Arc<Room>, event_id: &EventId) -> Result<OwnedUserId> {
        let (parts, session, event_id) = (Arc::clone(self.parts()), session.clone(), event_id.to_owned());
        let room = Arc::clone(room);
        self.parts()
            .store
            .read(move |snapshot| async move {
                Ok(parts.seen(&snapshot, &room, &session, &event_id).await?.pdu.sender().to_owned())
            })
            .await
    }
}

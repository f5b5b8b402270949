//! Taking a leave or a knock of somebody of another server (`send_leave`, `send_knock`).

use ruma::{EventId, RoomId, ServerName};
use serde_json::value::RawValue;

use super::Resident;
use crate::{Result, federation::stripped};

impl Resident {
    /// Takes a leave.
    pub async fn send_leave(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        pdu: Box<RawValue>,
    ) -> Result<()> {
        let room = self.room(room_id, origin).await?;
        self.take_member(&room, origin, event_id, "leave", pdu).await.map(drop)
    }

    /// Takes a knock, and shows what whoever knocks may see of the room.
    pub async fn send_knock(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        pdu: Box<RawValue>,
    ) -> Result<Vec<Box<RawValue>>> {
        let room = self.room(room_id, origin).await?;
        let pdu = self.take_member(&room, origin, event_id, "knock", pdu).await?;
        stripped::of_room(&room, &pdu, &self.events, &self.keys, (self.users.localities(), origin)).await
    }
}

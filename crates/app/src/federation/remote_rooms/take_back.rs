//! An invite that is taken back, or a knock that is refused, in a room of which there is no copy here.

use std::sync::Arc;

use domicile_store::table::{memberships, rooms};
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId, ServerName, UserId, events::TimelineEventType};
use serde_json::value::RawValue;

use super::{RemoteRooms, rules_of};
use crate::{Result, accounts::Session};

impl RemoteRooms {
    /// Takes an event that ends an invite or a knock of somebody here, if it comes from the server that invited or that was asked. Everything else is
    /// none of our business. Gives the event's id if it was taken.
    pub async fn take_back(
        &self,
        origin: &ServerName,
        room_id: &OwnedRoomId,
        pdu: Box<RawValue>,
    ) -> Result<Option<OwnedEventId>> {
        let wanted = room_id.to_string();
        let read = self.store.read(move |snapshot| async move { rooms::by_id(&snapshot, &wanted).await });
        let Some(room) = read.await? else { return Ok(None) };
        let Ok(version) = RoomVersionId::try_from(room.room_version.as_str()) else { return Ok(None) };
        let Ok(rules) = rules_of(&version) else { return Ok(None) };
        let Ok(received) = self.ingest.verify_one(&rules, room_id, pdu).await? else { return Ok(None) };
        let pdu = received.pdu;
        let speaks = |sender: &UserId| self.users.localities().speaks_for(origin, sender);
        let ends = matches!(pdu.membership().as_deref(), Some("leave" | "ban"));
        if *pdu.kind() != TimelineEventType::RoomMember || !ends || !speaks(pdu.sender()) {
            return Ok(None);
        }
        let target = pdu.state_key().and_then(|target| OwnedUserId::try_from(target).ok());
        let Some(target) = target.filter(|target| self.users.is_local(target)) else { return Ok(None) };
        let Some(user_num) = self.users.num(&target).await? else { return Ok(None) };
        let room_num = room.room_num;
        let read =
            self.store.read(move |snapshot| async move { memberships::one(&snapshot, user_num, room_num).await });
        let Some(membership) = read.await? else { return Ok(None) };
        if !matches!(membership.membership.as_str(), "invite" | "knock") {
            return Ok(None);
        }
        let last = self.last_sender(&membership, room_num, (user_num, &target)).await?;
        let knocked = membership.membership == "knock";
        if !knocked && !last.is_some_and(|last| speaks(&last)) {
            return Ok(None);
        }
        let id = pdu.event_id().to_owned();
        let word = if pdu.membership().as_deref() == Some("ban") { "ban" } else { "leave" };
        let session = Session::without_device(user_num, target);
        self.write_outside(&session, room_num, word, Some(Arc::new(pdu)), membership.event_num).await?;
        Ok(Some(id))
    }
}

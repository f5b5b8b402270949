//! Who is in a room, and what they call themselves.

use ruma::OwnedUserId;

use super::{PART, RoomReaderParts};
use crate::{
    Result,
    accounts::Session,
    error::forbidden,
    rooms::{Membership, Room},
};

impl RoomReaderParts {
    /// The users who are joined, with what they call themselves.
    pub async fn joined_members(
        &self,
        room: &Room,
        session: &Session,
    ) -> Result<Vec<(OwnedUserId, Option<String>, Option<String>)>> {
        #[derive(serde::Deserialize)]
        struct Content {
            displayname: Option<String>,
            avatar_url: Option<String>,
        }
        if !room.view().is_joined(session.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        self.rooms.with_members(room).await?;
        let view = room.view();
        let nums = view.members.values().filter(|member| member.membership == Membership::Join);
        let mut nums: Vec<_> = nums.map(|member| member.event_num).collect();
        nums.sort_unstable();
        let mut members = Vec::with_capacity(nums.len());
        for part in nums.chunks(PART) {
            let found = if nums.len() > PART {
                self.events.get_passing(part.to_vec()).await?
            } else {
                self.events.get_many(part.to_vec()).await?
            };
            for event in found {
                let Some(user_id) = event.pdu.state_key().and_then(|key| OwnedUserId::try_from(key).ok()) else {
                    continue;
                };
                let content = event.pdu.content_as::<Content>();
                let (name, avatar) = content.map_or((None, None), |content| (content.displayname, content.avatar_url));
                members.push((user_id, name, avatar));
            }
        }
        Ok(members)
    }
}

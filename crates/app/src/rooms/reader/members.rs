//! Who is in a room, and what they call themselves.

use std::{collections::HashMap, sync::Arc};

use ruma::OwnedUserId;
use serde_json::value::RawValue;

use super::{PART, RoomReaderParts};
use crate::{
    Error, Result,
    accounts::Session,
    error::forbidden,
    events::Stored,
    rooms::{Membership, Room},
};

/// Somebody who is joined: name and picture.
pub type JoinedMember = (OwnedUserId, Option<String>, Option<String>);

impl RoomReaderParts {
    /// The users who are joined, with what they call themselves.
    pub async fn joined_members(&self, room: &Room, session: &Session) -> Result<Vec<JoinedMember>> {
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
        self.name(&mut members).await?;
        Ok(members)
    }

    /// A state event's content as it is shown.
    pub async fn shown_content(&self, event: &Arc<Stored>) -> Result<Box<RawValue>> {
        if event.pdu.membership().is_none() || self.users.localities().cells().is_none() {
            return Ok(event.pdu.content().to_owned());
        }
        let (names, event) = (Arc::clone(self.presenter.names()), Arc::clone(event));
        let read = self.store.read(move |snapshot| async move {
            let filled = names.filled(&snapshot, &event.pdu).await?;
            Ok::<_, Error>(filled.unwrap_or_else(|| event.pdu.content().to_owned()))
        });
        read.await
    }

    /// Adds what those call themselves of whom no event says it.
    async fn name(&self, members: &mut [JoinedMember]) -> Result<()> {
        if self.users.localities().cells().is_none() {
            return Ok(());
        }
        let names = Arc::clone(self.presenter.names());
        let unnamed = |member: &JoinedMember| member.1.is_none().then(|| member.0.clone());
        let people: Vec<OwnedUserId> = members.iter().filter_map(unnamed).collect();
        names.ask_for(people.clone()).await;
        let found = self.store.read(move |snapshot| async move {
            let mut found = HashMap::new();
            for user_id in people {
                if let Some(shown) = names.of(&snapshot, &user_id).await? {
                    found.insert(user_id, shown);
                }
            }
            Ok::<_, Error>(found)
        });
        let found = found.await?;
        for (user_id, name, avatar) in members {
            let Some(shown) = found.get(user_id) else { continue };
            let text = |field: &str| shown.get(field).and_then(|value| value.as_str()).map(str::to_owned);
            *name = name.take().or_else(|| text("displayname"));
            *avatar = avatar.take().or_else(|| text("avatar_url"));
        }
        Ok(())
    }
}

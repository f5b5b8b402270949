//! State that clients set directly, with what is checked of members beyond the room's own rules.

use domicile_core::error::ErrorKind;
use domicile_room::{create::raw, event::EventDraft};
use ruma::{OwnedEventId, RoomId, UserId, events::TimelineEventType};
use serde_json::{Map, Value, value::RawValue};

use super::Members;
use crate::{Result, accounts::Session};

/// The proof that a restricted room lets somebody in. Only a server gives it.
const AUTHORISED_VIA: &str = "join_authorised_via_users_server";

impl Members {
    /// Sets a part of a room's state.
    pub async fn set_state(
        &self,
        by: &Session,
        room_id: &RoomId,
        kind: TimelineEventType,
        state_key: String,
        content: Box<RawValue>,
    ) -> Result<OwnedEventId> {
        // Of anybody else's membership it must be known what it was.
        if kind == TimelineEventType::RoomMember && state_key != by.user_id.as_str() {
            self.room_with_members(by, room_id).await?;
        }
        let content = match kind {
            TimelineEventType::RoomMember => self.member_content(by, room_id, &state_key, &content).await?,
            _ => content,
        };
        let sender = by.user_id.clone();
        let elsewhere = <&UserId>::try_from(state_key.as_str())
            .ok()
            .filter(|target| kind == TimelineEventType::RoomMember && is_invite(&content) && !self.is_local(target))
            .map(|target| self.peer_of(target));
        let draft = EventDraft { kind, sender, state_key: Some(state_key), content, redacts: None };
        if let Some(server) = elsewhere {
            return self.invite_elsewhere(by, room_id, draft, &server).await;
        }
        self.sender().send(room_id, (by.user_num, &by.user_id), draft, None).await
    }

    /// A member event's content as a client gave it, but for who vouches for a restricted join: to the room's rules it is enough that
    /// somebody is named, because the server that names them has signed the event. So it is this server that must have looked.
    async fn member_content(
        &self,
        by: &Session,
        room_id: &RoomId,
        state_key: &str,
        content: &RawValue,
    ) -> Result<Box<RawValue>> {
        let mut content: Map<String, Value> = serde_json::from_str(content.get())
            .map_err(|error| ErrorKind::BadJson.with(format!("The content of a member event does not fit: {error}")))?;
        content.remove(AUTHORISED_VIA);
        let membership = content.get("membership").and_then(Value::as_str);
        match (membership, <&UserId>::try_from(state_key)) {
            (Some("join"), Ok(target)) if *target == by.user_id => {
                let room = self.sender().rooms().get(room_id).await?;
                if !room.view().is_joined(by.user_num)
                    && let Some(authorised_via) = self.restricted_join(&room, by.user_num).await?
                {
                    content.insert(AUTHORISED_VIA.to_owned(), authorised_via.as_str().into());
                }
            }
            (Some("invite" | "ban"), Ok(target)) => {
                self.target(target).await?;
            }
            _ => {}
        }
        Ok(raw(&Value::Object(content)))
    }
}

fn is_invite(content: &RawValue) -> bool {
    #[derive(serde::Deserialize)]
    struct Content {
        membership: String,
    }
    serde_json::from_str::<Content>(content.get()).is_ok_and(|content| content.membership == "invite")
}

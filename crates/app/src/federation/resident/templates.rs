//! Drafts of member events for other servers to sign (`make_join`, `make_leave`, `make_knock`).

use domicile_core::error::ErrorKind;
use domicile_room::{create::raw, event::EventDraft};
use ruma::{RoomId, RoomVersionId, ServerName, UserId, events::TimelineEventType};
use serde_json::{Map, Value, value::RawValue};

use super::Resident;
use crate::{Result, error::forbidden};

/// A draft, and the version of its room.
pub struct Drafted {
    /// The room's version.
    pub version: RoomVersionId,
    /// The event without hashes and signatures.
    pub event: Box<RawValue>,
}

impl Resident {
    /// A draft of a join.
    pub async fn make_join(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user_id: &UserId,
        versions: &[RoomVersionId],
    ) -> Result<Drafted> {
        let room = self.room(room_id, origin).await?;
        check_version(&room.info.version, versions)?;
        let mut content = Map::new();
        content.insert("membership".to_owned(), "join".into());
        if let Some(via) = self.members.who_lets_in(&room, user_id).await? {
            content.insert("join_authorised_via_users_server".to_owned(), via.as_str().into());
        }
        self.draft(origin, room_id, user_id, content).await
    }

    /// A draft of a leave.
    pub async fn make_leave(&self, origin: &ServerName, room_id: &RoomId, user_id: &UserId) -> Result<Drafted> {
        self.draft(origin, room_id, user_id, membership("leave")).await
    }

    /// A draft of a knock.
    pub async fn make_knock(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user_id: &UserId,
        versions: &[RoomVersionId],
    ) -> Result<Drafted> {
        let room = self.room(room_id, origin).await?;
        check_version(&room.info.version, versions)?;
        self.draft(origin, room_id, user_id, membership("knock")).await
    }

    async fn draft(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        user_id: &UserId,
        content: Map<String, Value>,
    ) -> Result<Drafted> {
        self.users.localities().meet(&[user_id]).await?;
        if !self.users.localities().speaks_for(origin, user_id) {
            let asking = self.users.localities().told(origin);
            return Err(forbidden(format!(
                "{user_id} is not a user of {asking}, or is not at home where this comes from."
            )));
        }
        let room = self.room(room_id, origin).await?;
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: user_id.to_owned(),
            state_key: Some(user_id.to_string()),
            content: raw(&Value::Object(content)),
            redacts: None,
        };
        let drafted = {
            let _writer = room.writer().await;
            self.sender.draft(&room, draft).await?
        };
        let mut event: Map<String, Value> = serde_json::from_slice(drafted.json()).map_err(crate::Error::internal)?;
        for key in ["hashes", "signatures", "event_id"] {
            event.remove(key);
        }
        Ok(Drafted { version: room.info.version.clone(), event: raw(&Value::Object(event)) })
    }
}

fn membership(word: &str) -> Map<String, Value> {
    Map::from_iter([("membership".to_owned(), word.into())])
}

fn check_version(version: &RoomVersionId, versions: &[RoomVersionId]) -> Result<()> {
    if versions.contains(version) {
        return Ok(());
    }
    Err(ErrorKind::IncompatibleRoomVersion.for_room_version(version.as_str()).into())
}

//! Sending members away, and keeping people out.

use ruma::{RoomId, UserId};
use serde_json::{Map, json};

use super::{Members, Membership, members::MemberExtras};
use crate::{Result, accounts::Session, error::forbidden};

impl Members {
    /// Sends somebody away.
    pub async fn kick(&self, by: &Session, room_id: &RoomId, target: &UserId, reason: Option<String>) -> Result<()> {
        let room = self.room_with_members(by, room_id).await?;
        let target_num = self.target(target).await?;
        if !matches!(room.view().membership(target_num), Membership::Join | Membership::Invite | Membership::Knock) {
            return Err(forbidden(format!("{target} is not in the room.")));
        }
        let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
        self.change(by, &room, target, content, MemberExtras { reason, ..MemberExtras::default() }).await
    }

    /// Keeps somebody out.
    pub async fn ban(&self, by: &Session, room_id: &RoomId, target: &UserId, reason: Option<String>) -> Result<()> {
        let room = self.room_with_members(by, room_id).await?;
        self.target(target).await?;
        let content = Map::from_iter([("membership".to_owned(), json!("ban"))]);
        self.change(by, &room, target, content, MemberExtras { reason, ..MemberExtras::default() }).await
    }

    /// Takes a ban back.
    pub async fn unban(&self, by: &Session, room_id: &RoomId, target: &UserId, reason: Option<String>) -> Result<()> {
        let room = self.room_with_members(by, room_id).await?;
        let target_num = self.target(target).await?;
        if room.view().membership(target_num) != Membership::Ban {
            return Err(forbidden(format!("{target} is not banned from the room.")));
        }
        let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
        self.change(by, &room, target, content, MemberExtras { reason, ..MemberExtras::default() }).await
    }
}

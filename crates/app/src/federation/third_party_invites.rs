//! Invitations by an address outside of Matrix, once the address belongs to somebody: another server asks us to make the invite of one of our
//! users good.

use std::sync::Arc;

use domicile_core::error::ErrorKind;
use ruma::{RoomId, ServerName, UserId, events::TimelineEventType};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Readers, RemoteRooms};
use crate::{
    Result,
    accounts::Users,
    error::forbidden,
    events::{
        ingest::Ingest,
        send::{EventDraft, raw},
    },
    rooms::Rooms,
};

/// An invite as another server proposes it.
#[derive(Debug)]
pub struct Proposed<'a> {
    /// The type of the event.
    pub kind: &'a str,
    /// Who invited the address.
    pub sender: &'a UserId,
    /// Whom the address belongs to.
    pub invited: &'a UserId,
    /// The content.
    pub content: &'a str,
}

#[derive(Deserialize)]
struct Content {
    membership: String,
    third_party_invite: ThirdPartyInvite,
}

#[derive(Deserialize)]
struct ThirdPartyInvite {
    display_name: String,
    signed: Signed,
}

#[derive(Deserialize)]
struct Signed {
    mxid: String,
    token: String,
    signatures: Value,
}

/// Makes these invites good.
pub struct ThirdPartyInvites {
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    readers: Arc<Readers>,
    remote: Arc<RemoteRooms>,
}

impl ThirdPartyInvites {
    /// Over rooms; `remote` hands invites to the servers of the invited.
    pub fn new(users: Arc<Users>, rooms: Arc<Rooms>, readers: Arc<Readers>, remote: Arc<RemoteRooms>) -> Self {
        Self { users, rooms, readers, remote }
    }

    /// Invites the owner of an address in the name of who invited the address. The rules of authorisation find the keys in the room's state and
    /// check the signature of the identity server.
    pub async fn exchange(&self, origin: &ServerName, room_id: &RoomId, invite: Proposed<'_>) -> Result<()> {
        let wrong = |what: &'static str| ErrorKind::BadJson.with(what);
        let content: Content = serde_json::from_str(invite.content)
            .map_err(|error| ErrorKind::BadJson.with(format!("The event's content does not fit: {error}")))?;
        if invite.kind != "m.room.member" || content.membership != "invite" {
            return Err(wrong("The event is no invite.").into());
        }
        if content.third_party_invite.signed.mxid != *invite.invited {
            return Err(wrong("The signed part speaks of somebody else.").into());
        }
        // Only the owner's server may say that they are the owner.
        if !self.readers.localities().speaks_for(origin, invite.invited) {
            return Err(forbidden(format!("{} is not a user of {origin}.", invite.invited)));
        }
        let Some(room_num) = self.rooms.num(room_id).await? else {
            return Err(forbidden("There is no such room here, or you may not get into it."));
        };
        let room = self.rooms.by_num(room_num).await?;
        if !Ingest::is_let_in(&room.view(), origin) {
            return Err(forbidden(format!("{origin} is shut out of this room.")));
        }
        let ours = self.readers.localities().is_ours(invite.sender.server_name());
        let sender_num = if ours { self.users.num(invite.sender).await? } else { None };
        let Some(_) = sender_num.filter(|num| room.view().is_joined(*num)) else {
            return Err(forbidden(format!("{} is no member of this room from here.", invite.sender)));
        };
        let invited = self.users.num(invite.invited).await?;
        if invited.is_some_and(|num| room.view().is_joined(num)) {
            return Ok(());
        }
        let ThirdPartyInvite { display_name, signed } = content.third_party_invite;
        let Signed { mxid, token, signatures } = signed;
        let said = json!({
            "display_name": display_name, "signed": { "mxid": mxid, "token": token, "signatures": signatures },
        });
        let content =
            Map::from_iter([("membership".to_owned(), json!("invite")), ("third_party_invite".to_owned(), said)]);
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: invite.sender.to_owned(),
            state_key: Some(invite.invited.to_string()),
            content: raw(&Value::Object(content)),
            redacts: None,
        };
        self.remote.invite(&room, draft, origin).await.map(drop)
    }
}

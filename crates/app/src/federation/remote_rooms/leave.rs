//! Refusing an invite to a room that is not here, or taking back a knock (server-server, *Leaving Rooms (Rejecting Invites)*).

use std::sync::Arc;

use domicile_core::ids::{EventNum, NodeNum, RoomNum, UserNum};
use domicile_room::event::Pdu;
use domicile_store::{
    Batch, StoreError, event_id,
    table::{
        events::{self, Status},
        memberships, stripped_states,
    },
};
use ruma::{
    OwnedServerName, OwnedUserId, RoomId, RoomVersionId, ServerName, UserId,
    api::federation::membership::{create_leave_event, prepare_leave_event},
    events::room::member::MembershipState,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{RemoteRooms, rules_of};
use crate::{
    Error, Result,
    accounts::Session,
    error::forbidden,
    federation::{PeerError, peers::ORDINARY},
};

impl RemoteRooms {
    /// Refuses an invite or takes a knock back. If no server of the room answers, the user has left nevertheless: nobody is held in a room by
    /// servers that are gone.
    pub async fn leave(&self, by: &Session, room_id: &RoomId, reason: Option<String>) -> Result<()> {
        let Some((room_num, membership)) = self.membership(by, room_id).await? else {
            return Err(forbidden("You are not in this room."));
        };
        if !matches!(membership.membership.as_str(), "invite" | "knock") {
            return Ok(());
        }
        let last = self.last_sender(&membership, room_num, (by.user_num, &by.user_id)).await?;
        let inviter = last.map(|last| self.users.localities().peer_of(&last));
        let mut content = Map::new();
        content.insert("membership".to_owned(), "leave".into());
        if let Some(reason) = reason {
            content.insert("reason".to_owned(), reason.into());
        }
        let (mut left, mut refused) = (None, None);
        for server in self.sources(room_id, inviter.as_slice()).await {
            if let Err(error) = self.users.localities().may_tell(&server, &by.user_id, &content) {
                refused = Some(error);
                continue;
            }
            match self.leave_through(by, room_id, &server, &content).await {
                Ok(pdu) => {
                    left = Some(Arc::new(pdu));
                    break;
                }
                Err(error) => tracing::debug!(%server, %error, "a server did not take a leave"),
            }
        }
        // Without what may not be told, they can leave.
        match refused {
            Some(refused) if left.is_none() => Err(refused),
            _ => self.write_outside(by, room_num, "leave", left, membership.event_num).await,
        }
    }

    pub(super) async fn leave_through(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        content: &Map<String, Value>,
    ) -> std::result::Result<Pdu, PeerError> {
        let request = prepare_leave_event::v1::Request::new(room_id.to_owned(), by.user_id.clone());
        let draft = self.peers.ask(server, request, ORDINARY).await?;
        let version = draft.room_version.unwrap_or(RoomVersionId::V1);
        let rules = rules_of(&version).map_err(|error| PeerError::Nonsense(error.to_string()))?;
        let event = self
            .take_up(&draft.event, &rules, room_id, &by.user_id, MembershipState::Leave, content.clone())
            .map_err(PeerError::Nonsense)?;
        let json = event.to_raw().map_err(|error| PeerError::Request(error.to_string()))?;
        let request = create_leave_event::v2::Request::new(room_id.to_owned(), event.event_id().to_owned(), json);
        self.peers.ask(server, request, ORDINARY).await?;
        Ok(event)
    }

    /// A user's membership in a room, held or not.
    pub async fn membership(
        &self,
        by: &Session,
        room_id: &RoomId,
    ) -> Result<Option<(RoomNum, memberships::Membership)>> {
        let (wanted, user_num) = (room_id.to_string(), by.user_num);
        let read = self.store.read(move |snapshot| async move {
            let Some(room) = domicile_store::table::rooms::by_id(&snapshot, &wanted).await? else { return Ok(None) };
            let membership = memberships::one(&snapshot, user_num, room.room_num).await?;
            Ok::<_, StoreError>(membership.map(|membership| (room.room_num, membership)))
        });
        Ok(read.await?)
    }

    /// Writes a user's membership in a room of which there is no copy. `event` is the event that says so, if there is one.
    pub(super) async fn write_outside(
        &self,
        by: &Session,
        room_num: RoomNum,
        membership: &str,
        event: Option<Arc<Pdu>>,
        before: EventNum,
    ) -> Result<()> {
        let mut batch = Batch::new();
        let position = batch.position();
        let mut event_num = before;
        if let Some(event) = event {
            event_num = self.put_outlier(&mut batch, room_num, by, &event).await?;
        }
        memberships::set(&mut batch, by.user_num, room_num, membership, event_num, position);
        if membership != "knock" {
            stripped_states::remove(&mut batch, by.user_num, room_num);
        }
        self.store.write(batch).await?;
        self.wakers.wake(by.user_num);
        Ok(())
    }

    /// Adds a member event that stands by itself.
    pub(super) async fn put_outlier(
        &self,
        batch: &mut Batch,
        room_num: RoomNum,
        by: &Session,
        pdu: &Pdu,
    ) -> Result<EventNum> {
        let event_num = self.sender.new_event_num().await?;
        let key_num = self.keys.intern("m.room.member", by.user_id.as_str()).await?;
        let row = events::Event {
            event_num,
            room_num,
            position: None,
            event_id: event_id::to_bytes(pdu.event_id()),
            sender_num: self.users.num_or_new(pdu.sender()).await?.unwrap_or(by.user_num),
            origin_server_ts: i64::from(pdu.origin_server_ts().0),
            state_before: NodeNum(0),
            graph_state: None,
            status: Status::OUTLIER,
            key_num: Some(key_num),
            thread_num: None,
            redacted_by: None,
            totals: None,
            json: pdu.json().clone(),
        };
        events::insert(batch, &row, domicile_store::Value::Null);
        Ok(event_num)
    }

    /// The room of an invite, for what has to be asked of who sent it.
    pub async fn inviting_server(&self, by: &Session, room_id: &RoomId) -> Result<Option<OwnedServerName>> {
        let Some((room_num, membership)) = self.membership(by, room_id).await? else { return Ok(None) };
        if membership.membership != "invite" {
            return Ok(None);
        }
        let sender = self.last_sender(&membership, room_num, (by.user_num, &by.user_id)).await?;
        let server = sender.map(|sender| self.users.localities().peer_of(&sender));
        Ok(server.filter(|server| server != self.users.server_name()))
    }

    /// Who sent the event by which somebody has to do with a room of which there is no copy here. Of whoever has moved here that event stayed behind:
    /// then what they are shown of the room tells.
    pub(super) async fn last_sender(
        &self,
        membership: &memberships::Membership,
        room_num: RoomNum,
        (user_num, user_id): (UserNum, &UserId),
    ) -> Result<Option<OwnedUserId>> {
        #[derive(Deserialize)]
        struct Shown {
            #[serde(rename = "type")]
            kind: String,
            sender: OwnedUserId,
            #[serde(default)]
            state_key: String,
        }
        if membership.event_num != memberships::ELSEWHERE {
            return Ok(Some(self.events.get(membership.event_num).await?.pdu.sender().to_owned()));
        }
        let read =
            self.store.read(move |snapshot| async move { stripped_states::get(&snapshot, user_num, room_num).await });
        let shown: Vec<Shown> = match read.await? {
            Some(shown) => serde_json::from_str(&shown).map_err(Error::internal)?,
            None => Vec::new(),
        };
        let own = shown.into_iter().find(|event| event.kind == "m.room.member" && event.state_key == user_id.as_str());
        let sender = own.map(|event| event.sender);
        if let Some(sender) = &sender {
            // They met each other where the invite came to, and that was elsewhere.
            self.users.localities().meet(&[sender]).await?;
        }
        Ok(sender)
    }
}

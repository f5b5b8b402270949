//! Knocking at a room that other servers hold (server-server, *Knocking upon a room*).

use domicile_core::ids::EventNum;
use domicile_room::event::Pdu;
use domicile_store::{
    Batch,
    table::{memberships, stripped_states},
};
use ruma::{
    OwnedServerName, RoomId, RoomVersionId, ServerName,
    api::federation::membership::{create_knock_event, prepare_knock_event},
    events::room::member::MembershipState,
};
use serde_json::{Map, Value, value::RawValue};

use super::{Failures, RemoteRooms, rules_of, supported};
use crate::{
    Error, Result,
    accounts::Session,
    federation::{PeerError, peers::ORDINARY, stripped},
};

impl RemoteRooms {
    /// Asks a server of the room to be let in. `content` is what the member event says.
    pub async fn knock(
        &self,
        by: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
        content: Map<String, Value>,
    ) -> Result<()> {
        let mut failures = Failures::none();
        for server in self.sources(room_id, via).await {
            if let Err(refused) = self.users.localities().may_tell(&server, &by.user_id, &content) {
                failures.refused(refused);
                continue;
            }
            match self.knock_at(by, room_id, &server, &content).await {
                Ok((version, event, shown)) => return self.note_knock(by, room_id, &version, event, &shown).await,
                Err(error) => failures.add(&server, error),
            }
        }
        Err(failures.told(room_id))
    }

    async fn knock_at(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        content: &Map<String, Value>,
    ) -> std::result::Result<(RoomVersionId, Pdu, Vec<Box<RawValue>>), PeerError> {
        let mut request = prepare_knock_event::v1::Request::new(room_id.to_owned(), by.user_id.clone());
        request.ver = supported();
        let draft = self.peers.ask(server, request, ORDINARY).await?;
        let version = draft.room_version;
        let rules = rules_of(&version).map_err(|error| PeerError::Nonsense(error.to_string()))?;
        let event = self
            .take_up(&draft.event, &rules, room_id, &by.user_id, MembershipState::Knock, content.clone())
            .map_err(PeerError::Nonsense)?;
        let json = event.to_raw().map_err(|error| PeerError::Request(error.to_string()))?;
        let request = create_knock_event::v1::Request::new(room_id.to_owned(), event.event_id().to_owned(), json);
        let answer = self.peers.ask(server, request, ORDINARY).await?;
        Ok((version, event, stripped::texts(answer.knock_room_state)))
    }

    async fn note_knock(
        &self,
        by: &Session,
        room_id: &RoomId,
        version: &RoomVersionId,
        event: Pdu,
        shown: &[Box<RawValue>],
    ) -> Result<()> {
        let info = self.known(room_id, version).await?;
        let own = domicile_room::event::client_json::stripped(&event).map_err(Error::internal)?;
        let shown = stripped::kept(shown, &own, &info).map_err(Error::internal)?;
        let mut batch = Batch::new();
        let position = batch.position();
        let event_num: EventNum = self.put_outlier(&mut batch, info.room_num, by, &event).await?;
        memberships::set(&mut batch, by.user_num, info.room_num, "knock", event_num, position);
        stripped_states::set(&mut batch, by.user_num, info.room_num, shown);
        self.store.write(batch).await?;
        self.wakers.wake(by.user_num);
        Ok(())
    }
}

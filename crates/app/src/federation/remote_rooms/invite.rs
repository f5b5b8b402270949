//! Inviting somebody of another server (server-server, *Inviting to a room*): their server signs the invite before the room has it.

use std::sync::Arc;

use domicile_core::error::ErrorKind;
use domicile_room::event::{EventDraft, Pdu};
use ruma::{OwnedEventId, ServerName, api::federation::membership::create_invite};
use serde_json::value::RawValue;

use super::RemoteRooms;
use crate::{
    Error, Result,
    events::ingest::{Outcome, Way},
    federation::{PeerError, peers::ORDINARY, stripped},
    rooms::Room,
};

impl RemoteRooms {
    /// Sends an invite: it is made on the room as it is now, signed by the other server, and then taken like an event of theirs. The room does
    /// not wait for the other server.
    pub async fn invite(&self, room: &Arc<Room>, draft: EventDraft, server: &ServerName) -> Result<OwnedEventId> {
        let drafted = {
            let _writer = room.writer().await;
            self.sender.draft(room, draft).await?
        };
        let shown =
            stripped::of_room(room, &drafted, &self.events, &self.keys, (self.users.localities(), server)).await?;
        let signed = match self.ask_to_sign(room, &drafted, shown, server).await {
            Ok(signed) => signed,
            Err(PeerError::Matrix { status: 403, text, .. }) => {
                let told = self.users.localities().told(server);
                return Err(ErrorKind::Forbidden.with(format!("{told} refuses the invite: {text}")).into());
            }
            Err(error) => return Err(error.told(server).into()),
        };
        let verified = self.ingest.verify_one(&room.info.rules, &room.info.room_id, signed).await?;
        let wrong = |reason: String| {
            let told = self.users.localities().told(server);
            Error::from(ErrorKind::BadGateway.with(format!("{told} answered with something wrong: {reason}")))
        };
        let signed = verified.map_err(wrong)?.pdu;
        if signed.event_id() != drafted.event_id() {
            return Err(wrong("it is another event".to_owned()));
        }
        let way = Way { tell: true, ..Way::default() };
        match self.ingest.take(room, &[Arc::new(signed)], &way).await?.into_iter().next() {
            Some(Outcome::Accepted | Outcome::Known) => Ok(drafted.event_id().to_owned()),
            other => {
                tracing::info!(?other, "an invite was not allowed any more when it was signed");
                Err(ErrorKind::Forbidden.with("The room does not allow this invite any more.").into())
            }
        }
    }

    async fn ask_to_sign(
        &self,
        room: &Room,
        drafted: &Pdu,
        shown: Vec<Box<RawValue>>,
        server: &ServerName,
    ) -> std::result::Result<Box<RawValue>, PeerError> {
        let json = drafted.to_raw().map_err(|error| PeerError::Request(error.to_string()))?;
        let request = create_invite::v2::Request::new(
            room.info.room_id.clone(),
            drafted.event_id().to_owned(),
            room.info.version.clone(),
            json,
            stripped::as_sent(shown),
        );
        Ok(self.peers.ask(server, request, ORDINARY).await?.event)
    }
}

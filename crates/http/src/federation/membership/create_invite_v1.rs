//! PUT /_matrix/federation/v1/invite/{roomId}/{eventId} (Inviting to a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::{Invite, Resident, stripped};
use domicile_core::error::ErrorKind;
use ruma::{
    RoomVersionId,
    api::federation::membership::create_invite::v1::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Takes an invite to a room of version 1 or 2: the body is the event itself.
pub(super) async fn create_invite(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let event = serde_json::from_slice(&peer.raw)
        .map_err(|_| ErrorKind::NotJson.with("The request's body is not one JSON object."))?;
    let Request { room_id, event_id, unsigned, .. } = peer.body;
    let shown = stripped::texts(unsigned.invite_room_state);
    let invite = Invite { room_id, event_id, version: RoomVersionId::V1, event, shown };
    Ok(Answer(Response::new(resident.take_invite(&peer.origin, invite).await?)))
}

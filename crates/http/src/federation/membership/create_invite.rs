//! PUT /_matrix/federation/v2/invite/{roomId}/{eventId} (Inviting to a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::{Invite, Resident, stripped};
use ruma::api::federation::membership::create_invite::v2::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Takes an invite for somebody of this server.
pub(super) async fn create_invite(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, event_id, room_version, event, invite_room_state, .. } = peer.body;
    let shown = stripped::texts(invite_room_state);
    let invite = Invite { room_id, event_id, version: room_version, event, shown };
    Ok(Answer(Response::new(resident.take_invite(&peer.origin, invite).await?)))
}

//! PUT /_matrix/federation/v2/send_join/{roomId}/{eventId} (Joining Rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Resident;
use ruma::api::federation::membership::create_join_event::v2::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Lets somebody of another server in.
pub(super) async fn create_join_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, event_id, pdu, omit_members, .. } = peer.body;
    let state = resident.send_join(&peer.origin, &room_id, &event_id, pdu, omit_members).await?;
    Ok(Answer(Response::new(state)))
}

//! PUT /_matrix/federation/v2/send_leave/{roomId}/{eventId} (Leaving Rooms (Rejecting Invites))

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Resident;
use ruma::api::federation::membership::create_leave_event::v2::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Takes a leave of somebody of another server.
pub(super) async fn create_leave_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, event_id, pdu, .. } = peer.body;
    resident.send_leave(&peer.origin, &room_id, &event_id, pdu).await?;
    Ok(Answer(Response::new()))
}

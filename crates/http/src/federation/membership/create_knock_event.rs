//! PUT /_matrix/federation/v1/send_knock/{roomId}/{eventId} (Knocking upon a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::{Resident, stripped};
use ruma::api::federation::membership::create_knock_event::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Takes a knock of somebody of another server.
pub(super) async fn create_knock_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, event_id, pdu, .. } = peer.body;
    let shown = resident.send_knock(&peer.origin, &room_id, &event_id, pdu).await?;
    Ok(Answer(Response::new(stripped::as_sent(shown))))
}

//! GET /_matrix/federation/v1/make_knock/{roomId}/{userId} (Knocking upon a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Resident;
use ruma::api::federation::membership::prepare_knock_event::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Drafts a knock for another server.
pub(super) async fn prepare_knock_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, user_id, ver, .. } = peer.body;
    let drafted = resident.make_knock(&peer.origin, &room_id, &user_id, &ver).await?;
    Ok(Answer(Response::new(drafted.version, drafted.event)))
}

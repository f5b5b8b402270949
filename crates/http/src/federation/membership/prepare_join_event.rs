//! GET /_matrix/federation/v1/make_join/{roomId}/{userId} (Joining Rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Resident;
use ruma::api::federation::membership::prepare_join_event::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Drafts a join for another server.
pub(super) async fn prepare_join_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let Request { room_id, user_id, ver, .. } = peer.body;
    let drafted = resident.make_join(&peer.origin, &room_id, &user_id, &ver).await?;
    let mut response = Response::new(drafted.event);
    response.room_version = Some(drafted.version);
    Ok(Answer(response))
}

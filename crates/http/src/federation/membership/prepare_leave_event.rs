//! GET /_matrix/federation/v1/make_leave/{roomId}/{userId} (Leaving Rooms (Rejecting Invites))

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::Resident;
use ruma::api::federation::membership::prepare_leave_event::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Drafts a leave for another server.
pub(super) async fn prepare_leave_event(State(resident): State<Arc<Resident>>, peer: Peer<Request>) -> Reply<Response> {
    let drafted = resident.make_leave(&peer.origin, &peer.body.room_id, &peer.body.user_id).await?;
    Ok(Answer(Response::new(Some(drafted.version), drafted.event)))
}

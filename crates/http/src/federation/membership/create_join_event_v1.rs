//! PUT /_matrix/federation/v1/send_join/{roomId}/{eventId} (Joining Rooms)

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use domicile_app::federation::Resident;
use ruma::{
    OwnedEventId, OwnedRoomId,
    api::{federation::authentication::ServerSignatures, request},
    metadata,
};
use serde_json::{json, value::RawValue};

use crate::{error::Failure, federation::extract::Peer};

metadata! {
    method: PUT,
    rate_limited: false,
    authentication: ServerSignatures,
    path: "/_matrix/federation/v1/send_join/{room_id}/{event_id}",
}

/// The request, which ruma has in its second version only.
#[request]
pub(super) struct Request {
    /// The room.
    #[ruma_api(path)]
    pub(super) room_id: OwnedRoomId,
    /// The event's id.
    #[ruma_api(path)]
    pub(super) event_id: OwnedEventId,
    /// The event.
    #[ruma_api(body)]
    pub(super) pdu: Box<RawValue>,
}

/// Lets somebody of another server in. The answer is that of the second version, after the number of its status.
pub(super) async fn create_join_event(
    State(resident): State<Arc<Resident>>,
    peer: Peer<Request>,
) -> Result<impl IntoResponse, Failure> {
    let Request { room_id, event_id, pdu } = peer.body;
    let state = resident.send_join(&peer.origin, &room_id, &event_id, pdu).await?;
    Ok(Json(json!([200, { "auth_chain": state.auth_chain, "state": state.state, "event": state.event }])))
}

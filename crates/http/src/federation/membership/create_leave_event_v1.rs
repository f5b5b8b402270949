//! PUT /_matrix/federation/v1/send_leave/{roomId}/{eventId} (Leaving Rooms (Rejecting Invites))

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
    path: "/_matrix/federation/v1/send_leave/{room_id}/{event_id}",
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

/// Takes a leave of somebody of another server.
pub(super) async fn create_leave_event(
    State(resident): State<Arc<Resident>>,
    peer: Peer<Request>,
) -> Result<impl IntoResponse, Failure> {
    let Request { room_id, event_id, pdu } = peer.body;
    resident.send_leave(&peer.origin, &room_id, &event_id, pdu).await?;
    Ok(Json(json!([200, {}])))
}

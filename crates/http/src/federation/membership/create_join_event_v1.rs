//! PUT /_matrix/federation/v1/send_join/{roomId}/{eventId} (Joining Rooms)

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use domicile_app::federation::Resident;
use ruma::api::{
    IncomingRequest, Metadata,
    error::DeserializationError,
    federation::membership::create_join_event::v2::{Request as Second, Response},
    path_builder::SinglePath,
};
use serde_json::json;

use crate::{error::Failure, federation::extract::Peer};

/// The request, which ruma has in its second version only.
pub(super) struct Request(Second);

impl Metadata for Request {
    const METHOD: http::Method = Second::METHOD;
    const RATE_LIMITED: bool = Second::RATE_LIMITED;
    type Authentication = <Second as Metadata>::Authentication;
    type PathBuilder = SinglePath;
    const PATH_BUILDER: SinglePath = SinglePath::new("/_matrix/federation/v1/send_join/{room_id}/{event_id}");
}

impl IncomingRequest for Request {
    type EndpointError = <Second as IncomingRequest>::EndpointError;
    type OutgoingResponse = Response;

    fn try_from_http_request_inner(
        request: http::Request<&[u8]>,
        path_args: &[&str],
    ) -> Result<Self, DeserializationError> {
        Second::try_from_http_request_inner(request, path_args).map(Self)
    }
}

/// Lets somebody of another server in. The answer is that of the second version, after the number of its status.
pub(super) async fn create_join_event(
    State(resident): State<Arc<Resident>>,
    peer: Peer<Request>,
) -> Result<impl IntoResponse, Failure> {
    let Request(Second { room_id, event_id, pdu, .. }) = peer.body;
    let state = resident.send_join(&peer.origin, &room_id, &event_id, pdu, false).await?;
    Ok(Json(json!([200, { "auth_chain": state.auth_chain, "state": state.state, "event": state.event }])))
}

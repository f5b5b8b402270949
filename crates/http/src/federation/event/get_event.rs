//! GET /_matrix/federation/v1/event/{eventId} (Server-Server: Retrieving events)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::RoomEvents;
use ruma::api::federation::event::get_event::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// One event.
pub(super) async fn get_event(State(events): State<Arc<RoomEvents>>, request: Peer<Request>) -> Reply<Response> {
    let pdu = events.event(&request.origin, &request.body.event_id).await?;
    Ok(Answer(Response::new(events.server_name().to_owned(), super::now(&events), pdu)))
}

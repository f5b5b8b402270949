//! GET /_matrix/federation/v1/backfill/{roomId} (Server-Server: Backfilling and retrieving missing events)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::RoomEvents;
use ruma::api::federation::backfill::get_backfill::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::{event, extract::Peer},
};

/// Events and those before them.
pub(super) async fn get_backfill(State(events): State<Arc<RoomEvents>>, request: Peer<Request>) -> Reply<Response> {
    let Request { room_id, v, limit, .. } = request.body;
    let pdus = events.backfill(&request.origin, &room_id, v, limit.into()).await?;
    Ok(Answer(Response::new(events.server_name().to_owned(), event::now(&events), pdus)))
}

//! POST /_matrix/federation/v1/get_missing_events/{roomId} (Server-Server: Backfilling and retrieving missing events)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::{RoomEvents, room_events::Gap};
use ruma::api::federation::event::get_missing_events::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// Events that the server misses.
pub(super) async fn get_missing_events(
    State(events): State<Arc<RoomEvents>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { room_id, limit, min_depth, earliest_events, latest_events, .. } = request.body;
    let gap =
        Gap { limit: limit.into(), min_depth: min_depth.into(), earliest: earliest_events, latest: latest_events };
    Ok(Answer(Response::new(events.missing(&request.origin, &room_id, gap).await?)))
}

//! GET /_matrix/federation/v1/timestamp_to_event/{roomId} (Server-Server: Retrieving events)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{error::not_found, federation::RoomEvents, rooms::reader::is_backward};
use ruma::{
    MilliSecondsSinceUnixEpoch, UInt,
    api::federation::event::get_event_by_timestamp::v1::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// The event nearest to a time.
pub(super) async fn get_event_by_timestamp(
    State(events): State<Arc<RoomEvents>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { room_id, ts, dir, .. } = request.body;
    let backward = is_backward(dir);
    let (event_id, ts) = events.event_at(&request.origin, &room_id, i64::from(ts.0), backward).await?;
    let ts = UInt::try_from(ts).map_err(|_| not_found("There is no event of this time."))?;
    Ok(Answer(Response::new(event_id, MilliSecondsSinceUnixEpoch(ts))))
}

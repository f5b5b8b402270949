//! GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::{RoomReader, reader::is_backward};
use ruma::{
    MilliSecondsSinceUnixEpoch, UInt,
    api::client::room::get_event_by_timestamp::v1::{Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The event nearest to a time.
pub(super) async fn get_event_by_timestamp(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    let (ts, backward) = (i64::from(body.ts.0), is_backward(body.dir));
    let (event_id, ts) = reader.event_at(&request.session, &body.room_id, ts, backward).await?;
    let ts = MilliSecondsSinceUnixEpoch(UInt::try_from(ts).unwrap_or_default());
    Ok(Answer(Response::new(event_id, ts)))
}

//! GET /_matrix/client/v3/events (Room Previews; deprecated without `room_id`)

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use domicile_app::{
    rooms::RoomReader,
    sync::{
        Sync, SyncToken,
        token::{timeline_position, timeline_token},
    },
};
use ruma::{api::client::peeking::listen_to_new_events::v3::Response, serde::Raw};

use super::GetEvents;
use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// How long a request waits when it does not say.
const DEFAULT_TIMEOUT_MS: u64 = 30_000;
/// How long it waits at most.
const LONGEST_TIMEOUT_MS: u64 = 2 * 60 * 1_000;

/// What happens from now on: in one room, or in all of the user's.
pub(super) async fn get_events(
    State(sync): State<Arc<Sync>>,
    State(reader): State<Arc<RoomReader>>,
    request: Authed<GetEvents>,
) -> Reply<Response> {
    let GetEvents { from, timeout, room_id } = request.body;
    let timeout = Duration::from_millis(timeout.unwrap_or(DEFAULT_TIMEOUT_MS).min(LONGEST_TIMEOUT_MS));
    let mut response = Response::new();
    if let Some(room_id) = room_id {
        let from = from.as_deref().map(timeline_position).transpose()?;
        let streamed = reader.stream(&request.session, &room_id, from, timeout).await?;
        (response.start, response.end) = (Some(timeline_token(streamed.start)), Some(timeline_token(streamed.end)));
        response.chunk = streamed.events.into_iter().map(Raw::from_json).collect();
    } else {
        let from: Option<SyncToken> = from.as_deref().map(str::parse).transpose()?;
        let listened = sync.listen(&request.session, from, timeout).await?;
        (response.start, response.end) = (Some(listened.start), Some(listened.end));
        response.chunk = listened.chunk.into_iter().map(Raw::from_json).collect();
    }
    Ok(Answer(response))
}

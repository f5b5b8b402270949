//! GET /_matrix/client/v1/rooms/{roomId}/threads (Querying threads in a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    rooms::{
        RoomReader,
        reader::{ThreadsRequest, bounded},
    },
    sync::token::{timeline_position, timeline_token},
};
use domicile_core::error::ErrorKind;
use ruma::{
    api::client::threads::get_threads::v1::{IncludeThreads, Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Threads of an answer when the request does not say how many.
const DEFAULT_LIMIT: u64 = 20;

/// The threads of a room.
pub(super) async fn get_threads(State(reader): State<Arc<RoomReader>>, request: Authed<Request>) -> Reply<Response> {
    let body = request.body;
    let participated = match body.include {
        IncludeThreads::All => false,
        IncludeThreads::Participated => true,
        other => return Err(ErrorKind::InvalidParam.with(format!("`include` cannot be `{other}`.")).into()),
    };
    let wanted = ThreadsRequest {
        from: body.from.as_deref().map(timeline_position).transpose()?,
        limit: bounded(body.limit.map_or(DEFAULT_LIMIT, u64::from))?.max(1),
        participated,
    };
    let page = reader.threads(&request.session, &body.room_id, wanted).await?;
    let mut response = Response::new(page.roots.into_iter().map(Raw::from_json).collect());
    response.next_batch = page.end.map(timeline_token);
    Ok(Answer(response))
}

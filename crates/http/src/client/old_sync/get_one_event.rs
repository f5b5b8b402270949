//! GET /_matrix/client/v3/events/{eventId} (deprecated)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::{api::client::room::get_room_event::v3::Response, serde::Raw};

use super::GetOneEvent;
use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// One event, whatever room it is in.
pub(super) async fn get_one_event(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<GetOneEvent>,
) -> Reply<Response> {
    let event = reader.event_anywhere(&request.session, &request.body.event_id).await?;
    Ok(Answer(Response::new(Raw::from_json(event))))
}

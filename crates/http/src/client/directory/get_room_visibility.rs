//! GET /_matrix/client/v3/directory/list/room/{roomId} (Published room directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::PublicRooms;
use ruma::api::client::{
    directory::get_room_visibility::v3::{Request, Response},
    room::Visibility,
};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Whether a room is in the public directory.
pub(super) async fn get_room_visibility(
    State(rooms): State<Arc<PublicRooms>>,
    request: Public<Request>,
) -> Reply<Response> {
    let listed = rooms.is_listed(&request.body.room_id).await?;
    Ok(Answer(Response::new(if listed { Visibility::Public } else { Visibility::Private })))
}

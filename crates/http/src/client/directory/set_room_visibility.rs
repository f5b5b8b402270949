//! PUT /_matrix/client/v3/directory/list/room/{roomId} (Published room directory)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::PublicRooms;
use domicile_core::error::ErrorKind;
use ruma::api::client::{
    directory::set_room_visibility::v3::{Request, Response},
    room::Visibility,
};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Puts a room into the public directory or takes it out.
pub(super) async fn set_room_visibility(
    State(rooms): State<Arc<PublicRooms>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let listed = match request.body.visibility {
        Visibility::Public => true,
        Visibility::Private => false,
        other => return Err(ErrorKind::InvalidParam.with(format!("There is no visibility `{other}`.")).into()),
    };
    rooms.list(&request.session, &request.body.room_id, listed).await?;
    Ok(Answer(Response::new()))
}
